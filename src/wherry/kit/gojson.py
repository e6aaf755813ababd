"""JSON as Go's encoding/json reads, names and prints it: needed for the exact texts of decoding errors.

`loads` is the fast way in for request bodies; it falls back to a slower reader for what orjson refuses or cannot tell.

`Literal` is a float that remembers how the document wrote it; the slow readers of request bodies make them, so that an
error can quote `8e1` and a quantity can be read from the digits that were sent.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from wherry.errors import go_quote


class Literal(float):
    """A JSON number that is no integer, with its text."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Literal:
        try:
            self = super().__new__(cls, text)
        except OverflowError:  # pragma: no cover - float() gives inf instead
            self = super().__new__(cls, "inf")
        self.text = text
        return self


class Pairs(dict[str, Any]):
    """A JSON object that names a key twice: the mapping has the last values, `pairs` all of them in order."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]):
        super().__init__(pairs)
        self.pairs = pairs


def kind_name(value: Any) -> str:
    """The word in `cannot unmarshal <word> into ...`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, dict):
        return "object"
    return "array"


def format_float(value: float) -> str:
    """A float64 as encoding/json writes it: shortest digits, exponents only below 1e-6 and from 1e21 on."""
    if value == 0:
        return "-0" if str(value).startswith("-") else "0"
    magnitude = abs(value)
    digits, _, exponent_text = format_shortest(magnitude)
    sign = "-" if value < 0 else ""
    exponent = exponent_text
    if magnitude < 1e-6 or magnitude >= 1e21:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        # Go pads exponents to two digits, encoding/json takes the zero of small negative ones away again.
        shown = f"e-{-exponent}" if exponent < 0 else f"e+{exponent:02d}"
        return f"{sign}{mantissa}{shown}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    if len(digits) <= exponent + 1:
        return f"{sign}{digits}{'0' * (exponent + 1 - len(digits))}"
    return f"{sign}{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


def format_shortest(magnitude: float) -> tuple[str, int, int]:
    """(significant digits, their number, exponent of the first digit) of a positive float."""
    mantissa, _, exponent = f"{magnitude!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    position = len(whole) - 1 + int(exponent or 0)
    stripped = digits.lstrip("0")
    position -= len(digits) - len(stripped)
    stripped = stripped.rstrip("0") or "0"
    return stripped, len(stripped), position


def number_text(value: int | float) -> str:
    """A number as the document wrote it, or as Go would write it where that is not known."""
    if isinstance(value, Literal):
        return value.text
    return str(value) if isinstance(value, int) else format_float(value)


# --- reading ---------------------------------------------------------------------------------------------------------

DEEPEST = 254  # levels of nesting; upstream allows 10,000, but what is read must also be writable


class JSONError(ValueError):
    """A document that Go's scanner refuses; the message is Go's."""


def _go_replace(error: UnicodeError) -> tuple[str, int]:
    """One replacement character per byte, as Go's decoder does; Python's own handler merges sequences."""
    assert isinstance(error, UnicodeDecodeError)
    return "\ufffd" * (error.end - error.start), error.end


codecs.register_error("wherry-go-replace", _go_replace)

_SURROGATE = re.compile("[\ud800-\udfff]")


def _unsurrogate(value: Any) -> Any:
    """Lone surrogates become U+FFFD everywhere."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_unsurrogate(item) for item in value]
    if isinstance(value, Pairs):
        return Pairs([(_unsurrogate(key), _unsurrogate(item)) for key, item in value.pairs])
    if isinstance(value, dict):
        return {_unsurrogate(key): _unsurrogate(item) for key, item in value.items()}
    return value


def _integer(parse_float: Callable[[str], float], text: str) -> int | float:
    """Numbers that no Go integer can hold become floats, as orjson has it."""
    return int(text) if len(text) < 20 or -(1 << 63) <= int(text[:25]) < 1 << 64 else parse_float(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Pairs(pairs)


def plain(value: Any) -> Any:
    """A document without `Literal` and `Pairs`: what may go on into objects."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, Literal) else value


def literal(value: Any) -> Any:
    """A document whose floats carry the text that Go would write for them."""
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [literal(item) for item in value]
    return Literal(format_float(value)) if value.__class__ is float else value


def read_exactly(body: bytes, parse_float: Callable[[str], float] = Literal) -> Any:
    """The slow reader: floats keep their text, objects that repeat a key keep all of its values."""
    fault = syntax_error(body)
    if fault:
        raise JSONError(fault)
    text = body.decode("utf-8", "wherry-go-replace")
    value = json.loads(
        text, parse_float=parse_float, parse_int=partial(_integer, parse_float), object_pairs_hook=_object
    )
    # Only an escape can bring a surrogate in.
    return _unsurrogate(value) if "\\ud" in text or "\\uD" in text else value


def _names_key_twice(body: bytes, value: Any) -> bool:
    """Whether the document may repeat a key: it is longer, and has more colons, than what was read, written again.

    Blanks have no colons, and a colon inside a string is in both, unless it was written as an escape; documents with
    such an escape are read slowly. Raises JSONError if the document nests too deeply to be written again.
    """
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise JSONError("exceeded max depth") from None
    if len(written) == len(body) or (len(written) == len(body) - 1 and body.endswith(b"\n")):
        return False
    return written.count(b":") != body.count(b":") or b"\\u003" in body


def loads(body: bytes) -> Any:
    """A JSON document as sigs.k8s.io/json reads it, with `Pairs` for repeated keys. Raises JSONError with Go's text."""
    return read(body)[0]


def read(body: bytes) -> tuple[Any, bool]:
    """(document, whether it is free of `Pairs` for sure)."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        # Malformed, or something Go takes and orjson does not: bad UTF-8, lone surrogates.
        return read_exactly(body, float), False
    return (read_exactly(body, float), False) if _names_key_twice(body, value) else (value, True)


# --- Go's scanner, for its error texts -------------------------------------------------------------------------------

_BLANK = b" \t\r\n"
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_END = "unexpected end of JSON input"


def _quoted(char: int) -> str:
    """A byte as Go's quoteChar shows it: as the character of that number."""
    if char == ord("'"):
        return r"'\''"
    if char == ord('"'):
        return "'\"'"
    return f"'{go_quote(chr(char))[1:-1]}'"


class _Fault(Exception):
    pass


def syntax_error(body: bytes) -> str:
    """Why Go's scanner refuses a document; empty if it does not."""
    try:
        pos = _scan(body)
        pos = _skip_blank(body, pos)
        if pos < len(body):
            return f"invalid character {_quoted(body[pos])} after top-level value"
    except _Fault as fault:
        return str(fault)
    return ""


def _skip_blank(body: bytes, pos: int) -> int:
    size = len(body)
    while pos < size and body[pos] in _BLANK:
        pos += 1
    return pos


def _expect(body: bytes, pos: int, wanted: bytes, where: str) -> int:
    if pos >= len(body):
        # Go's scanner sees one blank more at the end: inside a word, a number or an escape, that is what is wrong.
        inside = where.startswith(("in ", "after decimal"))
        raise _Fault(f"invalid character ' ' {where}" if inside else _END)
    if body[pos] not in wanted:
        raise _Fault(f"invalid character {_quoted(body[pos])} {where}")
    return pos + 1


def _scan(body: bytes) -> int:
    """Past one value; a stack instead of recursion because depth is the sender's choice."""
    closers: list[int] = []
    pos = 0
    while True:
        pos = _skip_blank(body, pos)
        if pos >= len(body):
            raise _Fault(_END)
        char = body[pos]
        if char in b"{[":
            closers.append(char)
            if len(closers) > DEEPEST:
                raise _Fault("exceeded max depth")
            pos = _skip_blank(body, pos + 1)
            closed = pos < len(body) and body[pos] == char + 2  # `}` and `]` are two after their openers
            if not closed:
                if char == ord("{"):
                    pos = _scan_key(body, pos)
                continue
        else:
            pos = _scan_scalar(body, pos)
        while True:  # after a value, or at the bracket that closes an empty container
            if not closers:
                return pos
            pos = _skip_blank(body, pos)
            opener = closers[-1]
            where = "after object key:value pair" if opener == ord("{") else "after array element"
            pos = _expect(body, pos, bytes((ord(","), opener + 2)), where)
            if body[pos - 1] != ord(","):
                closers.pop()
                continue
            if opener == ord("{"):
                pos = _scan_key(body, _skip_blank(body, pos))
            break


def _scan_key(body: bytes, pos: int) -> int:
    _expect(body, pos, b'"', "looking for beginning of object key string")
    pos = _skip_blank(body, _scan_string(body, pos))
    return _expect(body, pos, b":", "after object key")


def _scan_string(body: bytes, pos: int) -> int:
    pos += 1
    while True:
        plain = _PLAIN.match(body, pos)
        assert plain is not None
        pos = plain.end()
        if pos >= len(body):
            raise _Fault(_END)
        char = body[pos]
        if char == ord('"'):
            return pos + 1
        if char != ord("\\"):
            raise _Fault(f"invalid character {_quoted(char)} in string literal")
        pos = _expect(body, pos + 1, b'bfnrt\\/"u', "in string escape code")
        if body[pos - 1] == ord("u"):
            for _ in range(4):
                pos = _expect(body, pos, b"0123456789abcdefABCDEF", "in \\u hexadecimal character escape")


_WORDS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_NUMBERS = b"0123456789"


def _digits(body: bytes, pos: int) -> int:
    while pos < len(body) and body[pos] in _NUMBERS:
        pos += 1
    return pos


def _scan_scalar(body: bytes, pos: int) -> int:
    char = body[pos]
    if char == ord('"'):
        return _scan_string(body, pos)
    if char in _WORDS:
        word = _WORDS[char]
        for offset in range(1, len(word)):
            wanted = word[offset : offset + 1]
            pos = _expect(body, pos + 1, wanted, f"in literal {word.decode()} (expecting '{wanted.decode()}')") - 1
        return pos + 1
    if char == ord("-"):
        _expect(body, pos + 1, _NUMBERS, "in numeric literal")
        pos += 1
        char = body[pos]
    elif char not in _NUMBERS:
        raise _Fault(f"invalid character {_quoted(char)} looking for beginning of value")
    pos = pos + 1 if char == ord("0") else _digits(body, pos)
    if pos < len(body) and body[pos] == ord("."):
        pos = _digits(body, _expect(body, pos + 1, _NUMBERS, "after decimal point in numeric literal"))
    if pos < len(body) and body[pos] in b"eE":
        pos += 1
        if pos < len(body) and body[pos] in b"+-":
            pos += 1
        pos = _digits(body, _expect(body, pos, _NUMBERS, "in exponent of numeric literal"))
    return pos
