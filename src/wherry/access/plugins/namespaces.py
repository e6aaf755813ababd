"""Nothing is created in a namespace that is absent or dying; the first namespaces can't be deleted
(plugin/pkg/admission/namespace/lifecycle)."""

from __future__ import annotations

from wherry import errors
from wherry.access.admission import Ask, Plugin
from wherry.store.store import Store

IMMORTAL = ("default", "kube-system", "kube-public")


def lifecycle(store: Store, *, deletes: bool = False) -> Plugin:
    """One half before validation (creates), one after it (deletes)."""

    async def on_delete(ask: Ask) -> None:
        res = ask.definition.resource
        if ask.operation == "DELETE" and res.name == "namespaces" and not res.group and ask.name in IMMORTAL:
            text = f'namespaces "{ask.name}" is forbidden: this namespace may not be deleted'
            raise errors.Forbidden(text, details=errors.resource_details("", "namespaces", ask.name))

    async def on_create(ask: Ask) -> None:
        res = ask.definition.resource
        if ask.operation != "CREATE" or not res.namespaced or not ask.namespace:
            return
        if res.name == "localsubjectaccessreviews":  # a question about a namespace, not an object in it
            return
        record = store.storage.newest(f"/{ask.definition.workspace}/core/namespaces/{ask.namespace}")
        if record is None:
            raise errors.NotFound.of("", "namespaces", ask.namespace)
        if b'"deletionTimestamp":' in record.value:
            raise _terminating(ask)

    return on_delete if deletes else on_create


def _terminating(ask: Ask) -> errors.Forbidden:
    res, namespace = ask.definition.resource, ask.namespace
    text = (
        f'{errors.qualified(res.group, res.name)} "{ask.name}" is forbidden: unable to create new content in namespace '
        f"{namespace} because it is being terminated"
    )
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    return errors.Forbidden(text, details=errors.resource_details(res.group, res.name, ask.name, causes=[cause]))
