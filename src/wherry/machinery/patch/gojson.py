"""Reading a patch document the way the API server reads it: the words of its JSON scanner, and repeated keys.

On the path of a PATCH this stands between the request body and the three kinds of patch. The fast way is one call of
orjson; everything else here runs only when a body is malformed or repeats a key. Mirrors the scanner of Go's
encoding/json and the strict mode of sigs.k8s.io/json, because clients see their texts.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

MAX_STRICT_ERRORS = 100  # sigs.k8s.io/json stops collecting there

_SPACE = b" \t\r\n"
_DIGITS = b"0123456789"
_HEX = b"0123456789abcdefABCDEF"
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}


class SyntaxFault(ValueError):
    """A body that is no JSON; the text is Go's."""


class Pairs(list[tuple[str, Any]]):
    """An object whose repeated keys are kept, in document order."""


def load(body: bytes) -> Any:
    """Parse, or raise SyntaxFault with Go's wording."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        fault = syntax_fault(body)
        if fault is not None:
            raise SyntaxFault(fault) from None
    # Go takes broken UTF-8 and lone surrogates and reads U+FFFD; orjson refuses both
    text = body.decode("utf-8", "replace")
    return _scrub(json.loads(text))


def _scrub(value: Any) -> Any:
    if isinstance(value, str):
        return "".join("\ufffd" if 0xD800 <= ord(char) <= 0xDFFF else char for char in value)
    if isinstance(value, list):
        return [_scrub(item) for item in value]
    if isinstance(value, dict):
        return {_scrub(key): _scrub(item) for key, item in value.items()}
    return value


def kind_of(value: Any) -> str:
    """The word that Go's UnmarshalTypeError uses for a JSON value."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list) and not isinstance(value, Pairs):
        return "array"
    return "object"


def has_duplicates(body: bytes) -> bool:
    """Whether any object of the (valid) document repeats a key; C speed but for one call per object."""
    found = False

    def hook(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        if not found and len({key for key, _ in pairs}) != len(pairs):
            found = True

    json.loads(body.decode("utf-8", "replace"), object_pairs_hook=hook)
    return found


def load_pairs(body: bytes) -> Any:
    return json.loads(body.decode("utf-8", "replace"), object_pairs_hook=Pairs)


def duplicates(body: bytes) -> list[str]:
    """`duplicate field "a.b[0].c"` for every repeated key of a valid document, in document order."""
    if not has_duplicates(body):
        return []
    out: list[str] = []
    collect_duplicates(load_pairs(body), "", out)
    return out[:MAX_STRICT_ERRORS]


def collect_duplicates(value: Any, path: str, out: list[str]) -> None:
    if isinstance(value, Pairs):
        seen: set[str] = set()
        for key, item in value:
            inner = f"{path}.{key}" if path else key
            if key in seen:
                note(out, f'duplicate field "{inner}"')
            seen.add(key)
            collect_duplicates(item, inner, out)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            collect_duplicates(item, f"{path}[{index}]", out)


def note(out: list[str], text: str) -> None:
    """Every complaint is reported once."""
    if text not in out:
        out.append(text)


# --- the scanner ------------------------------------------------------------------------------------------------------

_END = "unexpected end of JSON input"


def syntax_fault(body: bytes) -> str | None:
    """What Go's scanner says about a body that is not JSON, None for one that is."""
    scanner = _Scanner(body)
    try:
        scanner.run()
    except SyntaxFault as fault:
        return str(fault)
    return None


def _quote(byte: int) -> str:
    if byte == ord("'"):
        return r"'\''"
    if byte == ord('"'):
        return "'\"'"
    from wherry.errors import go_quote

    return "'" + go_quote(chr(byte))[1:-1] + "'"


class _Scanner:
    def __init__(self, body: bytes):
        self.body = body
        self.at = 0

    def fail(self, context: str) -> SyntaxFault:
        if self.at >= len(self.body):
            return SyntaxFault(_END)
        return SyntaxFault(f"invalid character {_quote(self.body[self.at])} {context}")

    def skip(self) -> int:
        """The next byte that is no space, or -1 at the end."""
        body, at = self.body, self.at
        while at < len(body) and body[at] in _SPACE:
            at += 1
        self.at = at
        return body[at] if at < len(body) else -1

    def run(self) -> None:
        stack: list[str] = []  # "key:value pair" of an object or "array element" of an array
        while True:
            opened = self.value(stack)
            if not opened and self.close(stack):
                break
        if self.skip() != -1:
            raise self.fail("after top-level value")

    def value(self, stack: list[str]) -> bool:
        """Read up to the end of a scalar, or into a container; True when the next thing is again a value."""
        byte = self.skip()
        if byte == ord("{"):
            self.at += 1
            self.push(stack, "object key:value pair")
            if self.skip() == ord("}"):
                self.at += 1
                stack.pop()
                return False
            self.key()
            return True
        if byte == ord("["):
            self.at += 1
            self.push(stack, "array element")
            if self.skip() == ord("]"):
                self.at += 1
                stack.pop()
                return False
            return True
        self.scalar(byte)
        return False

    def push(self, stack: list[str], what: str) -> None:
        stack.append(what)
        if len(stack) > 10000:
            raise SyntaxFault("exceeded max depth")

    def close(self, stack: list[str]) -> bool:
        """After a value: to the next one of the same container, or out of it; True when the document is complete."""
        while stack:
            byte = self.skip()
            is_object = stack[-1] != "array element"
            if byte == ord(","):
                self.at += 1
                if is_object:
                    self.key()
                return False
            if byte == (ord("}") if is_object else ord("]")):
                self.at += 1
                stack.pop()
                continue
            raise self.fail("after " + stack[-1])
        return True

    def key(self) -> None:
        if self.skip() != ord('"'):
            raise self.fail("looking for beginning of object key string")
        self.string()
        if self.skip() != ord(":"):
            raise self.fail("after object key")
        self.at += 1

    def scalar(self, byte: int) -> None:
        if byte == ord('"'):
            self.string()
        elif byte in _LITERALS:
            self.literal(_LITERALS[byte])
        elif byte == ord("-") or (byte >= 0 and byte in _DIGITS):
            self.number(byte)
        else:
            raise self.fail("looking for beginning of value")

    def string(self) -> None:
        body = self.body
        self.at += 1
        while self.at < len(body):
            byte = body[self.at]
            if byte == ord('"'):
                self.at += 1
                return
            if byte < 0x20:
                raise self.fail("in string literal")
            self.at += 1
            if byte == ord("\\"):
                self.escape()
        raise self.fail("")

    def escape(self) -> None:
        byte = self.peek()
        if byte == ord("u"):
            self.at += 1
            for _ in range(4):
                if self.peek() not in _HEX:
                    raise self.fail("in \\u hexadecimal character escape")
                self.at += 1
        elif byte in b'bfnrt\\/"':
            self.at += 1
        else:
            raise self.fail("in string escape code")

    def peek(self) -> int:
        if self.at >= len(self.body):
            raise SyntaxFault(_END)
        return self.body[self.at]

    def literal(self, word: bytes) -> None:
        for index in range(1, len(word)):
            self.at += 1
            if self.at >= len(self.body) or self.body[self.at] != word[index]:
                raise self.fail(f"in literal {word.decode()} (expecting {_quote(word[index])})")
        self.at += 1

    def number(self, byte: int) -> None:
        if byte == ord("-"):
            self.at += 1
            if self.at >= len(self.body) or self.body[self.at] not in _DIGITS:
                raise self.fail("in numeric literal")
        if self.body[self.at] == ord("0"):
            self.at += 1
        else:
            self.digits()
        if self.at < len(self.body) and self.body[self.at] == ord("."):
            self.at += 1
            if self.at >= len(self.body) or self.body[self.at] not in _DIGITS:
                raise self.fail("after decimal point in numeric literal")
            self.digits()
        if self.at < len(self.body) and self.body[self.at] in b"eE":
            self.at += 1
            if self.at < len(self.body) and self.body[self.at] in b"+-":
                self.at += 1
            if self.at >= len(self.body) or self.body[self.at] not in _DIGITS:
                raise self.fail("in exponent of numeric literal")
            self.digits()

    def digits(self) -> None:
        while self.at < len(self.body) and self.body[self.at] in _DIGITS:
            self.at += 1
