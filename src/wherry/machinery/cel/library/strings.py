"""The string functions of cel-go's ext.Strings, version 2 as Kubernetes has it; `reverse` and `quote` for others."""

from __future__ import annotations

from typing import Any

from wherry.machinery.cel import types as t
from wherry.machinery.cel.errors import CelError
from wherry.machinery.cel.library.formatting import format_values
from wherry.machinery.cel.registry import Library

STRINGS = Library("strings")
MORE_STRINGS = Library("strings.reverse")
S, I = t.STRING, t.INT  # noqa: E741
_MAX_RESULT = 1 << 26


def _bounded(text: str) -> str:
    if len(text) > _MAX_RESULT:
        raise CelError("string size exceeds limit")
    return text


def _out(at: int) -> CelError:
    return CelError(f"index out of range: {at}")


@STRINGS.member("charAt", "string_char_at_int", [S, I], S)
def _char_at(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise _out(at)
    return text[at : at + 1]


@STRINGS.member("indexOf", "string_index_of_string", [S, S], I)
def _index_of(text: str, part: str) -> int:
    return text.find(part)


@STRINGS.member("indexOf", "string_index_of_string_int", [S, S, I], I)
def _index_from(text: str, part: str, start: int) -> int:
    if not 0 <= start <= len(text):
        raise _out(start)
    return text.find(part, start)


@STRINGS.member("lastIndexOf", "string_last_index_of_string", [S, S], I)
def _last_index_of(text: str, part: str) -> int:
    return text.rfind(part)


@STRINGS.member("lastIndexOf", "string_last_index_of_string_int", [S, S, I], I)
def _last_index_from(text: str, part: str, start: int) -> int:
    if not 0 <= start <= len(text):
        raise _out(start)
    return text.rfind(part, 0, min(start + len(part), len(text)))


STRINGS.add("lowerAscii", "string_lower_ascii", [S], S, lambda s: _ascii(s, str.lower), member=True)
STRINGS.add("upperAscii", "string_upper_ascii", [S], S, lambda s: _ascii(s, str.upper), member=True)


def _ascii(text: str, change: Any) -> str:
    if text.isascii():
        return str(change(text))
    return "".join(change(c) if c.isascii() else c for c in text)


@STRINGS.member("replace", "string_replace_string_string", [S, S, S], S)
def _replace(text: str, old: str, new: str) -> str:
    return str(_replaced(text, old, new, -1))


@STRINGS.member("replace", "string_replace_string_string_int", [S, S, S, I], S)
def _replaced(text: str, old: str, new: str, count: int) -> str:
    times = text.count(old) if count < 0 else min(count, text.count(old))
    if len(text) + times * (len(new) - len(old)) > _MAX_RESULT:
        raise CelError("string size exceeds limit")
    return str(text.replace(old, new, count))


@STRINGS.member("split", "string_split_string", [S, S], t.list_of(S))
def _split(text: str, separator: str) -> list[str]:
    return list(_split_some(text, separator, -1))


@STRINGS.member("split", "string_split_string_int", [S, S, I], t.list_of(S))
def _split_some(text: str, separator: str, limit: int) -> list[str]:
    if limit == 0:
        return []
    if limit == 1:
        return [text]
    if separator == "":
        if limit < 0 or limit >= len(text):
            return list(text)
        return [*text[: limit - 1], text[limit - 1 :]]
    return text.split(separator, -1 if limit < 0 else limit - 1)


@STRINGS.member("substring", "string_substring_int", [S, I], S)
def _substring(text: str, start: int) -> str:
    if not 0 <= start <= len(text):
        raise _out(start)
    return text[start:]


@STRINGS.member("substring", "string_substring_int_int", [S, I, I], S)
def _substring_to(text: str, start: int, end: int) -> str:
    if start > end:
        raise CelError(f"invalid substring range. start: {start}, end: {end}")
    if not 0 <= start <= len(text):
        raise _out(start)
    if not 0 <= end <= len(text):
        raise _out(end)
    return text[start:end]


_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
STRINGS.add("trim", "string_trim", [S], S, lambda s: s.strip(_SPACE), member=True)
STRINGS.add("join", "list_join", [t.list_of(S)], S, lambda items: _bounded("".join(items)), member=True)
STRINGS.add("join", "list_join_string", [t.list_of(S), S], S, lambda items, s: _bounded(s.join(items)), member=True)
STRINGS.add("format", "string_format", [S, t.list_of(t.DYN)], S, format_values, member=True)

_QUOTED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


@STRINGS.fn("strings.quote", "strings_quote", [S], S)
def _quote(text: str) -> str:
    out = "".join(_QUOTED.get(c, "\ufffd" if 0xD800 <= ord(c) <= 0xDFFF else c) for c in text)
    return f'"{out}"'


MORE_STRINGS.add("reverse", "string_reverse", [S], S, lambda s: s[::-1], member=True)
