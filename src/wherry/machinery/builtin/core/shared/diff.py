"""Differences of structs as the real server words them: of internal Go types, printed as JSON, line by line."""

from __future__ import annotations

import difflib
import json
from typing import Any

from wherry.machinery.builtin.workloads import internal_shapes
from wherry.machinery.kinds import Obj


def shown(kind: str, value: Obj) -> Any:
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
