"""The JSON of an empty Go struct: what a new object of a built-in kind is compared with.

A member without `omitempty` is always there, and so is a struct that is no pointer. Read from the Go facts of the typed
decoder; upstream gets the same by reflection (sigs.k8s.io/structured-merge-diff/value).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from wherry.machinery.builtins import go_type_name
from wherry.machinery.typed import facts

_EMPTY: dict[str, Any] = {"string": "", "bool": False, "int32": 0, "int64": 0, "int": 0, "float64": 0}
# structs that write themselves; those of other names are written field by field
_OPAQUE = ("Time", "MicroTime", "RawExtension", "IntOrString", "Quantity", "Duration", "FieldsV1", "JSON")


def of_kind(group: str, version: str, kind: str) -> dict[str, Any]:
    """Without apiVersion and kind; shared, not to be changed."""
    name = go_type_name(group, version, kind)
    if facts.definition(name) is None:
        return {}
    return {key: value for key, value in _struct(name).items() if key not in ("apiVersion", "kind")}


@cache
def _struct(name: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field in facts.fields(name):
        if field.omitzero:
            continue
        go_type = field.type
        if go_type.startswith(("*", "[]", "map[")):
            if not field.omitempty:
                out[field.json] = None
        elif go_type.rpartition(".")[2] in _OPAQUE:
            out[field.json] = None
        elif facts.is_struct(go_type):
            out[field.json] = _struct(go_type)
        elif not field.omitempty:
            out[field.json] = _EMPTY.get(facts.underlying(go_type))
    return out
