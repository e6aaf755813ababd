"""Values at simple dotted paths, with the errors of apimachinery's unstructured helpers (NestedInt64, NestedString).

Scale paths of custom resources are read with these.
"""

from __future__ import annotations

from typing import Any

from wherry.machinery.schema.gotext import INT64_MAX, INT64_MIN, go_float

Obj = dict[str, Any]
_MISSING = object()


class AccessError(ValueError):
    """A value of the wrong type on the way or at the end of a path."""


def split_path(path: str) -> list[str]:
    return path.removeprefix(".").split(".")


def go_type(value: Any) -> str:
    """%T of a value in an unstructured object."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int):
        return "int64" if INT64_MIN <= value <= INT64_MAX else "float64"
    if isinstance(value, float):
        return "float64"
    return "map[string]interface {}" if isinstance(value, dict) else "[]interface {}"


def go_print(value: Any) -> str:
    """%v of a value in an unstructured object."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float) or (isinstance(value, int) and go_type(value) == "float64"):
        return go_float(float(value))
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_print(item)}" for key, item in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_print(item) for item in value) + "]"
    return str(value)


def _nested(obj: Obj, fields: list[str]) -> Any:
    value: Any = obj
    for index, name in enumerate(fields):
        if value is None:
            return _MISSING
        if not isinstance(value, dict):
            raise AccessError(_wrong(fields[: index + 1], value, "map[string]interface{}"))
        if name not in value:
            return _MISSING
        value = value[name]
    return value


def _wrong(fields: list[str], value: Any, expected: str) -> str:
    found = f"{go_print(value)} is of the type {go_type(value)}, expected {expected}"
    return f".{'.'.join(fields)} accessor error: {found}"


def nested_int(obj: Obj, path: str) -> int | None:
    """The integer at a path, None when absent. Raises AccessError."""
    fields = split_path(path)
    value = _nested(obj, fields)
    if value is _MISSING:
        return None
    if go_type(value) != "int64":
        raise AccessError(_wrong(fields, value, "int64"))
    return int(value)


def nested_string(obj: Obj, path: str) -> str | None:
    """The string at a path, None when absent. Raises AccessError."""
    fields = split_path(path)
    value = _nested(obj, fields)
    if value is _MISSING:
        return None
    if not isinstance(value, str):
        raise AccessError(_wrong(fields, value, "string"))
    return value


def set_nested(obj: Obj, value: Any, path: str) -> Obj:
    """A copy of `obj` with the value at a path; objects on the way are made. Raises AccessError."""
    fields = split_path(path)
    out = dict(obj)
    place = out
    for index, name in enumerate(fields[:-1]):
        below = place.get(name, _MISSING)
        if below is _MISSING:
            below = {}
        elif not isinstance(below, dict):
            where = ".".join(fields[: index + 1])
            raise AccessError(f"value cannot be set because .{where} is not a map[string]interface{{}}")
        place[name] = dict(below)
        place = place[name]
    place[fields[-1]] = value
    return out
