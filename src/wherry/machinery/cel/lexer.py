"""Source text to tokens, and string literals to values. Follows the lexer of CEL's grammar."""

from __future__ import annotations

import re
from typing import NamedTuple

from wherry.machinery.cel.errors import Issue


class Token(NamedTuple):
    kind: str  # the text itself for signs and words; NUM_INT, NUM_UINT, NUM_FLOAT, STRING, BYTES, IDENTIFIER, ESC, EOF
    text: str
    at: int


_ESC = r"""\\(?:[abfnrtv"'\\?`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7][0-7])"""
_STRING = (
    rf'"""(?:{_ESC}|[^\\])*?"""|'
    rf"'''(?:{_ESC}|[^\\])*?'''|"
    rf'"(?:{_ESC}|[^\\"\n\r])*"|'
    rf"'(?:{_ESC}|[^\\'\n\r])*'|"
    r'[rR]"""[\s\S]*?"""|' + r"[rR]'''[\s\S]*?'''|" + r'[rR]"[^"\n\r]*"|' + r"[rR]'[^'\n\r]*'"
)
_TOKEN = re.compile(
    r"(?P<SPACE>[\t \r\n\f]+|//[^\n]*)"
    rf"|(?P<BYTES>[bB](?:{_STRING}))"
    rf"|(?P<STRING>{_STRING})"
    r"|(?P<NUM_FLOAT>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<NUM_UINT>0x[0-9a-fA-F]+[uU]|[0-9]+[uU])"
    r"|(?P<NUM_INT>0x[0-9a-fA-F]+|[0-9]+)"
    r"|(?P<IDENTIFIER>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<ESC>`[A-Za-z0-9_.\-/ ]+`)"
    r"|(?P<OP>==|!=|<=|>=|&&|\|\||[<>\[\]{}().,\-!?:+*/%])"
)
_WORDS = ("in", "true", "false", "null")


def tokenize(source: str) -> tuple[list[Token], list[Issue]]:
    tokens: list[Token] = []
    issues: list[Issue] = []
    at, size = 0, len(source)
    match = _TOKEN.match
    while at < size:
        found = match(source, at)
        if found is None:
            end = _bad_end(source, at)
            shown = source[at:end].replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
            issues.append(Issue(at, f"Syntax error: token recognition error at: '{shown}'"))
            at = end
            continue
        kind = found.lastgroup or ""
        if kind != "SPACE":
            text = found.group()
            if kind == "OP" or (kind == "IDENTIFIER" and text in _WORDS):
                kind = text
            tokens.append(Token(kind, text, at))
        at = found.end()
    tokens.append(Token("EOF", "<EOF>", size))
    return tokens, issues


def _bad_end(source: str, at: int) -> int:
    """How far the lexer reads before it gives up: into an unfinished string, one further after a lone sign."""
    char = source[at]
    if char in "\"'":
        return _string_end(source, at, char)
    if char in "=&|":
        return min(at + 2, len(source))
    return at + 1


def _string_end(source: str, at: int, quote: str) -> int:
    i = at + 1
    while i < len(source):
        char = source[i]
        if char in "\n\r":
            return i + 1
        if char == "\\":
            step = re.compile(_ESC).match(source, i)
            if step is None:
                return min(i + 2, len(source))
            i = step.end()
            continue
        i += 1
    return i


_SIMPLE = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "`": "`",
    "?": "?",
}


def unquote(text: str) -> str:
    """The value of a string literal. Raises ValueError."""
    raw = text[0] in "rR"
    if raw:
        text = text[1:]
    body = text[3:-3] if text[:3] in ('"""', "'''") and len(text) >= 6 else text[1:-1]
    body = body.replace("\r\n", "\n").replace("\r", "\n")
    if raw or "\\" not in body:
        return body
    out: list[str] = []
    i = 0
    while i < len(body):
        char = body[i]
        if char != "\\":
            out.append(char)
            i += 1
            continue
        code, i = _escape(body, i + 1)
        if isinstance(code, str):
            out.append(code)
            continue
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise ValueError("invalid unicode code point")
        out.append(chr(code))
    return "".join(out)


def _escape(body: str, i: int) -> tuple[str | int, int]:
    char = body[i]
    if char in _SIMPLE:
        return _SIMPLE[char], i + 1
    if char in "xX":
        return int(body[i + 1 : i + 3], 16), i + 3
    if char == "u":
        return int(body[i + 1 : i + 5], 16), i + 5
    if char == "U":
        return int(body[i + 1 : i + 9], 16), i + 9
    return int(body[i : i + 3], 8), i + 3


def unquote_bytes(text: str) -> bytes:
    """The value of a bytes literal without its b; \\x and octal escapes are bytes, \\u ones are not allowed."""
    raw = text[0] in "rR"
    if raw:
        text = text[1:]
    body = text[3:-3] if text[:3] in ('"""', "'''") and len(text) >= 6 else text[1:-1]
    body = body.replace("\r\n", "\n").replace("\r", "\n")
    if raw or "\\" not in body:
        return body.encode()
    out = bytearray()
    i = 0
    while i < len(body):
        char = body[i]
        if char != "\\":
            out += char.encode()
            i += 1
            continue
        if body[i + 1] in "uU":
            raise ValueError("unable to unescape string")
        code, i = _escape(body, i + 1)
        out += code.encode() if isinstance(code, str) else bytes([code])
    return bytes(out)
