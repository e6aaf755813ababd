"""A parsed pattern: a small tree that is written for `re` (`source`), weighed (`bounds`) and run (`automaton`)."""

from __future__ import annotations

from typing import NamedTuple

Ranges = list[tuple[int, int]]


class PatternError(ValueError):
    """A pattern that does not compile; the text is Go's."""

    def __init__(self, code: str, expression: str):
        super().__init__(f"error parsing regexp: {code}: `{expression}`")


class Chars(NamedTuple):
    """One character: `source` says which ones in the words of `re`; `ranges` is None where case does not count."""

    source: str
    ranges: tuple[tuple[int, int], ...] | None = None


class Edge(NamedTuple):
    """A place between characters: `text_start`, `text_end`, `line_start`, `line_end`, `word` or `no_word`."""

    kind: str


class Sequence(NamedTuple):
    items: tuple[Node, ...]


class Choice(NamedTuple):
    branches: tuple[Node, ...]


class Repeat(NamedTuple):
    """`high` is None where there is no end. `operator` is how the pattern writes it, without the mark of laziness."""

    node: Node
    low: int
    high: int | None
    lazy: bool
    operator: str


Node = Chars | Edge | Sequence | Choice | Repeat

_EDGES = {
    "text_start": r"\A",
    "text_end": r"\Z",
    "line_start": "(?m:^)",
    "line_end": "(?m:$)",
    "word": r"(?a:\b)",
    # Python's \B does not match in an empty text
    "no_word": r"(?:(?a:\B)|\A\Z)",
}


def source(node: Node) -> str:
    """The pattern in the words of `re`. Raises RecursionError."""
    match node:
        case Chars():
            return node.source
        case Edge():
            return _EDGES[node.kind]
        case Sequence():
            return "".join(map(source, node.items))
        case Choice():
            return "(?:" + "|".join(map(source, node.branches)) + ")"
        case Repeat():
            return f"(?:{source(node.node)}){node.operator}{'?' if node.lazy else ''}"


def size(node: Node) -> int:
    """How many instructions the pattern takes, repetitions written out. Raises RecursionError."""
    match node:
        case Chars() | Edge():
            return 1
        case Sequence():
            return sum(map(size, node.items))
        case Choice():
            return 1 + sum(1 + size(branch) for branch in node.branches)
        case Repeat():
            return (1 + size(node.node)) * (node.high or node.low + 1)
