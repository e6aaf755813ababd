"""/scale: the replicas of any scalable kind, as autoscaling/v1 Scale (registry/apps/*/storage, customresource scale).

The Scale is an object of its own to its writers: it has its own managed fields, made from those of the object behind
it and put back into them. No answer shows them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson

from wherry import errors
from wherry.machinery.builtin.workloads import scale as builtin_scale
from wherry.machinery.fields import managed
from wherry.machinery.fields import scale as scale_fields
from wherry.machinery.fields.apply import apply
from wherry.machinery.fields.sets import LEAF
from wherry.machinery.kinds import GroupVersionKind, Obj
from wherry.server import answers, forms, negotiate, patches, reads, writes
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.storage.api import Record
from wherry.store import names, read
from wherry.store.context import WriteContext
from wherry.store.definition import Definition
from wherry.store.metadata import set_managed
from wherry.store.registry import Registry
from wherry.store.update import commit

VERSION = "autoscaling/v1"
# Custom resources have a scheme of their own, which cannot tell what it got.
_NOT_A_SCALE = 'no kind is registered for the type v1.Scale in scheme "pkg/apiserver/customresource_handler.go:781"'


class _Builtin:
    """The built-in scalable kinds in the shape of crd.scale.ScalePaths."""

    spec = ".spec.replicas"

    @staticmethod
    def read(obj: Obj) -> Obj:
        return builtin_scale.to_scale(obj)

    before_update = answer = read

    @staticmethod
    def write(obj: Obj, scale: Obj) -> Obj:
        out = {**obj, "spec": dict(obj["spec"]), "metadata": dict(obj["metadata"])}
        builtin_scale.apply_scale(out, scale)
        return out


@cache
def _scale_definition() -> Definition:
    """How bodies that are Scales are decoded, printed and owned: as autoscaling/v1 has it."""
    from wherry.machinery.kinds import Resource

    res = Resource("autoscaling", "v1", "scales", "scale", "Scale", True, ("get", "update", "patch"))
    return Registry.detached(res)


def _paths(d: Definition) -> Any:
    return d.version.scale if d.version is not None else _Builtin


def _mappings(d: Definition) -> dict[str, tuple[str, ...] | None]:
    """apiVersion -> where the replicas are, for every version that managed fields may speak of."""
    if d.replicas is not None:
        return d.replicas
    res = d.resource
    versions = ("v1beta1", "v1beta2", "v1") if res.group else ("v1",)  # those that upstream's storage lists
    prefix = f"{res.group}/" if res.group else ""
    return {prefix + version: ("f:spec", "f:replicas") for version in versions}


async def scale(call: Call) -> Response:
    """GET, PUT and PATCH of a Scale."""
    d = call.definition
    assert d is not None
    form = reads.form_of(call)
    if call.request.method == "GET":
        record = read.get(call.api.store, d, call.namespace, call.info.name)
        if d.conversion is not None:
            await d.conversion.prepare(d, (record,))
        return _answer(call, _paths(d).read(d.read(record)), form, call.warnings)
    if call.request.method == "PUT":
        return await _put(call, d, form)
    return await _patch(call, d, form)


async def _put(call: Call, d: Definition, form: negotiate.Form) -> Response:
    media = writes.media_type(call)
    ctx = writes.context(call, "UpdateOptions")
    scale_d = _scale_definition()
    try:
        posted, warnings = scale_d.decode(call.request.body, media, ctx.field_validation)
    except errors.BadRequest:
        if d.version is not None:
            raise errors.BadRequest(_NOT_A_SCALE) from None
        raise
    ctx.warnings.extend(warnings)
    if call.trail is not None:
        call.trail.request_object(posted)
    names.match_name(posted.setdefault("metadata", {}), call.info.name)
    names.match_namespace(d.resource, posted["metadata"], call.namespace)
    return await _write(call, d, form, ctx, lambda live: _set(d, live, posted, ctx, call.api.store.now()))


async def _patch(call: Call, d: Definition, form: negotiate.Form) -> Response:
    kind = patches.media_type(call)
    ctx = writes.context(call, "PatchOptions", apply=kind == patches.APPLY)
    now = call.api.store.now()
    if kind == patches.APPLY:
        from wherry.server.applying import parse

        patch, report = parse(call, ctx)

        def applied(live: Obj) -> Obj:
            new = _apply(d, live, patch, ctx, now)
            report()
            return new

        return await _write(call, d, form, ctx, applied)
    transform = patches.transformer(_scale_definition(), kind, call.request.body, ctx)

    def change(live: Obj) -> Obj:
        before = _shown(d, _paths(d).before_update(live), live)
        after = transform(before)
        names.match_name(after.get("metadata") or {}, call.info.name)
        return _set(d, live, after, ctx, now)

    return await _write(call, d, form, ctx, change)


def _set(d: Definition, live: Obj, posted: Obj, ctx: WriteContext, now: str) -> Obj:
    """The object with the replicas of a Scale, and who owns them now."""
    _validate(d, posted)
    before = _shown(d, _paths(d).answer(live), live)
    after = {**posted, "metadata": {k: v for k, v in posted["metadata"].items() if k != "managedFields"}}
    if "managedFields" in before["metadata"]:
        after["metadata"]["managedFields"] = before["metadata"]["managedFields"]
    node = _scale_definition().node()
    entries = managed.update(before, after, ctx.manager, VERSION, now, node, LEAF, "scale")
    return _owned(d, _paths(d).write(live, posted), live, entries)


def _validate(d: Definition, scale: Obj) -> None:
    """Custom objects are judged as a whole, with their new replicas; built-in kinds judge the Scale."""
    found = builtin_scale.validate_scale(scale) if d.version is None else []
    if found:
        raise errors.Invalid.of("autoscaling", "Scale", scale["metadata"].get("name", ""), found)


def _apply(d: Definition, live: Obj, patch: Obj, ctx: WriteContext, now: str) -> Obj:
    before = _shown(d, _paths(d).before_update(live), live)
    kind = GroupVersionKind("autoscaling", "v1", "Scale")
    applied = apply(before, patch, ctx.manager, ctx.force, kind, now, _scale_definition().node(), LEAF, "scale")
    after, _ = _scale_definition().canonical(applied.obj, ctx.field_validation)
    _validate(d, after)
    return _owned(d, _paths(d).write(live, after), live, applied.managed_fields)


def _owned(d: Definition, new: Obj, live: Obj, entries: list[Obj]) -> Obj:
    parent = live["metadata"].get("managedFields")
    merged = scale_fields.to_parent(parent, entries, d.resource.api_version, _mappings(d))
    new["metadata"] = dict(new["metadata"])
    set_managed(new["metadata"], merged)
    return new


def _shown(d: Definition, scale: Obj, obj: Obj) -> Obj:
    """A Scale with the managed fields that concern it."""
    scale["metadata"] = dict(scale["metadata"])
    set_managed(scale["metadata"], scale_fields.to_scale(obj["metadata"].get("managedFields"), _mappings(d)))
    return scale


async def _write(call: Call, d: Definition, form: negotiate.Form, ctx: WriteContext, change: Any) -> Response:
    _admitted_as_scale(d, ctx)
    outcome = await commit(call.api.store, d, call.namespace, call.info.name, change, ctx, own_managed=True)
    return _answer(call, _paths(d).answer(orjson.loads(outcome.data)), form, ctx.warnings)


def _admitted_as_scale(d: Definition, ctx: WriteContext) -> None:
    """Admission sees what the writer sent: a Scale. What it changes goes into the object behind it."""
    mutate, validate, paths = ctx.mutate, ctx.validate, _paths(d)

    def shown(obj: Obj) -> Obj:
        found: Obj = paths.answer(obj)
        return found

    async def mutated(operation: str, new: Obj | None, old: Obj | None) -> None:
        if mutate is None or new is None or old is None:
            return
        scale = shown(new)
        before = orjson.dumps(scale)
        await mutate(operation, scale, shown(old))
        if orjson.dumps(scale) != before:
            _validate(d, scale)
            new.update(paths.write(new, scale))

    async def validated(operation: str, new: Obj | None, old: Obj | None) -> None:
        if validate is not None and new is not None and old is not None:
            await validate(operation, shown(new), shown(old))

    ctx.mutate, ctx.validate = mutated, validated


def _answer(call: Call, scale: Obj, form: negotiate.Form, warnings: list[str]) -> Response:
    data = orjson.dumps(scale)
    if not form.transform:
        return answers.encoded(data, form, 200, warnings)
    scale_d = _scale_definition()
    forms.check(scale_d, form, is_list=False)
    plain = form.whole()
    if form.transform != "Table":
        return answers.encoded(forms.partial(scale["metadata"], form.version), plain, 200, warnings)
    revision = int(scale["metadata"].get("resourceVersion") or 0)
    record = Record("", data, revision, 0)
    pieces = forms.table(
        scale_d, [record], answers.list_meta(revision), form, forms.include_object(call.info), call.api.store.clock()
    )
    return answers.encoded(b"".join(pieces), plain, 200, warnings)
