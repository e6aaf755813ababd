"""The Table document around the rows, as bytes: for one object, a list, or an event of a watch.

`server` calls this last, with rows that were made from cached `RowTemplate`s. Follows metav1.Table, of which there are
two versions (v1 and v1beta1) that differ in their name only.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from wherry.errors import BadRequest, go_quote
from wherry.machinery.tables.base import RowTemplate, TablePrinter

INCLUDE_NONE, INCLUDE_METADATA, INCLUDE_OBJECT = "None", "Metadata", "Object"


def include_object(value: str) -> str:
    """The `includeObject` parameter: what of the object goes with each row; metadata unless said otherwise."""
    if value in (INCLUDE_NONE, INCLUDE_METADATA, INCLUDE_OBJECT):
        return value
    if not value:
        return INCLUDE_METADATA
    raise BadRequest(
        f"Unable to convert to Table as requested: includeObject: Invalid value: {go_quote(value)}: "
        "must be 'Metadata', 'Object', 'None', or empty"
    )


def table_row(template: RowTemplate, now: float, obj: bytes | None) -> bytes:
    """One row; `obj` is the JSON of what goes with it (a PartialObjectMetadata or the object), None for `null`."""
    if template.conditions:
        conditions = orjson.dumps(template.conditions)
        return b'{"cells":%b,"conditions":%b,"object":%b}' % (template.cells(now), conditions, obj or b"null")
    return b'{"cells":%b,"object":%b}' % (template.cells(now), obj or b"null")


def table_document(
    printer: TablePrinter,
    rows: Sequence[bytes],
    *,
    resource_version: str = "",
    continue_: str = "",
    remaining: int | None = None,
    version: str = "v1",
    headers: bool = True,
) -> bytes:
    """The whole Table. `resource_version` is the list's, or the object's when there is one row for one object."""
    metadata: dict[str, str | int] = {}
    if resource_version:
        metadata["resourceVersion"] = resource_version
    if continue_:
        metadata["continue"] = continue_
    if remaining is not None:
        metadata["remainingItemCount"] = remaining
    columns = orjson.dumps(printer.columns) if headers else b"null"
    body = b"[" + b",".join(rows) + b"]" if rows or not printer.nil_rows else b"null"
    return (
        b'{"kind":"Table","apiVersion":"meta.k8s.io/'
        + version.encode()
        + b'","metadata":'
        + orjson.dumps(metadata)
        + b',"columnDefinitions":'
        + columns
        + b',"rows":'
        + body
        + b"}"
    )


def table_event(
    printer: TablePrinter, row: bytes, *, resource_version: str, version: str = "v1", headers: bool = False
) -> bytes:
    """The object of a watch event as a Table of one row; only the first event of a stream has headers."""
    return table_document(printer, [row], resource_version=resource_version, version=version, headers=headers)
