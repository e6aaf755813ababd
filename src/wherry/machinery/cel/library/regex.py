"""RE2 patterns for `matches`, `find` and `findAll`, through the translation that schemas use."""

from __future__ import annotations

from wherry.machinery.cel import types as t
from wherry.machinery.cel.errors import CelError
from wherry.machinery.cel.registry import Library
from wherry.machinery.regex import GoPattern, PatternError, compile_go

REGEX = Library("kubernetes.regex")


def compiled(pattern: str) -> GoPattern:
    try:
        return compile_go(pattern)
    except PatternError as error:
        raise CelError(str(error)) from None


def _k8s(pattern: str) -> GoPattern:
    try:
        return compile_go(pattern)
    except PatternError as error:
        raise CelError(f"Illegal regex: {error}") from None


@REGEX.member("find", "string_find_string", [t.STRING, t.STRING], t.STRING)
def _find(text: str, pattern: str) -> str:
    return next(iter(_k8s(pattern).find_all(text, 1)), "")


@REGEX.member("findAll", "string_find_all_string", [t.STRING, t.STRING], t.list_of(t.STRING))
def _find_all(text: str, pattern: str) -> list[str]:
    return _k8s(pattern).find_all(text)


@REGEX.member("findAll", "string_find_all_string_int", [t.STRING, t.STRING, t.INT], t.list_of(t.STRING))
def _find_some(text: str, pattern: str, limit: int) -> list[str]:
    return _k8s(pattern).find_all(text, limit)
