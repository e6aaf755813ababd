"""What the default plugins do to pods: service account, tolerations, priority, runtime class
(plugin/pkg/admission/{serviceaccount,defaulttolerationseconds,priority,runtimeclass}).

The rules are pure (`machinery.builtin.workloads.pod_admission`); this module looks up what they need.
"""

from __future__ import annotations

import secrets

import orjson

from wherry import errors
from wherry.access.admission import Ask, Plugin
from wherry.machinery.kinds import Obj
from wherry.store.store import Store

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def _suffix() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(5))


def pods(store: Store) -> Plugin:
    """One plugin for all four, in upstream's order."""

    def get(workspace: str, group: str, resource: str, name: str) -> Obj | None:
        record = store.storage.newest(f"/{workspace}/{group}/{resource}/{name}")
        return orjson.loads(record.value) if record is not None else None

    async def plugin(ask: Ask) -> None:
        res = ask.definition.resource
        if res.name != "pods" or res.group or ask.subresource or ask.obj is None:
            return
        from wherry.machinery.builtin.workloads import pod_admission as rules

        if ask.operation == "UPDATE":
            assert ask.old is not None
            rules.admit_tolerations(ask.obj)
            rules.admit_priority_update(ask.obj, ask.old)
            return
        workspace = ask.definition.workspace
        name = rules.account_name(ask.obj)
        try:
            account = get(workspace, "core", "serviceaccounts", f"{ask.namespace}/{name}") if name else None
            if name and account is None:
                raise rules.missing_account(ask.namespace, name)
            rules.admit_service_account(ask.obj, account, _suffix)
            rules.admit_tolerations(ask.obj)
            rules.admit_priority(
                ask.obj,
                lambda wanted: get(workspace, "scheduling.k8s.io", "priorityclasses", wanted),
                lambda: _default_class(store, workspace),
            )
            rules.admit_runtime_class(ask.obj, lambda wanted: get(workspace, "node.k8s.io", "runtimeclasses", wanted))
        except rules.Refused as no:
            raise _forbidden(ask, no) from None

    return plugin


def checked_pods(store: Store) -> Plugin:
    """The half that comes after validation: overhead that no runtime class grants."""

    async def plugin(ask: Ask) -> None:
        res = ask.definition.resource
        if res.name != "pods" or res.group or ask.subresource or ask.operation != "CREATE" or ask.obj is None:
            return
        if ask.obj["spec"].get("overhead") is None and "runtimeClassName" not in ask.obj["spec"]:
            return
        from wherry.machinery.builtin.workloads import pod_admission as rules

        def lookup(wanted: str) -> Obj | None:
            record = store.storage.newest(f"/{ask.definition.workspace}/node.k8s.io/runtimeclasses/{wanted}")
            return orjson.loads(record.value) if record is not None else None

        try:
            rules.check_runtime_class(ask.obj, lookup)
        except rules.Refused as no:
            raise _forbidden(ask, no) from None

    return plugin


def _forbidden(ask: Ask, why: Exception) -> errors.Forbidden:
    """A pod whose name is yet to be generated goes by the beginning of it, one without any by a word."""
    meta = (ask.obj or {}).get("metadata") or {}
    name = meta.get("name") or meta.get("generateName") or "Unknown"
    return errors.Forbidden(f'pods "{name}" is forbidden: {why}', details=errors.resource_details("", "pods", name))


def _default_class(store: Store, workspace: str) -> Obj | None:
    """The global default priority class; the lowest where there are several."""
    found = []
    for record in store.storage.range(f"/{workspace}/scheduling.k8s.io/priorityclasses/").records:
        if b'"globalDefault":true' in record.value:
            found.append(orjson.loads(record.value))
    return min(found, key=lambda c: c.get("value", 0)) if found else None
