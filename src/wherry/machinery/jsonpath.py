"""JSONPath as printer columns, selectable fields and scale paths of custom resources use it.

Follows k8s.io/client-go/util/jsonpath (not the RFC): `.a.b`, `['a']`, `[0]`, `[1:3]`, `[*]`, `..`, unions, and filters
such as `[?(@.type=="Ready")]`. A path is parsed once by `compile_path` and then applied to objects. Loops (`range`) are
for templates and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from wherry.machinery.schema.gotext import go_float, go_json, type_name

Step = Callable[[list[Any]], list[Any]]

_DICT_KEY = re.compile(r"'([^']*)'\Z")
_SLICE = re.compile(r"(-?[0-9]*)(:-?[0-9]*)?(:-?[0-9]*)?\Z")
_FILTER = re.compile(r"([^!<>=]+)([!<>=]+)(.+?)\Z")
_STOP = frozenset(" \t\r\n.,[]$@{}")


class JSONPathError(ValueError):
    """A path that does not parse, or that does not fit the value it is applied to."""


class JSONPath:
    """A parsed path. `find` gives what it selects; missing keys select nothing."""

    __slots__ = ("_parts",)

    def __init__(self, parts: list[list[Step]]):
        self._parts = parts

    def find(self, value: Any) -> list[Any]:
        """What the first action of the path selects (FindResults()[0]). Raises JSONPathError."""
        for part in self._parts[1:]:
            _run(part, [value])  # later actions cannot select, but they can fail
        return _run(self._parts[0], [value]) if self._parts else []

    @property
    def actions(self) -> int:
        return len(self._parts)


def _run(steps: list[Step], values: list[Any]) -> list[Any]:
    for step in steps:
        values = step(values)
    return values


def compile_path(text: str) -> JSONPath:
    """Parse `{text}`. Raises JSONPathError."""
    return JSONPath(_Parser("{" + text + "}").template())


def text_of(value: Any) -> str:
    """A selected value as PrintResults writes it: containers as JSON, the rest as fmt.Print does."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return go_float(value)
    return go_json(value) if isinstance(value, dict | list) else str(value)


class _Parser:
    def __init__(self, text: str):
        self.text = text
        self.at = 0

    def template(self) -> list[list[Step]]:
        parts: list[list[Step]] = []
        while self.at < len(self.text):
            start = self.text.find("{", self.at)
            if start != self.at:
                literal = self.text[self.at : start if start >= 0 else len(self.text)]
                parts.append([_text(literal)])
            if start < 0:
                break
            self.at = start + 1
            parts.append(self.action())
        return parts

    def action(self) -> list[Step]:
        steps: list[Step] = []
        recursive = False
        while True:
            text, at = self.text, self.at
            if text.startswith("}", at):
                self.at += 1
                return steps
            if text.startswith("[?(", at):
                steps.append(self.filter())
                continue
            if text.startswith("..", at):
                if recursive:
                    raise JSONPathError("invalid multiple recursive descent")
                steps.append(_recursive)
                self.at += 2
                recursive = True
                if _alphanumeric(text[self.at : self.at + 1]):
                    steps.append(self.field())
                    recursive = False
                continue
            char = text[at : at + 1]
            if char in " @$" and char:
                self.at += 1
                continue
            steps += self.plain(char)
            recursive = False

    def plain(self, char: str) -> list[Step]:
        if not char or char in "\r\n":
            raise JSONPathError("unclosed action")
        if char == "[":
            return self.array()
        if char in "\"'":
            return [_text(self.quoted(char))]
        if char == ".":
            self.at += 1
            return [self.field()]
        if char in "+-" or char.isdecimal():
            return [_constant(self.number())]
        if _alphanumeric(char):
            return [self.identifier()]
        raise JSONPathError(f"unrecognized character in action: U+{ord(char):04X} '{char}'")

    def word(self) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in _STOP:
            self.at += 2 if self.text[self.at] == "\\" else 1
        self.at = min(self.at, len(self.text))
        return self.text[start : self.at]

    def field(self) -> Step:
        name = self.word()
        return _wildcard if name == "*" else _field(name.replace("\\", ""))

    def identifier(self) -> Step:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in _STOP:
            self.at += 1
        name = self.text[start : self.at]
        return _constant(name == "true") if name in ("true", "false") else _identifier(name)

    def number(self) -> int | float:
        match = re.compile(r"[+-]?[0-9.]*").match(self.text, self.at)
        assert match is not None
        self.at = match.end()
        for kind in (int, float):
            try:
                return kind(match[0])
            except ValueError:
                continue
        raise JSONPathError(f"cannot parse number {match[0]}")

    def quoted(self, quote: str) -> str:
        start = self.at + 1
        end = start
        while True:
            end = self.text.find(quote, end)
            if end < 0 or "\n" in self.text[start:end]:
                raise JSONPathError("unterminated quoted string")
            if self.text[end - 1] != "\\":
                break
            end += 1
        self.at = end + 1
        return re.sub(r"\\(.)", r"\1", self.text[start:end])

    def array(self) -> list[Step]:
        end = self.text.find("]", self.at)
        if end < 0 or "\n" in self.text[self.at : end]:
            raise JSONPathError("unterminated array")
        inside = self.text[self.at + 1 : end]
        self.at = end + 1
        if inside == "*":
            inside = ":"
        members = inside.split(",")
        if len(members) > 1:
            return [_union([_Parser("{[" + member.strip(" ") + "]}").template()[0] for member in members])]
        key = _DICT_KEY.match(inside)
        if key:
            return _Parser("{." + key[1] + "}").template()[0]
        bounds = _SLICE.match(inside)
        if bounds is None:
            raise JSONPathError(f"invalid array index {inside}")
        return [_slice(bounds)]

    def filter(self) -> Step:
        self.at += 3
        start, quote, closed = self.at, "", True
        while True:
            char = self.text[self.at : self.at + 1]
            self.at += 1
            if char in ("", "\n"):
                raise JSONPathError("unterminated filter")
            if char in "\"'":
                if not quote:
                    quote, closed = char, False
                elif self.text[self.at - 2] != "\\" and char == quote:
                    closed = True
            elif char == ")" and closed:
                break
        if self.text[self.at : self.at + 1] != "]":
            raise JSONPathError("unclosed array expect ]")
        inside = self.text[start : self.at - 1]
        self.at += 1
        match = _FILTER.match(inside)
        if match is None:
            return _filter(_Parser("{" + inside + "}").template()[0], "exists", [])
        left, right = (_Parser("{" + side + "}").template()[0] for side in (match[1], match[3]))
        return _filter(left, match[2], right)


def _alphanumeric(char: str) -> bool:
    return char == "_" or (char.isalnum() and char != "")


def _constant(value: Any) -> Step:
    return lambda values: [value] * len(values)


def _text(value: str) -> Step:
    """A text stands for itself, whatever came before it."""
    return lambda values: [value]


def _identifier(name: str) -> Step:
    def fail(values: list[Any]) -> list[Any]:
        raise JSONPathError(f"unrecognized identifier {name}")

    return fail


def _field(name: str) -> Step:
    def step(values: list[Any]) -> list[Any]:
        return [value[name] for value in values if isinstance(value, dict) and name in value]

    return step


def _members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return list(value) if isinstance(value, list) else []


def _wildcard(values: list[Any]) -> list[Any]:
    return [member for value in values for member in _members(value)]


def _recursive(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        members = _members(value)
        if members:
            found.append(value)
            found += _recursive(members)
    return found


def _union(members: list[list[Step]]) -> Step:
    return lambda values: [found for member in members for found in _run(member, values)]


def _slice(bounds: re.Match[str]) -> Step:
    first = _number(bounds[1])
    last = _number((bounds[2] or "")[1:])
    step_size = _number((bounds[3] or "")[1:])
    derived = bounds[2] is None
    if derived:
        last = (first or 0) + 1

    def step(values: list[Any]) -> list[Any]:
        found: list[Any] = []
        for value in values:
            if value is not None:
                found += _cut(value, first or 0, last, derived, step_size)
        return found

    return step


def _number(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise JSONPathError(f"array index {text} is not a number") from None


def _cut(value: Any, first: int, last: int | None, derived: bool, size: int | None) -> list[Any]:
    if not isinstance(value, list):
        raise JSONPathError(f"{type_name(value)} is not array or slice")
    length = len(value)
    if first < 0:
        first += length
    if last is None:
        last = length
    if last < 0 or (last == 0 and derived):
        last += length
    if last == first:
        return []
    if not 0 <= first < length:
        raise JSONPathError(f"array index out of bounds: index {first}, length {length}")
    if not 0 <= last <= length:
        raise JSONPathError(f"array index out of bounds: index {last - 1}, length {length}")
    if first > last:
        raise JSONPathError(f"starting index {first} is greater than ending index {last}")
    if size is not None and size <= 0:
        raise JSONPathError("step must be > 0")
    return value[first : last : size or 1]


def _filter(left: list[Step], operator: str, right: list[Step]) -> Step:
    def keeps(item: Any) -> bool:
        try:
            lefts = _run(left, [item])
        except JSONPathError:
            if operator != "exists":
                raise
            lefts = []
        if operator == "exists" or not lefts:
            return bool(lefts)
        rights = _run(right, [item])
        if not rights:
            return False
        if len(lefts) > 1 or len(rights) > 1:
            raise JSONPathError("can only compare one element at a time")
        return _compare(lefts[0], operator, rights[0])

    def step(values: list[Any]) -> list[Any]:
        found: list[Any] = []
        for value in values:
            if not isinstance(value, list):
                raise JSONPathError(f"{type_name(value)} is not array or slice and cannot be filtered")
            found += [item for item in value if keeps(item)]
        return found

    return step


def _compare(left: Any, operator: str, right: Any) -> bool:
    kinds = (type(left), type(right))
    if kinds[0] is not kinds[1] or kinds[0] not in (str, int, float, bool):
        raise JSONPathError("incompatible types for comparison")
    if operator == "==":
        return bool(left == right)
    if operator == "!=":
        return bool(left != right)
    if kinds[0] is bool:
        raise JSONPathError("invalid type for comparison")
    if operator == "<":
        return bool(left < right)
    if operator == ">":
        return bool(left > right)
    if operator == "<=":
        return bool(left <= right)
    if operator == ">=":
        return bool(left >= right)
    raise JSONPathError(f"unrecognized filter operator {operator}")
