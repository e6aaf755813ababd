"""Conversion between the versions of a kind by rules: fields that move, CEL that makes new values of them, and fields
that one version alone has, which an annotation keeps meanwhile.

Follows kcp's APIConversion (pkg/conversion) in rules and wording, with two differences. A rule works between the two
versions that it names, whatever other rules there are; and what an annotation brings back are fields that were to be
kept and nothing else, as anybody can write annotations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from wherry.errors import FieldError, go_quote, invalid
from wherry.machinery.cel import CelError, CompileError, Program, kubernetes
from wherry.machinery.cel.decls import Decl, declare
from wherry.machinery.cel.library.applyconfig import plain
from wherry.machinery.crd.nested import go_print
from wherry.machinery.crd.review import KINDS, ConversionError
from wherry.machinery.kinds import Obj

PRESERVE = "preserve.conversion.apis.kcp.io/"
_IDENTITY = frozenset(("apiVersion", "kind", "metadata"))

Path = tuple[str, ...]
Between = tuple[str, str]  # from a version, to another


@dataclass(frozen=True, slots=True)
class _Rule:
    source: Path
    destination: Path
    program: Program | None
    decl: Decl | None

    def value(self, found: Any) -> Any:
        """Raises CelError."""
        if self.program is None or self.decl is None:
            return plain(found)
        convert = self.decl.convert
        return plain(self.program.run({"self": convert(found) if convert is not None else found}))


class Rules:
    """The rules of one kind; `problems` says what is wrong with them."""

    def __init__(self, conversions: Iterable[Obj], schemas: Mapping[str, Obj]):
        self.problems: list[FieldError] = []
        self._rules: dict[Between, list[_Rule]] = {}
        self._preserved: dict[str, list[str]] = {}
        for number, conversion in enumerate(conversions):
            where, source = f"spec.conversions[{number}]", conversion["from"]
            schema = schemas.get(source)
            if schema is None:
                text = "unable to find structural schema for version"
                self.problems.append(invalid(f"{where}.from", source, text))
                continue
            self._preserved.setdefault(source, []).extend(filter(None, map(_trimmed, conversion.get("preserve") or ())))
            found = self._rules.setdefault((source, conversion["to"]), [])
            for index, rule in enumerate(conversion["rules"]):
                compiled = _compile(f"{where}.rules[{index}]", rule, schema)
                if isinstance(compiled, FieldError):
                    self.problems.append(compiled)
                else:
                    found.append(compiled)

    def convert(self, obj: Obj, api_version: str) -> Obj:
        """The object in another version, a fresh one. Raises ConversionError."""
        out: Obj = orjson.loads(orjson.dumps(obj))
        out["apiVersion"] = api_version
        source, target = _version(obj), _version(out)
        for rule in self._rules.get((source, target), ()):
            shown = go_quote(".".join(rule.source))
            try:
                value = _get(obj, rule.source)
                if value is not None:
                    shown = go_quote(".".join(rule.destination))
                    _set(out, rule.destination, rule.value(value))
            except CelError as error:
                raise ConversionError(f"error converting: error executing transformation: {error}") from None
            except _NoMap as error:
                raise ConversionError(f"error converting: {error.about} field {shown}: {error}") from None
        self._keep(obj, out, source, target)
        return out

    def _keep(self, obj: Obj, out: Obj, source: str, target: str) -> None:
        """Bring back what the target alone has, or else keep what the source alone has."""
        annotations: dict[str, str] = dict(out["metadata"].get("annotations") or {})
        kept = annotations.pop(PRESERVE + target, "")
        try:
            if kept:
                for field, value in _document(kept).items():
                    if field in self._preserved.get(target, ()):
                        _set(out, tuple(field.split(".")), value)
            else:
                values = {field: _get(obj, tuple(field.split("."))) for field in self._preserved.get(source, ())}
                found = {field: value for field, value in values.items() if value is not None}
                if found:
                    annotations[PRESERVE + source] = orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode()
        except _NoMap as error:
            raise ConversionError(f"error preserving fields: {error}") from None
        if annotations:
            out["metadata"]["annotations"] = annotations
        else:
            out["metadata"].pop("annotations", None)


class _NoMap(Exception):
    """A path leads through something that has no fields."""

    def __init__(self, about: str, text: str):
        super().__init__(text)
        self.about = about


def _compile(where: str, rule: Obj, schema: Obj) -> _Rule | FieldError:
    source, destination = (tuple(_trimmed(rule[name]).split(".")) for name in ("field", "destination"))
    found = _schema_at(schema, source)
    if isinstance(found, str):
        return invalid(f"{where}.field", rule["field"], found)
    if destination[0] in _IDENTITY:
        text = f"must not change {destination[0]}: it says which object this is"
        return invalid(f"{where}.destination", rule["destination"], text)
    source_text = rule.get("transformation") or ""
    if not source_text:
        return _Rule(source, destination, None, None)
    decl = declare(found, False)
    if decl is None:
        return invalid(f"{where}.field", rule["field"], "has no type that an expression could refer to")
    try:
        program = kubernetes().extend({"self": decl.type}).compile(source_text).plan()
    except CompileError as error:
        return invalid(f"{where}.transformation", source_text, f"error compiling CEL program: {error}")
    except CelError as error:
        return invalid(f"{where}.transformation", source_text, f"error creating CEL program: {error}")
    return _Rule(source, destination, program, decl)


def _schema_at(schema: Obj, fields: Path) -> Obj | str:
    """The schema of a field, or why there is none."""
    visited: list[str] = []
    for name in fields:
        if schema.get("type") != "object":
            return f"expected field {go_quote('.'.join(visited))} to be an object"
        visited.append(name)
        more = schema.get("additionalProperties")
        inner = (more.get("properties") if isinstance(more, dict) else None) or {}
        found = (schema.get("properties") or {}).get(name, inner.get(name))
        if found is None:
            return f"field {go_quote('.'.join(visited))} doesn't exist"
        schema = found
    return schema


def _get(obj: Obj, fields: Path) -> Any:
    """None for what is not there. Raises _NoMap."""
    value: Any = obj
    for number, name in enumerate(fields):
        if value is None:
            return None
        if not isinstance(value, dict):
            kind = KINDS.get(type(value), "float64")
            text = f"{go_print(value)} is of the type {kind}, expected map[string]interface{{}}"
            raise _NoMap("error getting source", f".{'.'.join(fields[:number])} accessor error: {text}")
        value = value.get(name)
    return value


def _set(obj: Obj, fields: Path, value: Any) -> None:
    """Raises _NoMap."""
    for number, name in enumerate(fields[:-1]):
        obj = obj.setdefault(name, {})
        if not isinstance(obj, dict):
            where = f".{'.'.join(fields[: number + 1])}"
            text = f"value cannot be set because {where} is not a map[string]interface{{}}"
            raise _NoMap("error setting destination", text)
    obj[fields[-1]] = value


def _document(text: str) -> Obj:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _trimmed(path: str) -> str:
    return path.removeprefix(".")


def _version(obj: Obj) -> str:
    return str(obj.get("apiVersion", "")).rpartition("/")[2]
