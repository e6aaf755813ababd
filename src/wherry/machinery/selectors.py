"""Label selectors: text or `LabelSelector` object in, one fast function on a label mapping out.

On the path of every LIST, WATCH and deletecollection; follows k8s.io/apimachinery/pkg/labels, whose words the errors
repeat. Field selectors are in `fieldselectors.py` and come out here too, so that callers know one name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from wherry.errors import BadRequest, go_quote, go_value
from wherry.machinery.fieldselectors import (
    FieldLabels,
    FieldRequirement,
    FieldSelector,
    custom_field_labels,
    field_labels,
    parse_field_selector,
)

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "FieldLabels",
    "FieldRequirement",
    "FieldSelector",
    "Requirement",
    "Selector",
    "SelectorError",
    "custom_field_labels",
    "field_labels",
    "from_label_selector",
    "from_set",
    "label_key_problems",
    "label_value_problems",
    "parse_field_selector",
    "parse_label_selector",
]

Labels = Mapping[str, str]
Matcher = Callable[[Labels], bool]

IN, NOT_IN, EXISTS, ABSENT = "in", "notin", "exists", "!"
EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER, LESS = "=", "==", "!=", "gt", "lt"
BINARY = (IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER, LESS)


class SelectorError(BadRequest):
    """A selector that does not parse or holds an invalid requirement; the message is upstream's."""


# --- names and values -----------------------------------------------------------------------------------------------

_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_CHARACTERS = (
    "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_NAME_TEXT = f"must {_CHARACTERS} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
_VALUE = f"({_NAME})?"
_VALUE_TEXT = (
    f"a valid label must be an empty string or {_CHARACTERS} "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '({_NAME})?')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    f"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{pattern}\Z")  # on first use: compiling costs milliseconds that start-up has not


def _matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).match(text) is not None


def _longer(text: str, limit: int) -> bool:
    return len(text) > limit if text.isascii() else len(text.encode()) > limit


def label_key_problems(key: str) -> list[str]:
    """What is wrong with a label key (content.IsLabelKey)."""
    parts = key.split("/")
    problems: list[str] = []
    if len(parts) > 2:
        return [
            f"a valid label key {_NAME_TEXT} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    if len(parts) == 2:
        prefix = parts[0]
        if not prefix:
            problems.append("prefix part must be non-empty")
        else:
            if _longer(prefix, 253):
                problems.append("prefix part must be no more than 253 bytes")
            if not _matches(_SUBDOMAIN, prefix):
                problems.append(f"prefix part {_SUBDOMAIN_TEXT}")
    name = parts[-1]
    if not name:
        problems.append("name part must be non-empty")
    elif _longer(name, 63):
        problems.append("name part must be no more than 63 bytes")
    if not _matches(_NAME, name):
        problems.append(f"name part {_NAME_TEXT}")
    return problems


def label_value_problems(value: str) -> list[str]:
    """What is wrong with a label value (content.IsLabelValue)."""
    problems = ["must be no more than 63 bytes"] if _longer(value, 63) else []
    if not _matches(_VALUE, value):
        problems.append(_VALUE_TEXT)
    return problems


# --- requirements ---------------------------------------------------------------------------------------------------


class Requirement(NamedTuple):
    """One term; `values` are sorted and distinct when they come from text."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        key, operator, values = self.key, self.operator, self.values
        if operator == ABSENT:
            return f"!{key}"
        if operator == EXISTS:
            return key
        joined = ",".join(sorted(values))
        if operator in (IN, NOT_IN):
            return f"{key} {operator} ({joined})"
        return f"{key}{ {GREATER: '>', LESS: '<'}.get(operator, operator) }{joined}"


def _go_int(text: str) -> int | None:
    """strconv.ParseInt(text, 10, 64), or None."""
    if not re.fullmatch(r"[+-]?[0-9]+", text) or not text.isascii():
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _checked(key: str, operator: str, values: list[str]) -> Requirement:
    """A valid requirement (labels.NewRequirement)."""
    errors: list[str] = []

    def invalid(field: str, value: Any, why: str) -> None:
        errors.append(f"{field}: Invalid value: {go_value(value)}: {why}")

    if problems := label_key_problems(key):
        invalid("key", key, "; ".join(problems))
    if operator in (IN, NOT_IN):
        if not values:
            errors.append("values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty")
    elif operator in (EXISTS, ABSENT):
        if values:
            invalid("values", values, "values set must be empty for exists and does not exist")
    elif operator in (GREATER, LESS):
        if len(values) != 1:
            invalid("values", values, "for 'Gt', 'Lt' operators, exactly one value is required")
        for index, value in enumerate(values):
            if _go_int(value) is None:
                invalid(f"values[{index}]", value, "for 'Gt', 'Lt' operators, the value must be an integer")
    for index, value in enumerate(values):
        if problems := label_value_problems(value):
            invalid(f"values[{index}][{key}]", value, "; ".join(problems))
    if errors:
        raise SelectorError(aggregate(errors))
    return Requirement(key, operator, tuple(values))


def aggregate(errors: list[str]) -> str:
    """Several error texts as one (utilerrors.Aggregate): repeated ones once, in brackets when several."""
    distinct = list(dict.fromkeys(errors))
    return distinct[0] if len(distinct) == 1 else "[" + ", ".join(distinct) + "]"


# --- matching -------------------------------------------------------------------------------------------------------


def _always(_labels: Labels) -> bool:
    return True


def _never(_labels: Labels) -> bool:
    return False


def _compile_one(requirement: Requirement) -> Matcher:
    key, operator, values = requirement.key, requirement.operator, requirement.values
    if operator in (IN, EQUALS, DOUBLE_EQUALS):
        if len(values) == 1:
            value = values[0]
            return lambda labels: labels.get(key) == value
        chosen = frozenset(values)
        return lambda labels: labels.get(key) in chosen
    if operator in (NOT_IN, NOT_EQUALS):
        refused = frozenset(values)
        return lambda labels: labels.get(key) not in refused
    if operator == EXISTS:
        return lambda labels: key in labels
    if operator == ABSENT:
        return lambda labels: key not in labels
    bound, sign = int(values[0]), 1 if operator == GREATER else -1

    def compare(labels: Labels) -> bool:
        number = _go_int(labels.get(key, ""))
        return number is not None and (number - bound) * sign > 0

    return compare


def _compile(requirements: tuple[Requirement, ...]) -> Matcher:
    if not requirements:
        return _always
    if len(requirements) == 1:
        return _compile_one(requirements[0])
    if all(r.operator in (EQUALS, DOUBLE_EQUALS) for r in requirements):
        pairs = tuple((r.key, r.values[0]) for r in requirements)

        def equal(labels: Labels) -> bool:
            for key, value in pairs:  # noqa: SIM110 - a generator costs a frame for each object
                if labels.get(key) != value:
                    return False
            return True

        return equal
    tests = tuple(_compile_one(r) for r in requirements)

    def every(labels: Labels) -> bool:
        for test in tests:  # noqa: SIM110
            if not test(labels):
                return False
        return True

    return every


class Selector:
    """A conjunction of requirements, sorted by key. `matches` is a plain function, bound once."""

    __slots__ = ("empty", "matches", "requirements")

    def __init__(self, requirements: tuple[Requirement, ...], *, nothing: bool = False):
        self.requirements = tuple(sorted(requirements, key=lambda r: r.key))
        self.matches: Matcher = _never if nothing else _compile(self.requirements)
        self.empty = not requirements and not nothing

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def exact(self, key: str) -> str | None:
        """The one value that the selector requires of `key`, if it does (RequiresExactMatch)."""
        for requirement in self.requirements:
            if requirement.key == key:
                exact = requirement.operator in (EQUALS, DOUBLE_EQUALS, IN) and len(requirement.values) == 1
                return requirement.values[0] if exact else None
        return None


EVERYTHING = Selector(())
NOTHING = Selector((), nothing=True)


# --- text -----------------------------------------------------------------------------------------------------------

_SPECIAL = frozenset("=!(),><")
_SPACE = frozenset(" \t\r\n")
_END, _WORD = "", "word"  # kinds of tokens beside the symbols and keywords, which are their own kind
_OPERATORS = {IN: IN, NOT_IN: NOT_IN, "=": EQUALS, "==": DOUBLE_EQUALS, "!=": NOT_EQUALS, ">": GREATER, "<": LESS}

Token = tuple[str, str]  # (kind, literal)


def _tokens(text: str) -> list[Token]:
    """Like labels.Lexer; a NUL byte ends a token and, where a token would start, the text."""
    out: list[Token] = []
    at, size = 0, len(text)
    while True:
        while at < size and text[at] in _SPACE:
            at += 1
        if at >= size or text[at] == "\0":
            out.append((_END, ""))
            return out
        if text[at] in _SPECIAL:
            symbol = text[at : at + 2] if text[at : at + 2] in ("==", "!=") else text[at]
            at += len(symbol)
            out.append((symbol, symbol))
            continue
        start = at
        while at < size and text[at] not in _SPECIAL and text[at] not in _SPACE and text[at] != "\0":
            at += 1
        word = text[start:at]
        out.append((word if word in (IN, NOT_IN) else _WORD, word))
        if at < size and text[at] == "\0":
            at += 1


class _Parser:
    """labels.Parser: a recursive descent with one token of lookahead."""

    def __init__(self, text: str):
        self.items = _tokens(text)
        self.at = 0

    def peek(self, *, keywords: bool = False) -> Token:
        kind, literal = self.items[self.at]
        return (_WORD if kind in (IN, NOT_IN) and not keywords else kind, literal)

    def take(self, *, keywords: bool = False) -> Token:
        token = self.peek(keywords=keywords)
        self.at += 1
        return token

    def parse(self) -> list[Requirement]:
        out: list[Requirement] = []
        while True:
            kind, literal = self.peek()
            if kind == _END:
                return out
            if kind not in (_WORD, "!"):
                raise SelectorError(f"found '{literal}', expected: !, identifier, or 'end of string'")
            try:
                out.append(self.requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error.message}") from None
            kind, literal = self.take()
            if kind == _END:
                return out
            if kind != ",":
                raise SelectorError(f"found '{literal}', expected: ',' or 'end of string'")
            kind, literal = self.peek()
            if kind not in (_WORD, "!"):
                raise SelectorError(f"found '{literal}', expected: identifier after ','")

    def requirement(self) -> Requirement:
        kind, key = self.take()
        absent = kind == "!"
        if absent:
            kind, key = self.take()
        if kind != _WORD:
            raise SelectorError(f"found '{key}', expected: identifier")
        if problems := label_key_problems(key):  # upstream gives no path here, hence the odd field name
            raise SelectorError(f"<nil>: Invalid value: {go_quote(key)}: {'; '.join(problems)}")
        if absent:
            return _checked(key, ABSENT, [])
        if self.peek()[0] in (_END, ","):
            return _checked(key, EXISTS, [])
        kind, literal = self.take(keywords=True)
        operator = _OPERATORS.get(kind)
        if operator is None:
            raise SelectorError(f"found '{literal}', expected: {', '.join(BINARY)}")
        values = self.values() if operator in (IN, NOT_IN) else self.exact_value()
        return _checked(key, operator, sorted(values))

    def values(self) -> set[str]:
        kind, literal = self.take()
        if kind != "(":
            raise SelectorError(f"found '{literal}' expected: '('")
        kind, literal = self.peek()
        if kind == ")":
            self.take()
            return {""}
        if kind not in (_WORD, ","):
            raise SelectorError(f"found '{literal}', expected: ',', ')' or identifier")
        values = self.listed()
        if self.take()[0] != ")":
            raise SelectorError(f"found '{literal}', expected: ')'")
        return values

    def listed(self) -> set[str]:
        """Comma separated values, any of which may be empty."""
        out: set[str] = set()
        while True:
            kind, literal = self.take()
            following, next_literal = self.peek() if kind in (_WORD, ",") else ("", "")
            if kind == _WORD:
                out.add(literal)
                if following == ")":
                    return out
                if following != ",":
                    raise SelectorError(f"found '{next_literal}', expected: ',' or ')'")
            elif kind == ",":
                if not out:
                    out.add("")
                if following in (")", ","):
                    out.add("")
                if following == ")":
                    return out
            else:
                raise SelectorError(f"found '{literal}', expected: ',', or identifier")

    def exact_value(self) -> set[str]:
        kind, literal = self.peek()
        if kind in (_END, ","):
            return {""}
        self.take()
        if kind != _WORD:
            raise SelectorError(f"found '{literal}', expected: identifier")
        return {literal}


def parse_label_selector(text: str) -> Selector:
    """The selector that a `labelSelector` parameter means; the empty text selects everything."""
    if not text:
        return EVERYTHING
    return Selector(tuple(_Parser(text).parse()))


# --- objects --------------------------------------------------------------------------------------------------------

_OBJECT_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": ABSENT}


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """What a `LabelSelector` object selects: None nothing, an empty one everything (LabelSelectorAsSelector)."""
    if selector is None:
        return NOTHING
    out = [_checked(key, EQUALS, [value]) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        named = expression.get("operator", "")
        operator = _OBJECT_OPERATORS.get(named)
        if operator is None:
            raise SelectorError(f"{go_quote(named)} is not a valid label selector operator")
        out.append(_checked(expression.get("key", ""), operator, list(expression.get("values") or ())))
    return Selector(tuple(out))


def from_set(labels: Mapping[str, str] | None) -> Selector:
    """A selector for exactly these labels, unchecked (SelectorFromSet): services, replication controllers."""
    return Selector(tuple(Requirement(key, EQUALS, (value,)) for key, value in (labels or {}).items()))
