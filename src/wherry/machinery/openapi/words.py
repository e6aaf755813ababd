"""Descriptions in OpenAPI documents: of parameters and common types always, of built-in kinds where a package has them.

`words.json` is wire format: the texts of query parameters and of the meta/v1 types that every document repeats, custom
kinds' documents included. The texts of the other built-in types (`kubectl explain`) come from the optional package
`kubernetes_validate`; without it those documents have fields and types only.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from wherry.machinery.kinds import Obj

Texts = Mapping[str, str]  # "" -> the type's description, property -> its description


@cache
def _facts() -> dict[str, Any]:
    facts: dict[str, Any] = orjson.loads((Path(__file__).parent / "words.json").read_bytes())
    return facts


def parameter(key: str) -> tuple[str, str]:
    """Type and description of a query parameter; `name@context` where the text depends on the operation."""
    kind, text = _facts()["parameters"][key]
    return kind, text


def common(name: str) -> Texts | None:
    """The texts of a meta/v1 type (or Scale) by full name."""
    return _facts()["schemas"].get(name)  # type: ignore[no-any-return]


def option_versions(*, client: bool = False) -> list[tuple[str, str]]:
    """(group, version) pairs that register DeleteOptions and WatchEvent; `client`: those of a client library only."""
    skipped = set(_facts()["server_only"]) if client else set()
    pairs = [pair.rpartition("/") for pair in _facts()["option_versions"] if pair not in skipped]
    return [(group, version) for group, _, version in pairs]


@cache
def _definitions_file() -> Path | None:
    """The newest file of `kubernetes_validate` that is not newer than the API served here, or the oldest it has."""
    spec = find_spec("kubernetes_validate")
    if spec is None or not spec.origin:
        return None
    folders: list[tuple[int, Path]] = []
    for file in (Path(spec.origin).parent / "kubernetes-json-schema").glob("v1.*-local/_definitions.json"):
        minor = file.parent.name.split(".")[1]
        if minor.isdigit():
            folders.append((int(minor), file))
    known = [item for item in folders if item[0] <= API_MINOR] or folders[-1:]
    return max(known)[1] if known else None


API_MINOR = 36


def source() -> str:
    """A word for where descriptions come from, part of a document's hash."""
    file = _definitions_file()
    return "" if file is None else file.parent.name


class Explained:
    """The descriptions of all built-in types, read for the building of one document and then let go (8 MB)."""

    def __init__(self) -> None:
        file = _definitions_file()
        loaded = {} if file is None else orjson.loads(file.read_bytes())
        self._definitions: Mapping[str, Obj] = loaded.get("$defs") or loaded.get("definitions") or {}

    def texts(self, name: str) -> Texts | None:
        if (texts := common(name)) is not None:
            return texts
        found = self._definitions.get(name)
        if found is None:
            return None
        texts = {p: s["description"] for p, s in (found.get("properties") or {}).items() if s.get("description")}
        if found.get("description"):
            texts[""] = found["description"]
        return texts
