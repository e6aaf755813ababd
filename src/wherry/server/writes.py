"""Endpoints that change objects: create, update, patch, delete, deletecollection
(k8s.io/apiserver/pkg/endpoints/handlers)."""

from __future__ import annotations

from typing import Any

import orjson

from wherry import errors
from wherry.machinery.fields.managed import manager_name
from wherry.server import answers, forms, negotiate, options, patches, reads
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.store import read
from wherry.store.context import Outcome, WriteContext
from wherry.store.create import create as store_create
from wherry.store.definition import Definition
from wherry.store.delete import DeleteOptions
from wherry.store.delete import delete as store_delete
from wherry.store.update import update as store_update

BODY_LIMIT = 3 * 1024 * 1024
_MEDIA = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")


def media_type(call: Call, *, custom: bool = False) -> str:
    """The body's media type, JSON when none is given. Custom objects have no protobuf form, although the refusal lists
    it. Raises UnsupportedMediaType."""
    raw = call.request.header("content-type")
    media = raw.split(";", 1)[0].strip().lower() if raw else "application/json"
    if media not in (_MEDIA[:2] if custom else _MEDIA):
        listed = ", ".join(_MEDIA)
        text = f"the body of the request was in an unknown format - accepted media types include: {listed}"
        raise errors.UnsupportedMediaType(text)
    return media


def context(call: Call, kind: str, *, apply: bool = False) -> WriteContext:
    """The write's options from the query. Raises Invalid, BadRequest."""
    options.check_timeout(call.info)
    dry_run, manager, validation, force = options.write_options(call.info, kind, apply=apply)
    ctx = WriteContext(
        manager=manager_name(call.request.header("user-agent"), manager),
        dry_run=dry_run,
        field_validation=validation or "Warn",
        force=bool(force),
        warnings=call.warnings,
        annotations=call.annotations,
    )
    if call.info.query:
        ctx.options = _options(manager, validation, dry_run)
    _admit(call, ctx)
    return ctx


def _options(manager: str, validation: str, dry_run: bool) -> dict[str, Any]:
    """CreateOptions or UpdateOptions as they were given, for admission."""
    given = {"dryRun": ["All"] if dry_run else [], "fieldManager": manager, "fieldValidation": validation}
    return {key: value for key, value in given.items() if value}


def _admit(call: Call, ctx: WriteContext) -> None:
    d, info = call.definition, call.info
    assert d is not None
    call.api.admission.attach(ctx, d, call.user, call.namespace, info.name, info.subresource)


def answer(call: Call, outcome: Outcome, ctx: WriteContext, form: negotiate.Form) -> Response:
    """The outcome of a write in the negotiated form."""
    data, d = outcome.data, call.definition
    assert d is not None
    if not form.transform or outcome.obj is None:
        return answers.encoded(data, form.whole(), outcome.status, ctx.warnings)
    forms.check(d, form, is_list=False)
    obj = orjson.loads(data)
    if form.transform == "Table":
        from wherry.storage.api import Record

        revision = int(obj["metadata"].get("resourceVersion") or 0)
        record = Record("", data, revision, 0)
        record.cache = {d: data}
        meta = {"resourceVersion": str(revision)} if revision else {}
        include = forms.include_object(call.info)
        data = b"".join(forms.table(d, [record], meta, form, include, call.api.store.clock()))
    else:
        data = forms.partial(forms.metadata_of(d, outcome.obj), form.version)
    return answers.encoded(data, form.whole(), outcome.status, ctx.warnings)


async def create(call: Call) -> Response:
    """POST to a collection."""
    d = call.definition
    assert d is not None
    form = reads.form_of(call)
    media = media_type(call, custom=d.custom)
    ctx = context(call, "CreateOptions")
    obj, warnings = d.decode(call.request.body, media, ctx.field_validation)
    ctx.warnings.extend(warnings)
    if call.trail is not None:
        call.trail.request_object(obj)
    outcome = await store_create(call.api.store, d, call.namespace, obj, ctx)
    await _in_effect(call, outcome)
    return answer(call, outcome, ctx, form)


async def _in_effect(call: Call, outcome: Outcome) -> None:
    """A definition is answered when its kind is served, a workspace when it is ready, a binding when it is bound."""
    d, api = call.definition, call.api
    assert d is not None
    if outcome.obj is None:
        return
    settle = api.settling.get((d.resource.group, d.resource.name))
    if settle is not None:
        await settle(outcome.obj["metadata"]["name"])


async def update(call: Call) -> Response:
    """PUT of an object."""
    d, info = call.definition, call.info
    assert d is not None
    form = reads.form_of(call)
    media = media_type(call, custom=d.custom)
    ctx = context(call, "UpdateOptions")
    obj, warnings = d.decode(call.request.body, media, ctx.field_validation)
    ctx.warnings.extend(warnings)
    if call.trail is not None:
        call.trail.request_object(obj)
    subresource = "status" if info.subresource == "status" else info.subresource
    outcome = await store_update(call.api.store, d, call.namespace, info.name, obj, ctx, subresource)
    return answer(call, outcome, ctx, form)


async def patch(call: Call) -> Response:
    """PATCH of an object, by content type."""
    form = reads.form_of(call)
    kind = patches.media_type(call)
    ctx = context(call, "PatchOptions", apply=kind == patches.APPLY)
    if call.trail is not None:
        call.trail.request_patch(lambda: patches.document(call.request.body, kind))
    outcome = await patches.run(call, kind, ctx)
    await _in_effect(call, outcome)
    return answer(call, outcome, ctx, form)


def delete_options(call: Call) -> tuple[DeleteOptions, WriteContext]:
    """DeleteOptions from the body, or from the query where there is no body. Raises BadRequest, Invalid."""
    options.check_timeout(call.info)
    raw = _delete_body(call) if call.request.body else _delete_query(call)
    if call.trail is not None and call.request.body:
        call.trail.request_object({"kind": "DeleteOptions", "apiVersion": "v1", **raw}, named=False)
    ctx = WriteContext(
        dry_run=bool(raw.get("dryRun")), options=raw, warnings=call.warnings, annotations=call.annotations
    )
    options.delete_options(raw)
    wanted = raw.get("preconditions") or {}
    chosen = DeleteOptions(
        grace=raw.get("gracePeriodSeconds"),
        uid=wanted.get("uid"),
        revision=wanted.get("resourceVersion"),
        propagation=raw.get("propagationPolicy"),
        orphan_dependents=raw.get("orphanDependents"),
    )
    _admit(call, ctx)
    return chosen, ctx


def _delete_body(call: Call) -> dict[str, Any]:
    from wherry.machinery.bodies import decode_options

    media = media_type(call)
    d = call.definition
    assert d is not None
    res = d.resource
    return decode_options(call.request.body, media, "DeleteOptions", res.group, res.version)


def _delete_query(call: Call) -> dict[str, Any]:
    info = call.info
    if not info.query:
        return {}
    raw: dict[str, Any] = {}
    if (grace := options.integer(info, "gracePeriodSeconds")) is not None:
        raw["gracePeriodSeconds"] = grace
    if info.has("propagationPolicy"):
        raw["propagationPolicy"] = info.first("propagationPolicy")
    if (orphan := options.boolean(info, "orphanDependents")) is not None:
        raw["orphanDependents"] = orphan
    dry = [value for key, value in info.query if key == "dryRun"]
    if dry:
        raw["dryRun"] = dry
    return raw


async def delete(call: Call) -> Response:
    """DELETE of an object."""
    d, info = call.definition, call.info
    assert d is not None
    form = reads.form_of(call)
    chosen, ctx = delete_options(call)
    if chosen.propagation is None and chosen.orphan_dependents is None:
        ctx.warnings.extend(d.strategy.warnings_delete())
    outcome = await store_delete(call.api.store, d, call.namespace, info.name, chosen, ctx)
    return answer(call, outcome, ctx, form)


async def delete_collection(call: Call) -> Response:
    """DELETE of a collection: each object that the selectors match, one by one; the answer lists them."""
    d, info, api = call.definition, call.info, call.api
    assert d is not None
    form = reads.form_of(call)
    reads.check_selectors(info)
    options.list_options(info, watch=False)
    match, name = reads.matcher(d, info)
    chosen, ctx = delete_options(call)
    if chosen.propagation is None and chosen.orphan_dependents is None:
        ctx.warnings.extend(d.strategy.warnings_delete())
    limit = options.integer(info, "limit") or 0
    options.integer(info, "timeoutSeconds")
    query = read.ListQuery(
        namespace=call.namespace,
        match=match,
        name=name,
        limit=max(limit, 0),
        token=info.first("continue"),
        revision=info.first("resourceVersion"),
        revision_match=info.first("resourceVersionMatch"),
    )
    if d.conversion is None:
        result = read.list_objects(api.store, d, query)
    else:
        result = await reads.converted_list(call, d, query)
    for record in result.records:
        try:
            await store_delete(api.store, d, *_place(d, record.key), chosen, ctx)
        except errors.NotFound:
            continue  # gone in the meantime: that is what was wanted
    custom = d.custom and not form.transform
    meta = answers.list_meta(result.revision, result.token, result.remaining, custom=custom)
    if form.transform == "Table":
        pieces = forms.table(d, result.records, meta, form, forms.include_object(info), api.store.clock())
    elif form.transform:
        forms.check(d, form, is_list=True)
        pieces = forms.partial_list(d, result.records, meta, form)
    else:
        pieces = answers.list_body(d, result.records, meta)
    return answers.encoded(b"".join(pieces), form.whole(), 200, ctx.warnings)


def _place(d: Definition, key: str) -> tuple[str, str]:
    rest = key[len(d.prefix) :]
    namespace, _, name = rest.rpartition("/")
    return namespace, name
