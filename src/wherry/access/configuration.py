"""Configuration files of kinds that kube-apiserver has (apiserver.config.k8s.io), read strictly.

A shape says which fields there are: a dict for an object, a list with one shape for a list, a Python type for a value.
Unknown fields, duplicates and values of other types are errors, as with upstream's strict decoder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from wherry.errors import ConfigurationError, FieldError

Obj = dict[str, Any]
Shape = Any  # dict[str, Shape] | list[Shape] | type
GROUP = "apiserver.config.k8s.io"
_DURATION = re.compile(r"([-+]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+")
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(float):
    """A shape: Go's notation of durations."""


def decode(text: bytes, kind: str, versions: Sequence[str], shape: Shape) -> Obj:
    """The document in a file. Raises ConfigurationError."""
    try:
        found = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(f"error converting YAML to JSON: {error}") from None
    if not isinstance(found, dict):
        raise ConfigurationError("couldn't get version/kind; json parse error: not an object")
    group, _, version = str(found.get("apiVersion") or "").rpartition("/")
    if found.get("kind") != kind or group != GROUP or version not in versions:
        shown = f"{found.get('apiVersion')}, Kind={found.get('kind')}"
        wanted = f"{GROUP}/{versions[0]}, Kind={kind}"
        raise ConfigurationError(f"no kind {found.get('kind')!r} is known for {shown}; write {wanted}")
    faults = list(_faults(found, {"apiVersion": str, "kind": str, **shape}, ""))
    if faults:
        raise ConfigurationError(f"strict decoding error: {', '.join(faults)}")
    return found


def refuse(found: Sequence[FieldError]) -> None:
    """Raises ConfigurationError if there is anything to say."""
    if found:
        texts = [str(error) for error in found]
        raise ConfigurationError(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")


def seconds(text: str) -> float:
    """A duration in Go's notation. Raises ValueError."""
    if text in ("0", "+0", "-0"):
        return 0.0
    whole = _DURATION.fullmatch(text)
    if whole is None:
        raise ValueError(f'time: invalid duration "{text}"')
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return -total if whole[1] == "-" else total


def _faults(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if value is None:
        return
    if isinstance(shape, dict):
        yield from _object_faults(value, shape, path)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield _wrong(value, "array", path)
            return
        for index, each in enumerate(value):
            yield from _faults(each, shape[0], f"{path}[{index}]")
    elif shape is Duration:
        try:
            seconds(value) if isinstance(value, str) else seconds("?")
        except ValueError as bad:
            yield f"{path}: {bad}"
    elif type(value) is not shape:
        yield _wrong(value, shape.__name__, path)


def _object_faults(value: Any, shape: dict[str, Shape], path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _wrong(value, "object", path)
        return
    for key, each in value.items():
        below = f"{path}.{key}" if path else str(key)
        if key not in shape:
            yield f'unknown field "{below}"'
        else:
            yield from _faults(each, shape[key], below)


def _wrong(value: Any, wanted: str, path: str) -> str:
    return f"json: cannot unmarshal {type(value).__name__} into field {path} of type {wanted}"


class _Loader(yaml.CSafeLoader):
    """Refuses a key that is there twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise ValueError(f'key "{key}" already set in map')
            seen.add(key)
        return super().construct_mapping(node, deep)
