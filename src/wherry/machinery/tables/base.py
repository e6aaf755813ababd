"""The contract of every table printer, built-in or of a custom kind, and the pieces a row is made of.

`server` asks for a Table, `store` hands over objects, a printer says what the columns are and what stands in the cells
(k8s.io/apiserver rest.TableConvertor). Only ages depend on the time of the request; everything else of a row is fixed
once the object is stored. `RowTemplate` keeps that split, so that a LIST of 10,000 objects as a Table is a join of byte
pieces cached on the stored records (law 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson

from wherry.machinery.kinds import Obj

Column = dict[str, Any]  # {"name", "type", "format", "description", "priority"}: a TableColumnDefinition
Cell = Any  # string, integer, boolean, number or None

# A cell that depends on the time: called with `now` (seconds since the epoch), gives the cell's value.
Aging = Callable[[float], Cell]


class RowTemplate:
    """The cells of one row as JSON, in pieces between which the time-dependent cells go.

    `pieces` has one element more than `aging`; the JSON of the cells at `now` is pieces[0] + age + pieces[1] + ...
    An aging cell may have a method `json` that gives its JSON at once; the ages of all kinds do.
    """

    __slots__ = ("aging", "conditions", "pieces")

    def __init__(self, cells: Sequence[Cell | Aging], conditions: list[Obj] | None = None):
        self.pieces: list[bytes] = []
        self.aging: list[Callable[[float], bytes]] = []
        piece, comma = b"[", b""
        for cell in cells:
            piece, comma = piece + comma, b","
            if callable(cell):
                self.pieces.append(piece)
                self.aging.append(getattr(cell, "json", None) or _as_json(cell))
                piece = b""
            else:
                piece += orjson.dumps(cell)
        self.pieces.append(piece + b"]")
        self.conditions = conditions

    def cells(self, now: float) -> bytes:
        """The JSON array of the cells at `now`."""
        pieces, aging = self.pieces, self.aging
        if len(aging) == 1:  # nearly every kind: one age
            return pieces[0] + aging[0](now) + pieces[1]
        out = [pieces[0]]
        for index, age in enumerate(aging):
            out.append(age(now))
            out.append(pieces[index + 1])
        return b"".join(out)


def _as_json(cell: Aging) -> Callable[[float], bytes]:
    return lambda now: orjson.dumps(cell(now))


class TablePrinter(Protocol):
    """How one kind is shown as a table; `split` is the fast form of `cells`, both give the same values."""

    @property
    def columns(self) -> list[Column]:
        """Column definitions in order, as they go on the wire."""

    @property
    def nil_rows(self) -> bool:
        """Whether an empty list has `"rows": null` (the default printer) rather than `[]` (all others)."""

    @property
    def order(self) -> Callable[[Obj], Any] | None:
        """A sort key for the objects of a list, where their order is not that of their names."""

    def cells(self, obj: Obj, now: float) -> list[Cell]:
        """The cells of one row at `now` (seconds since the epoch)."""

    def conditions(self, obj: Obj) -> list[Obj] | None:
        """Conditions of the row (only pods and jobs that are done have any), or None."""

    def split(self, obj: Obj) -> RowTemplate:
        """The row with its time-dependent cells left open, to be cached with the stored object."""
