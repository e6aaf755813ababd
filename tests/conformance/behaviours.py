"""The catalogue of behaviours: each has an id, a statement, and a pointer to what says that it is so.

An `Area` turns a test into a behaviour; `table` makes one of each row. docs/reference/conformance.md is made of it.
Pointers name a file of a Go module (`apiserver/pkg/...` is k8s.io/apiserver 0.36) and mostly a function in it, or an
address.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

Test = Callable[..., None]


@dataclass(frozen=True)
class Behaviour:
    """Something that a client can notice. `gap` says why Wherry does not do it, if so."""

    id: str
    statement: str
    source: str
    gap: str = ""


@dataclass
class Row:
    """One behaviour of a table: what its test is called with follows the statement."""

    name: str
    statement: str
    values: tuple[Any, ...]
    source: str
    gap: str


def row(name: str, statement: str, *values: Any, source: str = "", gap: str = "") -> Row:
    return Row(name, statement, values, source, gap)


@dataclass
class Area:
    """A chapter of the catalogue. The tests of one with `controllers` wait for what a controller does."""

    slug: str
    title: str
    behaviours: list[Behaviour] = field(default_factory=list)

    def __call__(
        self, statement: str, source: str, *, gap: str = "", controllers: bool = False
    ) -> Callable[[Test], Test]:
        def mark(test: Test) -> Test:
            behaviour = self._add(test.__name__.removeprefix("test_").replace("_", "-"), statement, source, gap)
            if controllers:
                test = pytest.mark.controllers(test)
            return pytest.mark.behaviour(behaviour)(test)

        return mark

    def table(self, source: str, *rows: Row, controllers: bool = False) -> Callable[[Test], Test]:
        """A behaviour per row; the test gets the row's values after the server."""

        def mark(test: Test) -> Test:
            names = list(inspect.signature(test).parameters)[1:]
            cases = []
            for one in rows:
                behaviour = self._add(one.name, one.statement, one.source or source, one.gap)
                values = one.values if len(names) > 1 else one.values[:1]
                assert len(one.values) == len(names), f"{one.name} needs {names}"
                marks = [pytest.mark.behaviour(behaviour), *([pytest.mark.controllers] if controllers else [])]
                cases.append(pytest.param(*values, id=one.name, marks=marks))
            return pytest.mark.parametrize(names, cases)(test)

        return mark

    def _add(self, name: str, statement: str, source: str, gap: str) -> Behaviour:
        behaviour = Behaviour(f"{self.slug}/{name}", statement, source, gap)
        assert behaviour.id not in (known.id for known in self.behaviours), f"{behaviour.id} is there twice"
        self.behaviours.append(behaviour)
        return behaviour


def page(areas: list[Area]) -> str:
    """The catalogue as a page."""
    count = sum(len(area.behaviours) for area in areas)
    gaps = sum(bool(b.gap) for area in areas for b in area.behaviours)
    lines = [
        "# Conformance: the behaviours that are tested",
        "",
        "Written by `python -m tests.conformance.page`. The suite runs against [any server](../how-to/conformance.md).",
        "Pointers name a file of a Go module (`apiserver/...` is `k8s.io/apiserver` 0.36, `kubernetes/...` is",
        "`k8s.io/kubernetes` 1.36) and a function in it, or an address. All hold for kube-apiserver 1.36 with",
        "kube-controller-manager.",
        "",
        f"{count} behaviours; Wherry has all but {gaps}." if gaps else f"{count} behaviours; Wherry has them all.",
    ]
    for area in areas:
        lines += ["", f"## {area.title}", "", "| behaviour | what is so | where it is said |", "|---|---|---|"]
        for b in area.behaviours:
            gap = f" **Not yet:** {b.gap}" if b.gap else ""
            source = f"<{b.source}>" if b.source.startswith("https:") else f"`{b.source}`"
            lines.append(f"| `{b.id}` | {_cell(b.statement)}{_cell(gap)} | {source} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
