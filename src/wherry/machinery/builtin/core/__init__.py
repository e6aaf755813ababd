"""(group, resource) -> "module:Class" of this area."""

TABLE: dict[tuple[str, str], str] = {}
