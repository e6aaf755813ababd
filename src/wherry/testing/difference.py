"""What changed in a workspace since a moment: for the report of a test that failed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import orjson

from wherry.storage.api import Record, Storage

_QUIET = ("managedFields", "resourceVersion", "generation")
_MOST = 120  # lines that are shown

Snapshot = dict[str, Record]


def snapshot(space: Storage) -> Snapshot:
    """Everything as it is now; records are shared, so that this copies nothing."""
    return {record.key: record for record in space.records()}


def difference(before: Snapshot, after: Snapshot) -> list[str]:
    """Lines: a heading for each object that came (+), changed (~) or went (-), and what is different below it."""
    lines: list[str] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old is new or (old is not None and new is not None and old.value == new.value):
            continue
        sign = "+" if old is None else "-" if new is None else "~"
        changes = list(_changes(_text(old), _text(new)))
        if changes:
            lines += [f"{sign} {_title(new or old)}", *(changes if sign != "-" else ())]
    left = len(lines) - _MOST
    return lines if left <= 0 else [*lines[:_MOST], f"... and {left} lines more"]


def _title(record: Record | None) -> str:
    assert record is not None
    obj = orjson.loads(record.value)
    meta = obj["metadata"]
    where = "/".join(filter(None, (meta.get("namespace", ""), meta["name"])))
    return f"{obj.get('kind') or record.key} {where}"


def _text(record: Record | None) -> list[str]:
    import yaml

    if record is None:
        return []
    obj: dict[str, Any] = orjson.loads(record.value)
    obj["metadata"] = {key: value for key, value in obj["metadata"].items() if key not in _QUIET}
    found: str = yaml.safe_dump(obj, sort_keys=False, width=110)
    return found.splitlines()


def _changes(old: list[str], new: list[str]) -> Iterator[str]:
    for line in difflib.unified_diff(old, new, n=1, lineterm=""):
        if not line.startswith(("---", "+++", "@@")):
            yield f"    {line}"
