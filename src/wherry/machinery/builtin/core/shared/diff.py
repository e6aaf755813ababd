"""Structs and their differences as the real server words them: internal Go types, printed as JSON, line by line.

The shapes of pods and claims belong to `workloads.internal_shapes`; those of volumes and devices stand in `shapes.json`
(made by `tools/generate_more_shapes.py`) and join the same table when this module is first needed.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from wherry.machinery.builtin.workloads import internal_shapes
from wherry.machinery.kinds import Obj

for _name, _rows in json.loads(Path(__file__).with_name("shapes.json").read_bytes()).items():
    internal_shapes._table().setdefault(_name, _rows)


def shown(kind: str, value: Obj | None) -> Any:
    """A value as an internal type of Go."""
    return internal_shapes.internal(kind, value)


def struct_diff(kind: str, old: Obj, new: Obj) -> str:
    return internal_shapes.diff(kind, old, new)


def claim_spec_diff(old: Obj, new: Obj) -> str:
    return struct_diff("core.PersistentVolumeClaimSpec", old, new)


_CONDITION = {
    "Type": "type",
    "Status": "status",
    "Reason": "reason",
    "Message": "message",
    "LastUpdateTime": "lastUpdateTime",
    "LastTransitionTime": "lastTransitionTime",
}


def condition_diff(old: list[Obj], new: list[Obj]) -> str:
    """Of conditions of certificate signing requests."""

    def lines(conditions: list[Obj]) -> list[str]:
        items = [
            {go: item.get(key) if go.endswith("Time") else item.get(key, "") for go, key in _CONDITION.items()}
            for item in conditions
        ]
        return [line + "\n" for line in json.dumps(items, indent=1, ensure_ascii=False).split("\n")]

    return "".join(list(difflib.unified_diff(lines(old), lines(new)))[2:])
