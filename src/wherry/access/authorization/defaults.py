"""Default roles and bindings, put right on every start: what an older version had, or someone took away, is completed.

Follows pkg/registry/rbac/rest (EnsureRBACPolicy) and component-helpers/auth/rbac/reconciliation: rules, subjects,
labels and annotations that are missing come back, what was added stays, and whoever annotated
`rbac.authorization.kubernetes.io/autoupdate: "false"` is left alone. Nothing is imported for a store that is as it
should be.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import orjson

from wherry.errors import AlreadyExists, Conflict, NotFound
from wherry.store.bootstrap import MANAGER, SEEDS
from wherry.store.registry import Registry
from wherry.store.store import Store

log = logging.getLogger("wherry.access")

Obj = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_SUBJECT = ("kind", "apiGroup", "namespace", "name")


async def reconcile(store: Store, registry: Registry, workspace: str = "root") -> int:
    """How many objects had to be written."""
    written = 0
    for resource, wanted in _defaults():
        meta = wanted["metadata"]
        namespace, name = meta.get("namespace", ""), meta["name"]
        where = f"{namespace}/{name}" if namespace else name
        record = store.storage.get(f"/{workspace}/{GROUP}/{resource}/{where}")
        live = orjson.loads(record.value) if record is not None else None
        if live is not None and become(live, wanted) is None:
            continue
        try:
            if live is not None and live.get("roleRef") != wanted.get("roleRef"):
                await _remove(store, registry, workspace, resource, live)  # a binding cannot get another role
                live = None
            await _write(store, registry, workspace, resource, wanted, new=live is None)
            written += 1
        except (AlreadyExists, Conflict, NotFound) as race:
            log.warning("the default %s %s: %s", resource, name, race)
    return written


def _defaults() -> Iterator[tuple[str, Obj]]:
    for key, obj in orjson.loads(SEEDS.read_bytes()):
        group, resource, *_ = key.split("/")
        if group == GROUP:
            yield resource, obj


async def _write(store: Store, registry: Registry, workspace: str, resource: str, wanted: Obj, *, new: bool) -> None:
    from wherry.store.context import WriteContext
    from wherry.store.create import create
    from wherry.store.update import commit

    d = registry.find(workspace, GROUP, "v1", resource)
    assert d is not None
    meta = wanted["metadata"]
    namespace, name = meta.get("namespace", ""), meta["name"]
    ctx = WriteContext(manager=MANAGER)
    if new:
        kept = {key: meta[key] for key in ("name", "namespace", "labels", "annotations") if key in meta}
        fresh = {**{key: value for key, value in wanted.items() if key != "metadata"}, "metadata": kept}
        await create(store, d, namespace, orjson.loads(orjson.dumps(fresh)), ctx)
        return
    await commit(store, d, namespace, name, lambda live: become(live, wanted) or live, ctx)


async def _remove(store: Store, registry: Registry, workspace: str, resource: str, live: Obj) -> None:
    from wherry.store.context import WriteContext
    from wherry.store.delete import DeleteOptions, delete

    d = registry.find(workspace, GROUP, "v1", resource)
    assert d is not None
    meta = live["metadata"]
    options = DeleteOptions(uid=meta["uid"])
    await delete(store, d, meta.get("namespace", ""), meta["name"], options, WriteContext(manager=MANAGER))


def become(live: Obj, wanted: Obj) -> Obj | None:
    """A default as it should be, None if it is. Whoever protected it has the last word."""
    meta = live["metadata"]
    if (meta.get("annotations") or {}).get(AUTOUPDATE) == "false":
        return None
    if live.get("roleRef") != wanted.get("roleRef"):
        return wanted
    changed: Obj = {}
    completed = dict(meta)
    for what in ("annotations", "labels"):
        both = {**(wanted["metadata"].get(what) or {}), **(meta.get(what) or {})}
        if both != (meta.get(what) or {}):
            completed[what] = both
    if completed != meta:
        changed["metadata"] = completed
    changed.update(_binding(live, wanted) if "roleRef" in wanted else _role(live, wanted))
    return {**live, **changed} if changed else None


def _role(live: Obj, wanted: Obj) -> Obj:
    changed: Obj = {}
    held, rules = live.get("rules") or [], wanted.get("rules") or []
    if held != rules:
        from wherry.access.plugins.escalation import uncovered

        missing = uncovered(held, rules)
        if missing:
            changed["rules"] = [*held, *missing]
    has, should = (each.get("aggregationRule") for each in (live, wanted))
    if should is None and has is not None:
        changed["aggregationRule"] = None
    elif should is not None:
        selectors = (has or {}).get("clusterRoleSelectors") or []
        more = [each for each in should.get("clusterRoleSelectors") or () if each not in selectors]
        if more:
            changed["aggregationRule"] = {**(has or {}), "clusterRoleSelectors": [*selectors, *more]}
    return changed


def _binding(live: Obj, wanted: Obj) -> Obj:
    def key(subject: Obj) -> tuple[str, ...]:
        return tuple(subject.get(part) or "" for part in _SUBJECT)

    known = {key(each) for each in live.get("subjects") or ()}
    missing = [each for each in wanted.get("subjects") or () if key(each) not in known]
    return {"subjects": [*(live.get("subjects") or ()), *missing]} if missing else {}
