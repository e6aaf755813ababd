"""RE2 patterns for `matches`, `find` and `findAll`, through the translation that schemas use."""

from __future__ import annotations

import re

from wherry.machinery.cel import types as t
from wherry.machinery.cel.errors import CelError
from wherry.machinery.cel.registry import Library
from wherry.machinery.schema.goregex import PatternError, compile_go

REGEX = Library("kubernetes.regex")


def compiled(pattern: str) -> re.Pattern[str]:
    try:
        return compile_go(pattern)
    except PatternError as error:
        raise CelError(str(error)) from None


def _k8s(pattern: str) -> re.Pattern[str]:
    try:
        return compile_go(pattern)
    except PatternError as error:
        raise CelError(f"Illegal regex: {error}") from None


@REGEX.member("find", "string_find_string", [t.STRING, t.STRING], t.STRING)
def _find(text: str, pattern: str) -> str:
    found = _k8s(pattern).search(text)
    return found.group() if found else ""


@REGEX.member("findAll", "string_find_all_string", [t.STRING, t.STRING], t.list_of(t.STRING))
def _find_all(text: str, pattern: str) -> list[str]:
    return _all(_k8s(pattern), text, -1)


@REGEX.member("findAll", "string_find_all_string_int", [t.STRING, t.STRING, t.INT], t.list_of(t.STRING))
def _find_some(text: str, pattern: str, limit: int) -> list[str]:
    return _all(_k8s(pattern), text, limit)


def _all(pattern: re.Pattern[str], text: str, limit: int) -> list[str]:
    """Go takes no empty match right after another match."""
    out: list[str] = []
    last = -1
    for found in pattern.finditer(text):
        if 0 <= limit <= len(out):
            break
        if found.start() == found.end() == last:
            continue
        last = found.end()
        out.append(found.group())
    return out
