"""Table and PartialObjectMetadata: what `kubectl get` and metadata clients ask for instead of the object
(k8s.io/apiserver/pkg/endpoints/handlers/response.go)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import orjson

from wherry.errors import BadRequest, StatusError, go_quote
from wherry.machinery import meta
from wherry.machinery.kinds import Obj
from wherry.machinery.tables import table_for
from wherry.machinery.tables.base import Aging, RowTemplate, TablePrinter
from wherry.server.negotiate import Form
from wherry.server.requestinfo import RequestInfo
from wherry.storage.api import Record
from wherry.store.definition import Definition

_INCLUDES = ("", "None", "Metadata", "Object")


def include_object(info: RequestInfo) -> str:
    """The `includeObject` of TableOptions. Raises BadRequest."""
    value = info.first("includeObject") if info.query else ""
    if value not in _INCLUDES:
        raise BadRequest(
            f"Unable to convert to Table as requested: includeObject: Invalid value: {go_quote(value)}: "
            "must be 'Metadata', 'Object', 'None', or empty"
        )
    return value or "Metadata"


def printer(d: Definition) -> TablePrinter:
    """How the kind is shown; custom kinds bring their own from their definition."""
    if d.printer is None:
        d.printer = table_for(d.resource.group, d.resource.version, d.resource.kind)
    return d.printer  # type: ignore[no-any-return]


def check(d: Definition, form: Form, is_list: bool) -> None:
    """A metadata list was asked of an object, or the other way round: 406."""
    group, kind = d.resource.group, d.resource.kind
    if form.transform == "PartialObjectMetadata" and is_list:
        raise meta.refuse_list(group, kind)
    if form.transform == "PartialObjectMetadataList" and not is_list:
        if d.custom:
            raise StatusError("content is not a list", reason="")
        raise meta.refuse_object(group, kind)


@lru_cache(maxsize=8)
def _partial_head(version: str) -> bytes:
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/' + version.encode() + b'","metadata":'


def metadata_of(d: Definition, obj: Obj) -> Obj:
    """The metadata that PartialObjectMetadata shows of a stored object."""
    found: Obj = obj["metadata"]
    kept = d.strategy.field_annotations
    annotations = found.get("annotations")
    if not kept or not annotations:
        return found
    left = {key: value for key, value in annotations.items() if key not in kept}
    out = {**found, "annotations": left}
    if not left:
        del out["annotations"]
    return out


def partial(metadata: Obj, version: str) -> bytes:
    return _partial_head(version) + orjson.dumps(metadata) + b"}"


def partial_of(d: Definition, record: Record, version: str) -> bytes:
    """PartialObjectMetadata of a stored object, kept beside it."""
    cache = record.cache
    if cache is None:
        cache = record.cache = {}
    key = ("partial", version) if d.conversion is None else ("partial", version, d)
    found = cache.get(key)
    if found is None:
        found = cache[key] = b"%b" % partial(_metadata(d, record), version)
    return found  # type: ignore[no-any-return]


def _metadata(d: Definition, record: Record) -> Obj:
    """Versions share it, unless a webhook converts: that may change labels and annotations."""
    obj: Obj = orjson.loads(record.value if d.conversion is None else d.view(record))
    return metadata_of(d, obj)


def partial_list(d: Definition, records: Sequence[Record], list_meta: dict[str, Any], form: Form) -> list[bytes]:
    head = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{form.version}", "metadata": list_meta}
    if not records:  # a nil slice in Go
        return [orjson.dumps(head)[:-1], b',"items":null}']
    items = b",".join([partial_of(d, r, form.version) for r in records])
    return [orjson.dumps(head)[:-1], b',"items":[', items, b"]}"]


def partial_parts(
    d: Definition, meta: dict[str, Any], form: Form
) -> tuple[bytes, Callable[[Sequence[Record]], bytes], bytes]:
    """Head, what joins some items, and tail of a list that is not empty and is written piece by piece."""
    head = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{form.version}", "metadata": meta}

    def render(records: Sequence[Record]) -> bytes:
        return b",".join([partial_of(d, r, form.version) for r in records])

    return orjson.dumps(head)[:-1] + b',"items":[', render, b"]}"


def table_parts(
    d: Definition, meta: dict[str, Any], form: Form, include: str, now: float
) -> tuple[bytes, Callable[[Sequence[Record]], bytes], bytes] | None:
    """The same for a Table; None for a kind whose rows have an order of their own."""
    shows = printer(d)
    if shows.order is not None:
        return None
    head = {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{form.version}",
        "metadata": meta,
        "columnDefinitions": shows.columns,
    }
    tail = b"]}"
    return orjson.dumps(head)[:-1] + b',"rows":[', lambda records: b",".join(rows(d, records, now, include, form)), tail


def _template(d: Definition, record: Record) -> RowTemplate:
    cache = record.cache
    if cache is None:
        cache = record.cache = {}
    key = ("row", d)
    found: RowTemplate | None = cache.get(key)
    if found is None:
        obj = d.read(record) if d.custom else orjson.loads(record.value)  # built-in printers know the stored version
        found = cache[key] = printer(d).split(obj)
    return found


Row = tuple[bytes, Aging | None, bytes]  # what stands before the age, how old it is, what stands after it


def _row(d: Definition, record: Record, include: str, form: Form) -> Row | None:
    """A row in two pieces around its age, kept beside the record; None for the few kinds with more than one age."""
    template = _template(d, record)
    if len(template.aging) > 1:
        return None
    tail = _tail(d, record, template, include, form)
    if not template.aging:
        return b'{"cells":' + template.pieces[0] + tail, None, b""
    return b'{"cells":' + template.pieces[0], template.aging[0], template.pieces[1] + tail


def _tail(d: Definition, record: Record, template: RowTemplate, include: str, form: Form) -> bytes:
    if include == "None":
        shown = b"null"
    elif include == "Object":
        shown = d.view(record)
    else:
        shown = partial(_metadata(d, record), form.version)
    conditions = b',"conditions":' + orjson.dumps(template.conditions) if template.conditions else b""
    return conditions + b',"object":' + shown + b"}"


def rows(d: Definition, records: Sequence[Record], now: float, include: str, form: Form) -> list[bytes]:
    """The rows of a table. This is a loop over ten thousand objects for some: everything but the age is remembered."""
    key = (d, include, form.version)
    keep = include != "Object"  # whole objects are in storage already: a copy of each would double the memory
    out: list[bytes] = []
    for record in records:
        cache = record.cache
        if cache is None:
            cache = record.cache = {}
        kept = cache.get(key)
        if kept is None:
            kept = _row(d, record, include, form)
            if kept is None:
                template = _template(d, record)
                out.append(b'{"cells":' + template.cells(now) + _tail(d, record, template, include, form))
                continue
            if keep:
                kept = cache[key] = (b"%b" % kept[0], kept[1], b"%b" % kept[2])
                cache.pop(("row", d), None)
        before, aging, after = kept
        if aging is None:
            out.append(before)
            continue
        out.append(b"%b%b%b" % (before, aging(now), after))
    return out


def table(
    d: Definition,
    records: Sequence[Record],
    list_meta: dict[str, Any],
    form: Form,
    include: str,
    now: float,
    *,
    columns: bool = True,
) -> list[bytes]:
    """A Table of records as byte pieces; `columns` False leaves the definitions out (later events of a watch)."""
    shows = printer(d)
    if shows.order is not None:
        order = shows.order
        records = sorted(records, key=lambda r: order(orjson.loads(r.value)))
    shown = shows.columns if columns else None
    head = orjson.dumps(
        {
            "kind": "Table",
            "apiVersion": f"meta.k8s.io/{form.version}",
            "metadata": list_meta,
            "columnDefinitions": shown,
        }
    )
    if not records and shows.nil_rows:
        return [head[:-1], b',"rows":null}']
    return [head[:-1], b',"rows":[', b",".join(rows(d, records, now, include, form)), b"]}"]
