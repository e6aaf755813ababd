"""The exact value validator: what is wrong with a value, in the words and order of kube-apiserver.

The slow half of validation: `quick` decides whether anything is wrong at all, and only then is this interpreter asked.
Follows k8s.io/kube-openapi/pkg/validation/validate, which is why it counts matches: among failing alternatives of
anyOf and oneOf the one with most positive checks is reported. `ratchet` gives the old value for updates.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from wherry.errors import INVALID, NOT_SUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE_INVALID, FieldError, go_quote
from wherry.machinery.regex import compile_go
from wherry.machinery.schema.formats import checker
from wherry.machinery.schema.gotext import bad_value, go_json, type_name
from wherry.machinery.schema.node import Node
from wherry.machinery.schema.numbers import is_json_integer, problems
from wherry.machinery.schema.ratchet import Correlated

_NO_FIELD = "<nil>"


class Fault(NamedTuple):
    """One error. `path` is None where upstream's error carries no field; `message` tells repeated errors apart."""

    path: str | None
    reason: str
    body: str
    message: str

    def to_field_error(self, prefix: str) -> FieldError:
        name = (self.path or "").removeprefix(".")
        field = f"{prefix}.{name}" if prefix and name else prefix or name or _NO_FIELD
        return FieldError(field if self.path is not None else prefix or _NO_FIELD, self.reason, self.body)


class Result:
    """Errors without repetition, and the number of checks that were passed on the way."""

    __slots__ = ("faults", "matches", "seen")

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.seen: set[str] = set()
        self.matches = 0

    def add(self, fault: Fault) -> None:
        if fault.message not in self.seen:
            self.seen.add(fault.message)
            self.faults.append(fault)

    def merge(self, other: Result) -> None:
        for fault in other.faults:
            self.add(fault)
        self.matches += other.matches


def _invalid(path: str, value: Any, message: str) -> Fault:
    return Fault(path, INVALID[0], f"Invalid value: {bad_value(value)}: {message}", message)


def _unplaced(message: str) -> Fault:
    return Fault(None, INVALID[0], f'Invalid value: "": {message}', message)


def _wrong_type(path: str, expected: str, value: Any) -> Fault:
    message = f"{path} in body must be of type {expected}: {go_quote(value)}"
    return Fault(path, TYPE_INVALID[0], f"Invalid value: {go_quote(value)}: {message}", message)


def validate_value(node: Node, value: Any, path: str = "", ratchet: Correlated | None = None) -> Result:
    """SchemaValidator.Validate, or its ratcheting variant when an old value is given."""
    result = _validate(node, value, path, ratchet)
    if result.faults and ratchet is not None and ratchet.unchanged():
        passed = Result()
        passed.matches = result.matches
        return passed
    return result


def _validate(node: Node, value: Any, path: str, ratchet: Correlated | None) -> Result:
    result = Result()
    if value is None:
        if node.types and not node.nullable:
            result.add(_wrong_type(path, ",".join(node.types), "null"))
        else:
            result.matches += 1
        _check_enum(node, value, path, result)
        return result
    kind = type_name(value)
    if node.types or node.format:
        _check_type(node, value, kind, path, result)
        result.matches += 1
    result.merge(_check_junctors(node, value, path))
    result.matches += 1
    if kind == "string":
        _check_string(node, value, path, result)
    elif kind in ("integer", "number"):
        for problem in problems(node, value, path):
            result.add(_unplaced(problem.text) if problem.bad is None else _invalid(path, problem.bad, problem.text))
        result.matches += 2
    elif kind == "array":
        _check_list(node, value, path, ratchet, result)
        result.matches += 2
    _check_enum(node, value, path, result)
    result.matches += 1
    if kind == "object":
        _check_object(node, value, path, ratchet, result)
        result.matches += 1
    result.matches += 1
    return result


def _check_type(node: Node, value: Any, kind: str, path: str, result: Result) -> None:
    types, form = node.types, node.format
    whole = kind == "number" and "integer" in types and is_json_integer(float(value))
    widened = kind == "integer" and "number" in types
    native = "int64" if kind == "integer" else "float64" if kind == "number" else ""
    matched = kind in types or whole or widened
    if form and kind not in ("string", "array") and not (matched or native == form):
        result.add(_wrong_type(path, form, native))
        return
    if form and kind in ("string", "array") and "number" not in types and "integer" not in types:
        result.matches += 1
        return
    if not matched:
        result.add(_wrong_type(path, ",".join(types), kind))
        return
    result.matches += 1


def _check_string(node: Node, value: str, path: str, result: Result) -> None:
    size = len(value)
    if node.max_length is not None and size > node.max_length:
        plural = "byte" if node.max_length == 1 else "bytes"
        body = f"Too long: may not be more than {node.max_length} {plural}" if node.max_length >= 0 else ""
        message = f"{path} in body should be at most {node.max_length} chars long"
        result.add(Fault(path, TOO_LONG[0], body or "Too long: value is too long", message))
    elif node.min_length is not None and size < node.min_length:
        result.add(_invalid(path, value, f"{path} in body should be at least {node.min_length} chars long"))
    elif node.pattern and not compile_go(node.pattern).search(value):
        result.add(_invalid(path, value, f"{path} in body should match '{node.pattern}'"))
    result.matches += 1
    if node.format:
        check = checker(node.format)
        if check is not None and not check(value):
            result.add(_wrong_type(path, node.format, value))
        result.matches += 1


def _too_many(path: str, actual: int, limit: int, message: str) -> Fault:
    words = f"must have at most {limit} {'item' if limit == 1 else 'items'}" if limit >= 0 else "has too many items"
    return Fault(path, TOO_MANY[0], f"Too many: {actual}: {words}", message)


def _check_list(node: Node, value: list[Any], path: str, ratchet: Correlated | None, result: Result) -> None:
    if node.items is not None:
        for index, item in enumerate(value):
            child = ratchet.index(index) if ratchet is not None else None
            result.merge(validate_value(node.items, item, f"{path}[{index}]", child))
    size = len(value)
    if node.min_items is not None and size < node.min_items:
        result.add(_invalid(path, size, f"{path} in body should have at least {node.min_items} items"))
    if node.max_items is not None and size > node.max_items:
        result.add(_too_many(path, size, node.max_items, f"{path} in body should have at most {node.max_items} items"))
    if node.unique_items and len({go_json(item) for item in value}) < size:
        result.add(_invalid(path, "", f"{path} in body shouldn't contain duplicates"))


def _check_object(node: Node, value: dict[str, Any], path: str, ratchet: Correlated | None, result: Result) -> None:
    size = len(value)
    if node.min_properties is not None and size < node.min_properties:
        result.add(_invalid(path, size, f"{path} in body should have at least {node.min_properties} properties"))
    if node.max_properties is not None and size > node.max_properties:
        message = f"{path} in body should have at most {node.max_properties} properties"
        result.add(_too_many(path, size, node.max_properties, message))
    if node.additional is not None:
        for key in sorted(value.keys() - node.properties.keys()):
            child = ratchet.key(key) if ratchet is not None else None
            result.merge(validate_value(node.additional, value[key], f"{path}.{key}", child))
    elif node.forbids_additional:
        for key in sorted(value.keys() - node.properties.keys()):
            result.add(_invalid(path, key, f"{path}.{key} in body is a forbidden property"))
    for key in sorted(node.properties.keys() & value.keys()):
        child = ratchet.key(key) if ratchet is not None else None
        if not path and key in ("kind", "apiVersion"):
            child = None
        result.merge(validate_value(node.properties[key], value[key], f"{path}.{key}" if path else key, child))
    for key in node.required:
        if key not in value:
            result.add(Fault(f"{path}.{key}", REQUIRED[0], "Required value", f"{path}.{key} in body is required"))


def _enum_match(value: Any, allowed: Any) -> bool:
    """reflect conversion to the type of the allowed value, then equality."""
    have, want = type(value), type(allowed)
    if want is int and have is float:
        return abs(value) < 2**63 and int(value) == int(allowed)
    if want is float and have in (int, float):
        return bool(float(value) == allowed)
    if want is str and have is int:
        return (chr(value) if 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000 else "\ufffd") == str(allowed)
    if have in (dict, list):
        return have is want and go_json(value) == go_json(allowed)
    return have is want and bool(value == allowed)


def _check_enum(node: Node, value: Any, path: str, result: Result) -> None:
    if not node.enum or (value is not None and any(_enum_match(value, allowed) for allowed in node.enum)):
        return
    texts = [allowed if isinstance(allowed, str) else go_json(allowed) for allowed in node.enum]
    listed = ", ".join(go_quote(text) for text in texts)
    body = f"Unsupported value: {bad_value(value)}: supported values: {listed}"
    result.add(Fault(path, NOT_SUPPORTED[0], body, f"{path} in body should be one of {texts}"))


def _best(failures: Result | None, candidate: Result) -> Result:
    return candidate if failures is None or candidate.matches > failures.matches else failures


def _check_junctors(node: Node, value: Any, path: str) -> Result:
    """Upstream does not follow old values into junctors: what they refuse stays refused."""
    result = Result()
    if node.any_of:
        _check_any_of(node, value, path, result)
    if node.one_of:
        _check_one_of(node, value, path, result)
    if node.all_of:
        passed = 0
        for schema in node.all_of:
            outcome = _validate(schema, value, path, None)
            passed += not outcome.faults
            result.merge(outcome)
        if passed != len(node.all_of):
            tail = "" if passed else ". None validated"
            result.add(_unplaced(f"{go_quote(path)} must validate all the schemas (allOf){tail}"))
    if node.not_ is not None and not _validate(node.not_, value, path, None).faults:
        result.add(_unplaced(f"{go_quote(path)} must not validate the schema (not)"))
    result.matches += 1
    return result


def _check_any_of(node: Node, value: Any, path: str, result: Result) -> None:
    failures: Result | None = None
    for schema in node.any_of:
        outcome = _validate(schema, value, path, None)
        if not outcome.faults:
            result.merge(outcome)
            return
        failures = _best(failures, outcome)
    result.add(_unplaced(f"{go_quote(path)} must validate at least one schema (anyOf)"))
    if failures is not None:
        result.merge(failures)


def _check_one_of(node: Node, value: Any, path: str, result: Result) -> None:
    failures: Result | None = None
    success: Result | None = None
    passed = 0
    for schema in node.one_of:
        outcome = _validate(schema, value, path, None)
        if not outcome.faults:
            passed += 1
            failures = None
            success = success or outcome
        elif passed == 0:
            failures = _best(failures, outcome)
    if passed == 1 and success is not None:
        result.merge(success)
        return
    tail = "Found none valid" if passed == 0 else f"Found {passed} valid alternatives"
    result.add(_unplaced(f"{go_quote(path)} must validate one and only one schema (oneOf). {tail}"))
    if failures is not None:
        result.merge(failures)


def field_errors(result: Result, prefix: str) -> list[FieldError]:
    return [fault.to_field_error(prefix) for fault in result.faults]
