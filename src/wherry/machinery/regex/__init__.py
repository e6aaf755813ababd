"""Go (RE2) regular expressions: the same language, the same refusals in the same words, and no pattern that hangs.

`compile_go` reads a pattern as Go's regexp/syntax does. Short texts, and patterns that cannot backtrack much, go
through `re`; the others through an automaton that reads each character once. Used for `pattern` in schemas and by CEL's
`matches`, `find` and `findAll`.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache

from wherry.machinery.regex.automaton import Automaton
from wherry.machinery.regex.bounds import longest_text
from wherry.machinery.regex.parser import parse
from wherry.machinery.regex.syntax import Node, PatternError, size, source

__all__ = ["GoPattern", "PatternError", "compile_go"]

_LARGEST = 50_000  # characters and places; Go refuses at some three millions


class GoPattern:
    """A compiled pattern."""

    def __init__(self, node: Node):
        self._node = node
        self._backtracking = re.compile(source(node))

    @cached_property
    def _longest(self) -> int:
        try:
            return longest_text(self._node)
        except RecursionError:
            return 0

    @cached_property
    def _automaton(self) -> Automaton:
        return Automaton(self._node)

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text."""
        if len(text) <= self._longest:
            return self._backtracking.search(text) is not None
        return self._automaton.search(text)

    def find_all(self, text: str, limit: int = -1) -> list[str]:
        """The matches from left to right, at most `limit` of them if that is not negative, as Go's FindAllString."""
        out: list[str] = []
        at, last_end = 0, -1
        while at <= len(text) and len(out) != limit and (span := self._first(text, at)):
            start, end = span
            if end != at or start != last_end:  # nothing empty right after another match
                out.append(text[start:end])
            at, last_end = max(end, at + (end == at)), end
        return out

    def _first(self, text: str, at: int) -> tuple[int, int] | None:
        if len(text) <= self._longest:
            found = self._backtracking.search(text, at)
            return found and found.span()
        return self._automaton.first(text, at)


@lru_cache(maxsize=4096)
def compile_go(pattern: str) -> GoPattern:
    """The compiled pattern. Raises PatternError."""
    try:
        node = parse(pattern)
        if size(node) > _LARGEST:
            raise PatternError("expression too large", pattern)
        return GoPattern(node)
    except (re.error, OverflowError, RecursionError):
        raise PatternError("expression nests too deeply", pattern) from None
