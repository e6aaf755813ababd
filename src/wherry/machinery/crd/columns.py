"""Printer columns of custom resources: `CustomPrinter`, a TablePrinter made from a version's additionalPrinterColumns.

Follows k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor and its default column, the age.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from wherry.kit.times import TimeError, normal_time
from wherry.machinery.jsonpath import JSONPath, JSONPathError, compile_path, text_of
from wherry.machinery.kinds import Obj
from wherry.machinery.tables.base import Aging, Cell, Column, RowTemplate
from wherry.machinery.tables.cells import UNKNOWN, Since

_NAME = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_CREATED = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
_AGE: Obj = {"name": "Age", "type": "date", "description": _CREATED, "jsonPath": ".metadata.creationTimestamp"}


class CustomPrinter:
    """The columns of one version and how to fill them."""

    def __init__(self, columns: list[Obj] | None):
        self.columns: list[Column] = [
            {"name": "Name", "type": "string", "format": "name", "description": _NAME, "priority": 0}
        ]
        self.order: Callable[[Obj], Any] | None = None
        self.nil_rows = False
        self._cells: list[tuple[JSONPath, str]] = []
        for column in columns or [_AGE]:
            path = column.get("jsonPath") or ""
            try:
                compiled = compile_path(path)
            except JSONPathError:
                break  # upstream serves the columns before the one it cannot read
            self._cells.append((compiled, column["type"]))
            self.columns.append(_definition(column, path))

    def _row(self, obj: Obj) -> list[Cell | Aging]:
        row: list[Cell | Aging] = [obj["metadata"].get("name", "")]
        row += [_cell(path, kind, obj) for path, kind in self._cells]
        return row

    def cells(self, obj: Obj, now: float) -> list[Cell]:
        return [cell(now) if callable(cell) else cell for cell in self._row(obj)]

    def conditions(self, obj: Obj) -> list[Obj] | None:
        return None

    def split(self, obj: Obj) -> RowTemplate:
        return RowTemplate(self._row(obj))


def _definition(column: Obj, path: str) -> Column:
    described = column.get("description") or f"Custom resource definition column (in JSONPath format): {path}"
    return {
        "name": column["name"],
        "type": column["type"],
        "format": column.get("format") or "",
        "description": described,
        "priority": column.get("priority") or 0,
    }


def _cell(path: JSONPath, kind: str, obj: Obj) -> Cell | Aging:
    try:
        found = path.find(obj)
    except JSONPathError:
        return None
    if not found:
        return None
    value = found[0]
    if kind == "string":
        return text_of(value)
    convert = _CONVERT.get(kind)
    return convert(value) if convert is not None and value is not None else None


def _integer(value: Any) -> Cell:
    return None if isinstance(value, bool) or not isinstance(value, int | float) else int(value)


def _number(value: Any) -> Cell:
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def _date(value: Any) -> Cell | Aging:
    if not isinstance(value, str):
        return None
    if value in ("", "null"):
        return UNKNOWN
    try:
        stamp = normal_time(value)
    except TimeError:
        return "<invalid>"
    return UNKNOWN if stamp is None else Since(datetime.fromisoformat(stamp).timestamp())


_CONVERT: dict[str, Callable[[Any], Cell | Aging]] = {
    "integer": _integer,
    "number": _number,
    "boolean": lambda value: value if isinstance(value, bool) else None,
    "date": _date,
}
