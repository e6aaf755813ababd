"""Endpoints that change nothing: get, list, watch (k8s.io/apiserver/pkg/endpoints/handlers/get.go)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import orjson

from wherry import errors
from wherry.machinery.fieldselectors import field_labels, parse_field_selector
from wherry.machinery.selectors import parse_label_selector
from wherry.server import answers, forms, negotiate, options, slices
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.server.requestinfo import RequestInfo
from wherry.storage.api import Record
from wherry.store import read
from wherry.store.definition import Definition, labels_of
from wherry.store.read import ListQuery

_Parts = tuple[bytes, Callable[[Sequence[Record]], bytes], bytes]


def form_of(call: Call) -> negotiate.Form:
    """The negotiated form of the answer. Raises NotAcceptable."""
    d = call.definition
    try:
        return negotiate.of(call.request, custom=d is not None and d.custom)
    except errors.NotAcceptable as refused:
        if d is None or d.custom or call.info.verb not in ("list", "watch") or "watch" not in d.resource.verbs:
            raise
        raise negotiate.with_streams(refused) from None


async def get(call: Call) -> Response:
    """GET of one object."""
    d, info = call.definition, call.info
    assert d is not None
    form = form_of(call)
    if info.query:
        await _check_get_revision(call)
    record = read.get(call.api.store, d, info.namespace, info.name)
    if d.conversion is not None:
        await d.conversion.prepare(d, (record,))
    return object_answer(call, record, form)


async def _check_get_revision(call: Call) -> None:
    text = call.info.first("resourceVersion")
    try:
        asked = read.parse_revision(text)
    except ValueError as bad:
        shown = f"resourceVersion: Invalid value: {errors.go_quote(text)}: {bad}"
        raise errors.StatusError(shown, reason="") from None
    await read.until_fresh(call.api.store, asked)


def object_answer(call: Call, record: Record, form: negotiate.Form, status: int = 200) -> Response:
    """A stored object in the negotiated form."""
    d = call.definition
    assert d is not None
    warnings = call.warnings
    if not form.transform:
        return answers.encoded(d.view(record), form, status, warnings)
    forms.check(d, form, is_list=False)
    if form.transform == "Table":
        include = forms.include_object(call.info)
        meta = answers.list_meta(record.revision)
        pieces = forms.table(d, [record], meta, form, include, call.api.store.clock())
        return answers.encoded(b"".join(pieces), form.whole(), status, warnings)
    data = forms.partial_of(d, record, form.version)
    return answers.encoded(data, form.whole(), status, warnings)


def matcher(d: Definition, info: RequestInfo) -> tuple[Callable[[Record], bool] | None, str]:
    """(predicate or None for everything, the one name it can match or ""). Raises BadRequest."""
    if not info.query:
        return None, ""
    checks: list[Callable[[Record], bool]] = []
    name = ""
    if text := info.first("labelSelector"):
        labels = parse_label_selector(text)
        if not labels.empty:
            checks.append(lambda record: labels.matches(labels_of(record)))
    if text := info.first("fieldSelector"):
        selector = parse_field_selector(text)
        if not selector.empty:
            checks.append(_field_check(d, selector))
            name = selector.exact("metadata.name") or ""
    if info.parts[1:2]:  # /watch/.../<name>
        wanted = info.parts[1]
        checks.append(lambda record: record.key.rsplit("/", 1)[1] == wanted)
    if not checks:
        return None, ""
    if len(checks) == 1:
        return checks[0], name
    return (lambda record: all(check(record) for check in checks)), name


def check_selectors(info: RequestInfo) -> None:
    """Whether selectors can be read: upstream looks at that before all options, and at their labels after. Raises
    BadRequest."""
    parse_label_selector(info.first("labelSelector"))
    parse_field_selector(info.first("fieldSelector"))


def required_pair(info: RequestInfo) -> tuple[str, str] | None:
    """A label pair that every object of the answer carries, if the selector requires one."""
    if text := info.first("labelSelector"):
        for requirement in parse_label_selector(text).requirements:
            if requirement.operator in ("=", "==", "in") and len(requirement.values) == 1:
                return requirement.key, requirement.values[0]
    return None


def _field_check(d: Definition, selector: object) -> Callable[[Record], bool]:
    from wherry.machinery.fieldselectors import FieldSelector

    assert isinstance(selector, FieldSelector)
    known = d.fields or field_labels(d.resource.group, d.resource.name)
    for requirement in selector.requirements:
        if requirement.field not in known.getters:
            raise errors.BadRequest(known.refuse(requirement.field))
    names = {"metadata.name", "metadata.namespace"}
    if all(r.field in names for r in selector.requirements):
        return lambda record: selector.matches(lambda field: _from_key(record.key, field))

    def check(record: Record) -> bool:
        obj = orjson.loads(record.value if d.conversion is None else d.view(record))
        return selector.matches(lambda field: known.getters[field](obj))

    return check


def _from_key(key: str, field: str) -> str:
    """Name and namespace stand in the key: no need to parse the object."""
    parts = key.split("/")
    if field == "metadata.name":
        return parts[-1]
    return parts[-2] if len(parts) == 6 else ""


async def list_(call: Call) -> Response:
    """GET of a collection."""
    d, info, api = call.definition, call.info, call.api
    assert d is not None
    form = form_of(call)
    query = ListQuery(namespace=info.namespace if d.resource.namespaced else "")
    if info.query:
        limit = options.integer(info, "limit")
        options.integer(info, "timeoutSeconds")
        check_selectors(info)
        options.list_options(info, watch=False)
        query.match, query.name = matcher(d, info)
        query.pair = required_pair(info)
        query.limit = limit if limit is not None and limit > 0 else 0
        query.token = info.first("continue")
        query.revision = info.first("resourceVersion")
        query.revision_match = info.first("resourceVersionMatch")
        if query.revision:
            await read.fresh_enough(api.store, query)
    if query.match is not None and d.conversion is None:
        await _match_in_slices(call, d, query)
    if d.conversion is None:
        result = read.list_objects(api.store, d, query)
    else:
        result = await converted_list(call, d, query)
    include = ""
    if form.transform:  # only now: a list that cannot be had is refused for that
        forms.check(d, form, is_list=True)
        include = forms.include_object(info) if form.transform == "Table" else ""
    remaining = result.remaining if query.match is None else 0
    meta = answers.list_meta(result.revision, result.token, remaining, custom=d.custom and not form.transform)
    warnings = call.warnings
    plain = not form.transform and d.refresh is None and d.same_version
    if len(result.records) > (slices.PLAIN if plain else slices.MADE) and form.media == negotiate.JSON:
        body = None if form.pretty else _sliced(call, d, result.records, meta, form, include)
        if body is not None:
            return Response(200, [*answers.JSON_HEADERS, *answers.warning_headers(warnings)], body)
    if not form.transform:
        pieces = answers.list_body(d, result.records, meta)
    elif form.transform == "Table":
        pieces = forms.table(d, result.records, meta, form, include, api.store.clock())
    else:
        pieces = forms.partial_list(d, result.records, meta, form)
    if form.media == negotiate.JSON and not form.pretty:
        headers = [*answers.JSON_HEADERS, *answers.warning_headers(warnings)] if warnings else answers.JSON_HEADERS
        return Response(200, headers, [*pieces, b"\n"])
    shown = form.whole()
    if len(result.records) > slices.MADE:  # YAML, protobuf and indented JSON of many objects: beside the loop
        return await asyncio.to_thread(lambda: answers.encoded(b"".join(pieces), shown, 200, warnings))
    return answers.encoded(b"".join(pieces), shown, 200, warnings)


def _sliced(
    call: Call, d: Definition, records: Sequence[Record], meta: dict[str, Any], form: negotiate.Form, include: str
) -> slices.Sliced | None:
    """The body of a long list; None where it has to be written in one piece."""
    if not form.transform:
        found: _Parts | None = answers.list_parts(d, meta)
    elif form.transform == "Table":
        found = forms.table_parts(d, meta, form, include, call.api.store.clock())
    else:
        found = forms.partial_parts(d, meta, form)
    if found is None:
        return None
    head, render, tail = found
    return slices.Sliced(slices.parts(head, records, render, tail + b"\n", turns_of(call)))


def turns_of(call: Call) -> slices.Turn:
    """Waits for the next turn of the flow that the call belongs to."""
    turns, flow = call.api.turns, call.flow
    return lambda: turns.turn(flow)


async def _match_in_slices(call: Call, d: Definition, query: ListQuery) -> None:
    """Ask a selector beforehand where there is much to look at."""
    assert query.match is not None
    if query.name or call.api.store.storage.count(d.list_prefix(query.namespace)) <= slices.MADE:
        return
    records = read.candidates(call.api.store, d, query)
    if len(records) > slices.MADE:
        query.match = await slices.matching(records, query.match, query.limit, turns_of(call))


async def converted_list(call: Call, d: Definition, query: ListQuery) -> read.ListResult:
    """A list of objects that a webhook converts: all that are shown, and all that a selector has to look into."""
    store = call.api.store
    if query.match is not None and call.info.first("fieldSelector"):
        await d.conversion.prepare(d, store.storage.range(d.list_prefix(query.namespace)).records)
    result = read.list_objects(store, d, query)
    await d.conversion.prepare(d, result.records)
    return result


async def watch(call: Call) -> Response:
    """A stream of events."""
    from wherry.server.watching import stream

    response = stream(call, form_of(call))
    if call.request.header("upgrade"):
        from wherry.server import websocket

        if websocket.is_websocket(call.request) and isinstance(response.body, AsyncIterator):
            return websocket.switch(call.request, websocket.WatchOverWebSocket(response.body))
    return response
