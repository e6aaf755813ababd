"""Subresources of pods that are requests, not parts of the object: binding, eviction, and those that need a node.

Without nodes there is nothing to log, exec or forward to: these answer as a server whose pod has no node does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson

from wherry import errors
from wherry.machinery.builtin.workloads import eviction as rules
from wherry.machinery.kinds import Obj
from wherry.server import answers, reads, writes
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.server.options import delete_options
from wherry.store import read
from wherry.store.context import WriteContext
from wherry.store.definition import Definition
from wherry.store.delete import DeleteOptions, check_preconditions, delete
from wherry.store.update import commit

_IGNORE_READ_ERROR = "ignoreStoreReadErrorWithClusterBreakingPotential"
_OK = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _pods(call: Call) -> Definition:
    d = call.api.registry.find(call.info.workspace, "", "v1", "pods")
    assert d is not None
    return d


def _decoded(call: Call, group: str, version: str, kind: str) -> tuple[Obj, WriteContext]:
    """The body as another kind than the URL's."""
    from wherry.machinery.kinds import Resource
    from wherry.store.registry import Registry

    media = writes.media_type(call)
    ctx = writes.context(call, "CreateOptions")
    res = Resource(group, version, kind.lower() + "s", kind.lower(), kind, True, ("create",))
    obj, warnings = Registry.detached(res).decode(call.request.body, media, ctx.field_validation)
    ctx.warnings.extend(warnings)
    if call.trail is not None:
        call.trail.request_object(obj)
    return obj, ctx


async def binding(call: Call) -> Response:
    """POST: put a pod on a node, as a scheduler does."""
    form = reads.form_of(call)
    obj, ctx = _decoded(call, "", "v1", "Binding")
    name = call.info.name
    await ctx.admit_mutating("CREATE", obj)
    found = rules.validate_binding(obj)
    if found:
        texts = [str(e) for e in found]
        raise errors.StatusError(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]", reason="")
    await ctx.admit_validating("CREATE", obj)
    d, now = _pods(call), call.api.store.now()
    named = (obj.get("metadata") or {}).get("name", "")
    if named and named != name:
        raise errors.BadRequest("name in URL does not match name in Binding object")

    def transform(live: Obj) -> Obj:
        why = rules.binding_conflict(live)
        if why:
            raise errors.Conflict.of("", "pods/binding", name, why)
        out: Obj = orjson.loads(orjson.dumps(live))
        rules.bind(out, obj, now)
        return out

    ctx.mutate = ctx.validate = None
    await commit(call.api.store, d, call.namespace, name, transform, ctx, "binding")
    return answers.encoded(orjson.dumps(_OK), form, 201, ctx.warnings)


async def eviction(call: Call) -> Response:
    """POST: delete a pod if the disruption budgets allow it."""
    form = reads.form_of(call)
    obj, ctx = _decoded(call, "policy", "v1", "Eviction")
    name = call.info.name
    if (obj.get("metadata") or {}).get("name", "") != name:
        raise errors.BadRequest("name in URL does not match name in Eviction object")
    await ctx.admit_mutating("CREATE", obj)
    await ctx.admit_validating("CREATE", obj)
    given = obj.get("deleteOptions") or {}
    wanted = given.get("preconditions") or {}
    if given.get(_IGNORE_READ_ERROR):
        why = "can not be set for pod eviction, try after removing the option"
        found = [errors.invalid(f"deleteOptions.{_IGNORE_READ_ERROR}", True, why)]
        raise errors.Invalid.of("policy", "Eviction", name, found)
    options = DeleteOptions(
        given.get("gracePeriodSeconds"),
        wanted.get("uid"),
        wanted.get("resourceVersion"),
        given.get("propagationPolicy"),
        given.get("orphanDependents"),
    )
    if given.get("dryRun") and ctx.dry_run and given["dryRun"] != ["All"]:
        asked = f"Non-matching dry-run options in request and content: [All] and [{' '.join(given['dryRun'])}]"
        raise errors.StatusError(asked, reason="")
    ctx.dry_run = ctx.dry_run or bool(given.get("dryRun"))
    d = _pods(call)
    record = read.get(call.api.store, d, call.namespace, name)
    pod = orjson.loads(record.value)
    if rules.needs_no_budget(pod):
        if rules.pins_revision(pod):
            options.revision = str(record.revision)
    else:
        await _ask_budgets(call, pod, options, str(record.revision), ctx)
    ctx.mutate = ctx.validate = None  # the eviction was judged; upstream does not judge the deletion as well
    if "All" not in (given.get("dryRun") or ()) and not ctx.dry_run:
        await _say_why(call, d, name, options)
    delete_options(given)
    await delete(call.api.store, d, call.namespace, name, options, ctx)
    return answers.encoded(orjson.dumps(_OK), form, 201, ctx.warnings)


async def _say_why(call: Call, d: Definition, name: str, options: DeleteOptions) -> None:
    """Before the pod goes its condition says that it was evicted: finalizers and grace leave time to read it."""
    now = call.api.store.now()

    def transform(live: Obj) -> Obj:
        check_preconditions(d, name, live, int(live["metadata"]["resourceVersion"]), options)
        out: Obj = orjson.loads(orjson.dumps(live))
        rules.mark_evicted(out, now)
        return out

    plain = WriteContext()
    outcome = await commit(call.api.store, d, call.namespace, name, transform, plain, "status", own_managed=True)
    if options.revision is not None:  # it has moved on because of this very write
        options.revision = str(orjson.loads(outcome.data)["metadata"]["resourceVersion"])


async def _ask_budgets(call: Call, pod: Obj, options: DeleteOptions, revision: str, ctx: WriteContext) -> None:
    d = call.api.registry.find(call.info.workspace, "policy", "v1", "poddisruptionbudgets")
    assert d is not None
    records = call.api.store.storage.range(d.list_prefix(call.namespace)).records
    budgets = rules.budgets_of(pod, [orjson.loads(r.value) for r in records])
    if len(budgets) > 1:
        raise errors.StatusError(rules.MORE_THAN_ONE, reason="")
    if not budgets:
        return
    verdict = rules.judge(pod, budgets[0], call.api.store.now())
    if verdict.pin:
        options.revision = revision
    if verdict.budget is not None:
        changed = verdict.budget
        plain = WriteContext(manager=ctx.manager, dry_run=ctx.dry_run)
        name = changed["metadata"]["name"]
        await commit(call.api.store, d, call.namespace, name, lambda _: changed, plain, "status")


async def no_node(call: Call) -> Response:
    """log, exec, attach, portforward: a runtime that has the node, or there is no kubelet to ask."""
    from wherry.server import running

    sub = call.info.subresource
    logs = running.log_options(call) if sub == "log" else None
    record = read.get(call.api.store, _pods(call), call.namespace, call.info.name)
    pod = orjson.loads(record.value)
    container = running.chosen(pod, call.info.first("container")) if sub != "portforward" else ""
    node = (pod.get("spec") or {}).get("nodeName")
    if not node:
        if logs is not None:
            return Response(204, [])
        raise errors.BadRequest(f"pod {call.info.name} does not have a host assigned")
    for runtime in call.api.runtimes:
        if runtime.has_node(node):
            return await running.answer(call, runtime, pod, container, logs)
    text = f'nothing runs here: the node "{node}" of pod {call.info.name} has no kubelet that this server could ask'
    raise errors.ServiceUnavailable(text)


async def proxy(call: Call) -> Response:
    """The proxy of a pod, service or node: nothing runs behind any of them."""
    d = call.definition
    assert d is not None
    record = read.get(call.api.store, d, call.namespace, call.info.name)
    if d.resource.name == "pods" and not (orjson.loads(record.value).get("status") or {}).get("podIP"):
        raise errors.BadRequest("address not allowed")
    raise errors.ServiceUnavailable(f"nothing runs here: {d.resource.singular} {call.info.name} cannot be reached")


ENDPOINTS: dict[str, Callable[[Call], Awaitable[Response]]] = {
    "binding": binding,
    "eviction": eviction,
    **dict.fromkeys(("log", "exec", "attach", "portforward"), no_node),
    "proxy": proxy,
}
