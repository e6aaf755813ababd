"""What the default plugins do to pods: service account, priority, tolerations, runtime class
(plugin/pkg/admission/{serviceaccount,priority,defaulttolerationseconds,runtimeclass}).

The rules are pure (`machinery.builtin.workloads.pod_admission`); this module looks up what they need.
"""

from __future__ import annotations

import secrets

import orjson

from wherry import errors
from wherry.access.admission import CREATE, UPDATE, Ask, Plugin
from wherry.access.plugins.refusals import forbidden
from wherry.machinery.kinds import Obj
from wherry.store.store import Store

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def _suffix() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(5))


def _get(store: Store, ask: Ask, path: str) -> Obj | None:
    record = store.storage.newest(f"/{ask.definition.workspace}/{path}")
    return orjson.loads(record.value) if record is not None else None


def service_account(store: Store) -> Plugin:
    """The account of a new pod, and what comes with it."""

    async def plugin(ask: Ask) -> None:
        if ask.subresource or ask.operation != CREATE or ask.obj is None:
            return
        from wherry.machinery.builtin.workloads import pod_admission as rules

        name = rules.account_name(ask.obj)
        account = _get(store, ask, f"core/serviceaccounts/{ask.namespace}/{name}") if name else None
        try:
            if name and account is None:
                raise rules.missing_account(ask.namespace, name)
            rules.admit_service_account(ask.obj, account, _suffix)
        except rules.Refused as no:
            raise forbidden(ask, str(no)) from None

    return plugin


def debugging_secrets(store: Store) -> Plugin:
    """Ephemeral containers use no secrets but those of the account, where it says so."""

    async def plugin(ask: Ask) -> None:
        if ask.subresource != "ephemeralcontainers" or ask.operation != UPDATE or ask.obj is None:
            return
        from wherry.machinery.builtin.workloads import pod_admission as rules

        name = rules.account_name(ask.obj)
        account = _get(store, ask, f"core/serviceaccounts/{ask.namespace}/{name}") if name else None
        if account is None or not rules.enforces_secrets(account):
            return
        known = {item.get("name", "") for item in account.get("secrets") or ()}
        try:
            for container in ask.obj["spec"].get("ephemeralContainers") or ():
                rules.check_container_secrets(container, "ephemeral container", known, name)
        except rules.Refused as no:  # upstream does not wrap this one
            raise errors.StatusError(str(no), reason="") from None

    return plugin


def priority(store: Store) -> Plugin:
    """The number behind the name of a priority class."""

    async def plugin(ask: Ask) -> None:
        if ask.subresource or ask.obj is None:
            return
        from wherry.machinery.builtin.workloads import pod_admission as rules

        if ask.operation == UPDATE:
            assert ask.old is not None
            rules.admit_priority_update(ask.obj, ask.old)
            return
        try:
            rules.admit_priority(
                ask.obj,
                lambda wanted: _get(store, ask, f"scheduling.k8s.io/priorityclasses/{wanted}"),
                lambda: _default_class(store, ask.definition.workspace),
            )
        except rules.Refused as no:
            raise forbidden(ask, str(no)) from None

    return plugin


async def tolerations(ask: Ask) -> None:
    """Patience with nodes that are not ready or not reachable."""
    if not ask.subresource and ask.obj is not None:
        from wherry.machinery.builtin.workloads import pod_admission as rules

        rules.admit_tolerations(ask.obj)


def runtime_class(store: Store, *, check: bool = False) -> Plugin:
    """What a runtime class adds to a pod; `check` is the half after validation: overhead that no class grants."""

    async def plugin(ask: Ask) -> None:
        if ask.subresource or ask.operation != CREATE or ask.obj is None:
            return
        if ask.obj["spec"].get("overhead") is None and "runtimeClassName" not in ask.obj["spec"]:
            return
        from wherry.machinery.builtin.workloads import pod_admission as rules

        act = rules.check_runtime_class if check else rules.admit_runtime_class
        try:
            act(ask.obj, lambda wanted: _get(store, ask, f"node.k8s.io/runtimeclasses/{wanted}"))
        except rules.Refused as no:
            raise forbidden(ask, str(no)) from None

    return plugin


def _default_class(store: Store, workspace: str) -> Obj | None:
    """The global default priority class; the lowest where there are several."""
    found = []
    for record in store.storage.range(f"/{workspace}/scheduling.k8s.io/priorityclasses/").records:
        if b'"globalDefault":true' in record.value:
            found.append(orjson.loads(record.value))
    return min(found, key=lambda c: c.get("value", 0)) if found else None
