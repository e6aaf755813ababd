"""Values as the server's internal Go types print them: Go field names, every field, `null` for what is absent.

A few messages show them: a refused pod update carries a diff of the two specs, some invalid structs are printed whole.
The table is made by `tools/generate_internal_shapes.py` and is read when the first such message is worded.
"""

from __future__ import annotations

import difflib
import json
from functools import cache
from pathlib import Path
from typing import Any

Obj = dict[str, Any]
_LITERALS: dict[str, Any] = {'""': "", "0": 0, "false": False, "null": None, '"0"': "0"}


@cache
def _table() -> dict[str, list[list[str]]]:
    table: dict[str, list[list[str]]] = json.loads((Path(__file__).parent / "internal_shapes.json").read_bytes())
    return table


def internal(kind: str, value: Obj | None) -> Any:
    """The versioned JSON shape `value` as the internal type `kind` ("core.PodSpec") prints."""
    if value is None:
        return None
    if kind == "core.PodSpec":
        value = _with_host_fields(value)
    out: Obj = {}
    for name, key, holds in _table()[kind]:
        if not name:  # embedded: its fields stand among the outer ones
            out.update(value.get("metadata") or {} if holds == "meta" else internal(holds, value))
        else:
            out[name] = _hold(holds, value.get(key))
    return out


def _hold(holds: str, value: Any) -> Any:
    if holds.startswith("*") or holds == "{}":
        inner = holds[1:]
        if holds == "{}":
            return dict(sorted(value.items())) if value is not None else None
        return internal(inner, value) if "." in inner else _selector(value) if inner == "meta" else value
    if holds.startswith("[]"):
        inner = holds[2:]
        if value is None:
            return None
        return [internal(inner, item) for item in value] if "." in inner else value
    if "." in holds:
        return internal(holds, value or {})
    if holds == "meta":
        return value or {}
    return _LITERALS[holds] if value is None else value


def _selector(value: Obj | None) -> Obj | None:
    """A LabelSelector has JSON names even inside; only the order of the struct matters."""
    if value is None:
        return None
    out: Obj = {}
    if value.get("matchLabels"):
        out["matchLabels"] = dict(sorted(value["matchLabels"].items()))
    if value.get("matchExpressions"):
        out["matchExpressions"] = [
            {key: item[key] for key in ("key", "operator", "values") if key in item}
            for item in value["matchExpressions"]
        ]
    return out


_HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")


def _with_host_fields(spec: Obj) -> Obj:
    """The internal type keeps the host's namespaces in the security context."""
    context = dict(spec.get("securityContext") or {})
    context.update({key: spec[key] for key in _HOST_FIELDS if key in spec})
    return {**spec, "securityContext": context}


def selector_document(value: Obj) -> Obj:
    """A label selector with its keys in the order in which Go prints them."""
    return _selector(value) or {}


def diff(kind: str, old: Obj, new: Obj) -> str:
    """A unified diff of both values, printed with an indent of one (k8s.io/apimachinery/pkg/util/diff)."""
    before, after = _lines(internal(kind, old)), _lines(internal(kind, new))
    return "".join(list(difflib.unified_diff(before, after))[2:])


def _lines(value: Any) -> list[str]:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return [line + "\n" for line in text.split("\n")]
