"""Patterns run in linear time, as RE2 and Go run them: all ways at once, one character at a time.

`Automaton.search` keeps the sets of places that it has been in (a lazy DFA) and so costs little per character;
`Automaton.first` follows every way with the place where it began and prefers the way that backtracking would have
taken (a Pike VM). Memory: at most `_KEPT` places in all sets together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from wherry.machinery.regex.syntax import Chars, Choice, Edge, Node, Repeat, Sequence, source

_KEPT = 200_000
_CHARACTERS = 10_000
_NONE, _LINE, _WORD, _OTHER = range(4)  # what stands beside a place: nothing, a line's end, a word character, another
_WORD_CHARACTER = re.compile(r"(?a:\w)")

_EDGES: dict[str, Callable[[int, int], bool]] = {
    "text_start": lambda left, right: left == _NONE,
    "text_end": lambda left, right: right == _NONE,
    "line_start": lambda left, right: left in (_NONE, _LINE),
    "line_end": lambda left, right: right in (_NONE, _LINE),
    "word": lambda left, right: (left == _WORD) != (right == _WORD),
    "no_word": lambda left, right: (left == _WORD) == (right == _WORD),
}


class _Read(NamedTuple):
    """Take one character of the set with this number and go on to the next instruction."""

    characters: int


class _Split(NamedTuple):
    """Go on at all of these places, the first preferred."""

    targets: tuple[int, ...]


class _Assert(NamedTuple):
    kind: str


class _Class(NamedTuple):
    """What a character is to this pattern: the sets it is in, and what it is to the place beside it."""

    sets: int
    beside: int


class Automaton:
    """The instructions of a pattern and what has been learned of them."""

    def __init__(self, node: Node):
        self._sets: dict[str, int] = {}
        self._code: list[_Read | _Split | _Assert] = []
        self._emit(node)
        self._end = len(self._code)
        self._in_set = [re.compile(each).match for each in self._sets]
        self._classes: dict[str, _Class] = {}
        self._steps: dict[tuple[frozenset[int], int, _Class], frozenset[int] | None] = {}
        self._kept = 0

    # --- compiling ---------------------------------------------------------------------------------------------------
    def _emit(self, node: Node) -> None:
        match node:
            case Chars():
                self._code.append(_Read(self._sets.setdefault(source(node), len(self._sets))))
            case Edge():
                self._code.append(_Assert(node.kind))
            case Sequence():
                for item in node.items:
                    self._emit(item)
            case Choice():
                self._emit_choice(node)
            case Repeat():
                self._emit_repeat(node)

    def _emit_choice(self, node: Choice) -> None:
        split = self._place()
        starts, ends = [], []
        for branch in node.branches:
            starts.append(len(self._code))
            self._emit(branch)
            ends.append(self._place())
        self._code[split] = _Split(tuple(starts))
        for end in ends:
            self._code[end] = _Split((len(self._code),))

    def _emit_repeat(self, node: Repeat) -> None:
        for _ in range(node.low):
            self._emit(node.node)
        if node.high is None:
            split = self._place()
            self._emit(node.node)
            self._code.append(_Split((split,)))
            self._code[split] = self._either(split + 1, len(self._code), node.lazy)
            return
        splits = []
        for _ in range(node.high - node.low):
            splits.append(self._place())
            self._emit(node.node)
        for split in splits:
            self._code[split] = self._either(split + 1, len(self._code), node.lazy)

    def _place(self) -> int:
        self._code.append(_Split(()))
        return len(self._code) - 1

    def _either(self, inside: int, after: int, lazy: bool) -> _Split:
        return _Split((after, inside) if lazy else (inside, after))

    # --- running -----------------------------------------------------------------------------------------------------
    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text."""
        places, left = frozenset((0,)), _NONE
        classes, steps, classify = self._classes, self._steps, self._classify
        for char in text:
            kind = classes.get(char) or classify(char)
            key = (places, left, kind)
            found = steps[key] if key in steps else self._step(*key)
            if found is None:
                return True
            places, left = found, kind.beside
        return self._end in self._closure(sorted(places), left, _NONE)

    def first(self, text: str, begin: int) -> tuple[int, int] | None:
        """The leftmost match at `begin` or later, of those the one that backtracking finds first."""
        ways: list[tuple[int, int]] = []  # (place, where it began), the preferred first
        found: tuple[int, int] | None = None
        left = self._kind(text, begin - 1).beside
        for at in range(begin, len(text) + 1):
            kind = self._kind(text, at)
            if found is None:
                ways.append((0, at))
            ways, ended = self._advance(ways, left, kind)
            if ended is not None:
                found = (ended, at)
            if found is not None and not ways:
                break
            left = kind.beside
        return found

    def _classify(self, char: str) -> _Class:
        sets = sum(1 << number for number, match in enumerate(self._in_set) if match(char))
        beside = _LINE if char == "\n" else _WORD if _WORD_CHARACTER.match(char) else _OTHER
        if len(self._classes) >= _CHARACTERS:
            self._classes.clear()
        self._classes[char] = found = _Class(sets, beside)
        return found

    def _step(self, places: frozenset[int], left: int, kind: _Class) -> frozenset[int] | None:
        """The places after one more character; None once the pattern has matched."""
        closure = self._closure(sorted(places), left, kind.beside)
        found = None if self._end in closure else frozenset((0, *self._after(closure, kind)))
        self._kept += len(found or ())
        if self._kept > _KEPT:
            self._steps.clear()
            self._kept = 0
        self._steps[places, left, kind] = found
        return found

    def _after(self, closure: list[int], kind: _Class) -> list[int]:
        code = self._code
        return [
            place + 1
            for place in closure
            if place < self._end and isinstance(step := code[place], _Read) and kind.sets >> step.characters & 1
        ]

    def _closure(self, places: list[int], left: int, right: int, seen: set[int] | None = None) -> list[int]:
        """All places that are reached without reading, the preferred first; those in `seen` are left out."""
        seen = set() if seen is None else seen
        out: list[int] = []
        stack = list(reversed(places))
        while stack:
            place = stack.pop()
            if place in seen:
                continue
            seen.add(place)
            step = self._code[place] if place < self._end else None
            if isinstance(step, _Split):
                stack.extend(reversed(step.targets))
            elif isinstance(step, _Assert):
                if _EDGES[step.kind](left, right):
                    stack.append(place + 1)
            else:
                out.append(place)
        return out

    def _advance(
        self, ways: list[tuple[int, int]], left: int, kind: _Class
    ) -> tuple[list[tuple[int, int]], int | None]:
        """The ways after one character, and where the way began that has matched; less preferred ones end with it."""
        out: list[tuple[int, int]] = []
        seen: set[int] = set()
        for place, began in ways:
            closure = self._closure([place], left, kind.beside, seen)
            if self._end in closure:
                closure = closure[: closure.index(self._end)]
                return out + [(each, began) for each in self._after(closure, kind)], began
            out += [(each, began) for each in self._after(closure, kind)]
        return out, None

    def _kind(self, text: str, at: int) -> _Class:
        if not 0 <= at < len(text):
            return _Class(0, _NONE)
        return self._classes.get(text[at]) or self._classify(text[at])
