"""The fast half of validation: one closure per schema that only says right or wrong.

Runs on every write; `values` explains what is wrong and is asked only then. The two must agree: a property test holds
them together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.machinery.regex import compile_go
from wherry.machinery.schema.formats import checker
from wherry.machinery.schema.gotext import INT64_MAX, INT64_MIN
from wherry.machinery.schema.node import Node
from wherry.machinery.schema.numbers import problems
from wherry.machinery.schema.values import validate_value

Check = Callable[[Any], bool]


def compile_check(node: Node) -> Check:
    """A predicate that equals `not validate_value(node, value).faults`."""
    if node.types == ("integer", "string") and not node.enum and _plain_scalar(node):
        return _int_or_string(node)
    if len(node.types) != 1 or (node.format and node.types[0] == "string" and checker(node.format) is None):
        return _exact(node)
    base = _BUILDERS.get(node.types[0], _exact)(node)
    if node.enum:
        base = _with_enum(node, base)
    junctors = _junctors(node)
    if junctors:
        inner = base

        def check(value: Any) -> bool:
            return inner(value) and (value is None or all(test(value) for test in junctors))

        return check
    return base


def _plain_scalar(node: Node) -> bool:
    """int-or-string without limits; the junctors that repeat the two types say nothing new."""
    limits = (node.minimum, node.maximum, node.multiple_of, node.min_length, node.max_length)
    if any(limit is not None for limit in limits) or node.pattern or node.format or node.one_of or node.not_:
        return False
    if node.all_of:
        return False
    stated = [schema.types for schema in node.any_of] == [("integer",), ("string",)]
    return not node.any_of or (stated and all(map(_only_typed, node.any_of)))


def _only_typed(node: Node) -> bool:
    probe = Node({"type": node.types[0]})
    return all(getattr(node, name) == getattr(probe, name) for name in Node.__slots__)


def _int_or_string(node: Node) -> Check:
    nullable, exact = node.nullable, _ask(node)

    def check(value: Any) -> bool:
        kind = type(value)
        if kind is str or (kind is int and INT64_MIN <= value <= INT64_MAX):
            return True
        return nullable if value is None else exact(value)

    return check


def _exact(node: Node) -> Check:
    """Rare shapes: the exact validator decides. Anything goes where nothing is said."""
    return (lambda value: True) if _says_nothing(node) else _ask(node)


def _ask(node: Node) -> Check:
    return lambda value: not validate_value(node, value).faults


def _says_nothing(node: Node) -> bool:
    if node.types:
        return False
    limits = (node.minimum, node.maximum, node.multiple_of, node.min_length, node.max_length, node.min_items)
    more = (node.max_items, node.min_properties, node.max_properties)
    listed = (node.format, node.pattern, node.enum, node.required, node.properties, node.unique_items)
    junctors = (node.forbids_additional, node.all_of, node.any_of, node.one_of, node.not_, node.items, node.additional)
    return not any(x is not None for x in limits + more) and not any(listed) and not any(junctors)


def _junctors(node: Node) -> list[Check]:
    tests: list[Check] = [compile_check(schema) for schema in node.all_of]
    if node.any_of:
        any_of = [compile_check(schema) for schema in node.any_of]
        tests.append(lambda value: any(test(value) for test in any_of))
    if node.one_of:
        one_of = [compile_check(schema) for schema in node.one_of]
        tests.append(lambda value: sum(test(value) for test in one_of) == 1)
    if node.not_ is not None:
        negated = compile_check(node.not_)
        tests.append(lambda value: not negated(value))
    return tests


def _with_enum(node: Node, base: Check) -> Check:
    if node.types[0] == "string" and all(isinstance(v, str) for v in node.enum):
        allowed = frozenset(node.enum)
        return lambda value: value in allowed if type(value) is str and base(value) else False
    only_enum = Node({})
    only_enum.enum = node.enum
    return lambda value: base(value) and not validate_value(only_enum, value).faults


def _string(node: Node) -> Check:
    nullable, low, high = node.nullable, node.min_length, node.max_length
    search = compile_go(node.pattern).search if node.pattern else None
    formed = checker(node.format) if node.format else None
    if low is None and high is None and search is None and formed is None:
        if nullable:
            return lambda value: type(value) is str or value is None
        return lambda value: type(value) is str
    smallest, largest = low or 0, 2**63 if high is None else high
    loose = bool(node.format)  # with a format, arrays pass the type check upstream
    exact = _ask(node)

    def check(value: Any) -> bool:
        if type(value) is not str:
            return nullable if value is None else loose and exact(value)
        if not smallest <= len(value) <= largest:
            return False
        if search is not None and not search(value):
            return False
        return formed is None or formed(value)

    return check


def _integer(node: Node) -> Check:
    plain = node.multiple_of is None and all(
        limit is None or limit == int(limit) for limit in (node.minimum, node.maximum)
    )
    if not plain:
        return _exact(node)
    low, high = (-(2**31), 2**31 - 1) if node.format == "int32" else (INT64_MIN, INT64_MAX)
    if node.minimum is not None:
        low = max(low, int(node.minimum) + node.exclusive_minimum)
    if node.maximum is not None:
        high = min(high, int(node.maximum) - node.exclusive_maximum)
    nullable, exact = node.nullable, _ask(node)
    if (node.minimum is not None and not -(2**31) <= node.minimum < 2**31) or (
        node.maximum is not None and not -(2**31) <= node.maximum < 2**31
    ):
        return exact

    def check(value: Any) -> bool:
        if type(value) is int:
            return low <= value <= high
        return nullable if value is None else exact(value)

    return check


def _number(node: Node) -> Check:
    nullable = node.nullable
    if node.format or node.multiple_of is not None or node.minimum is not None or node.maximum is not None:

        def check(value: Any) -> bool:
            if type(value) is int or type(value) is float:
                return next(problems(node, value, ""), None) is None
            return value is None and nullable

        return check
    return lambda value: type(value) is int or type(value) is float or (value is None and nullable)


def _boolean(node: Node) -> Check:
    if node.nullable:
        return lambda value: value is True or value is False or value is None
    return lambda value: value is True or value is False


def _array(node: Node) -> Check:
    nullable, low, high = node.nullable, node.min_items or 0, 2**63 if node.max_items is None else node.max_items
    item = compile_check(node.items) if node.items is not None else None
    unique, exact = node.unique_items, _ask(node)

    def check(value: Any) -> bool:
        if type(value) is not list:
            return value is None and nullable
        if not low <= len(value) <= high:
            return False
        if unique:
            return exact(value)
        if item is not None:
            for element in value:
                if not item(element):
                    return False
        return True

    return check


def _object(node: Node) -> Check:
    nullable, low, high = node.nullable, node.min_properties or 0, node.max_properties
    largest = 2**63 if high is None else high
    bounded = low > 0 or high is not None
    checks = {name: compile_check(child) for name, child in node.properties.items() if not _says_nothing(child)}
    find = checks.get
    required = tuple(node.required)
    additional = compile_check(node.additional) if node.additional is not None else None
    named = frozenset(node.properties)
    closed = node.forbids_additional

    def check(value: Any) -> bool:
        if type(value) is not dict:
            return value is None and nullable
        if closed and not named.issuperset(value):
            return False
        if bounded and not low <= len(value) <= largest:
            return False
        for name in required:
            if name not in value:
                return False
        for name, item in value.items():
            test = find(name)
            if test is not None and not test(item):
                return False
        if additional is not None:
            for name, item in value.items():
                if name not in named and not additional(item):
                    return False
        return True

    return check


_BUILDERS: dict[str, Callable[[Node], Check]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _array,
    "object": _object,
}
