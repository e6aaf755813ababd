"""What Go's encoding/json would say about bytes that are no JSON object: used where a kind carries JSON inside a field.

A scanner with the states and the words of encoding/json/scanner.go; it builds nothing, it only finds the first fault.
"""

from __future__ import annotations

_SPACE = " \t\r\n"
_HEX = "0123456789abcdefABCDEF"
END = "unexpected end of JSON input"


class _Fault(Exception):
    pass


def object_problem(raw: bytes) -> str:
    """Why `raw` does not decode into a map, or an empty string (json.Unmarshal into map[string]interface{})."""
    return _problem(raw, "{", "map[string]interface {}")


def array_problem(raw: bytes, into: str = "[]v1.Taint") -> str:
    """The same for a list."""
    return _problem(raw, "[", into)


def _problem(raw: bytes, wanted: str, into: str) -> str:
    text = raw.decode("utf-8", "replace")
    try:
        end = _value(text, _skip(text, 0))
        end = _skip(text, end)
        if end < len(text):
            raise _Fault(f"invalid character {_quote(text[end])} after top-level value")
    except _Fault as fault:
        return str(fault)
    first = text.lstrip(_SPACE)[0]
    if first in (wanted, "n"):  # null decodes into any of them
        return ""
    kind = {"{": "object", "[": "array", '"': "string", "t": "bool", "f": "bool"}.get(first, "number")
    return f"json: cannot unmarshal {kind} into Go value of type {into}"


def _quote(char: str) -> str:
    if char == "'":
        return "'\\''"
    if char == '"':
        return "'\"'"
    if char.isprintable():
        return f"'{char}'"
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}.get(char)
    return f"'{short}'" if short else f"'\\x{ord(char):02x}'"


def _fail(text: str, at: int, where: str) -> _Fault:
    return _Fault(END) if at >= len(text) else _Fault(f"invalid character {_quote(text[at])} {where}")


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _value(text: str, at: int) -> int:
    if at >= len(text):
        raise _Fault(END)
    char = text[at]
    if char == "{":
        return _object(text, at + 1)
    if char == "[":
        return _array(text, at + 1)
    if char == '"':
        return _string(text, at + 1)
    if char in "-0123456789":
        return _number(text, at)
    for word in ("true", "false", "null"):
        if char == word[0]:
            return _word(text, at, word)
    raise _fail(text, at, "looking for beginning of value")


def _word(text: str, at: int, word: str) -> int:
    for i, expected in enumerate(word):
        if at + i >= len(text) or text[at + i] != expected:
            raise _fail(text, at + i, f"in literal {word} (expecting '{expected}')")
    return at + len(word)


def _object(text: str, at: int) -> int:
    at = _skip(text, at)
    if at < len(text) and text[at] == "}":
        return at + 1
    while True:
        if at >= len(text) or text[at] != '"':
            raise _fail(text, at, "looking for beginning of object key string")
        at = _skip(text, _string(text, at + 1))
        if at >= len(text) or text[at] != ":":
            raise _fail(text, at, "after object key")
        at = _skip(text, _value(text, _skip(text, at + 1)))
        if at < len(text) and text[at] == "}":
            return at + 1
        if at >= len(text) or text[at] != ",":
            raise _fail(text, at, "after object key:value pair")
        at = _skip(text, at + 1)


def _array(text: str, at: int) -> int:
    at = _skip(text, at)
    if at < len(text) and text[at] == "]":
        return at + 1
    while True:
        at = _skip(text, _value(text, _skip(text, at)))
        if at < len(text) and text[at] == "]":
            return at + 1
        if at >= len(text) or text[at] != ",":
            raise _fail(text, at, "after array element")
        at += 1


def _string(text: str, at: int) -> int:
    while True:
        if at >= len(text):
            raise _Fault(END)
        char = text[at]
        if char == '"':
            return at + 1
        if char == "\\":
            at = _escape(text, at + 1)
        elif char < " ":
            raise _fail(text, at, "in string literal")
        else:
            at += 1


def _escape(text: str, at: int) -> int:
    if at < len(text) and text[at] in 'bfnrt\\/"':
        return at + 1
    if at >= len(text) or text[at] != "u":
        raise _fail(text, at, "in string escape code")
    for i in range(at + 1, at + 5):
        if i >= len(text) or text[i] not in _HEX:
            raise _fail(text, i, "in \\u hexadecimal character escape")
    return at + 5


def _digits(text: str, at: int, where: str) -> int:
    if at >= len(text) or not "0" <= text[at] <= "9":
        raise _fail(text, at, where)
    while at < len(text) and "0" <= text[at] <= "9":
        at += 1
    return at


def _number(text: str, at: int) -> int:
    if text[at] == "-":
        at += 1
        if at >= len(text) or not "0" <= text[at] <= "9":
            raise _fail(text, at, "in numeric literal")
    at = at + 1 if text[at] == "0" else _digits(text, at, "in numeric literal")
    if at < len(text) and text[at] == ".":
        at = _digits(text, at + 1, "after decimal point in numeric literal")
    if at < len(text) and text[at] in "eE":
        at += 1
        if at < len(text) and text[at] in "+-":
            at += 1
        at = _digits(text, at, "in exponent of numeric literal")
    return at
