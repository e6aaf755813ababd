"""Plugins that are off unless asked for (plugin/pkg/admission/{alwayspullimages,antiaffinity,deny,
extendedresourcetoleration,gc,namespace/autoprovision,namespace/exists,network/denyserviceexternalips,podnodeselector})."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import orjson

from wherry import errors
from wherry.access.admission import CREATE, UPDATE, Ask, Plugin
from wherry.access.plugins.refusals import forbidden
from wherry.access.user import Attributes
from wherry.machinery.kinds import Obj
from wherry.store.registry import Registry
from wherry.store.store import Store

Allowed = Callable[[Attributes], Awaitable[bool]]
NODE_SELECTOR = "scheduler.alpha.kubernetes.io/node-selector"
HOSTNAME = "kubernetes.io/hostname"


def _containers(obj: Obj | None) -> Iterator[tuple[str, Obj]]:
    spec = (obj or {}).get("spec") or {}
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            yield f"spec.{field}[{index}]", container


# --- images ----------------------------------------------------------------------------------------------------------


def _new_images(ask: Ask) -> bool:
    if ask.subresource or ask.obj is None:
        return False
    if ask.operation != UPDATE:
        return True
    known = {container.get("image") for _, container in _containers(ask.old)}
    return any(container.get("image") not in known for _, container in _containers(ask.obj))


async def always_pull(ask: Ask) -> None:
    """AlwaysPullImages: who may not pull an image does not get at it because another pod has."""
    if _new_images(ask):
        for _, container in _containers(ask.obj):
            container["imagePullPolicy"] = "Always"
        for volume in ((ask.obj or {}).get("spec") or {}).get("volumes") or ():
            if volume.get("image") is not None:
                volume["image"]["pullPolicy"] = "Always"


async def pulls_always(ask: Ask) -> None:
    """The half that comes after validation."""
    if not _new_images(ask):
        return
    for path, container in _containers(ask.obj):
        policy = container.get("imagePullPolicy", "")
        if policy != "Always":
            raise forbidden(ask, str(errors.not_supported(f"{path}.imagePullPolicy", policy, ("Always",))))


# --- namespaces ------------------------------------------------------------------------------------------------------


def namespace_exists(store: Store) -> Plugin:
    """NamespaceExists: nothing is done in a namespace that is not there."""

    async def plugin(ask: Ask) -> None:
        where = f"/{ask.definition.workspace}/core/namespaces/{ask.namespace}"
        if ask.namespace and not ask.is_namespace and store.storage.newest(where) is None:
            raise errors.NotFound.of("", "namespaces", ask.namespace)

    return plugin


def namespace_provision(store: Store, registry: Registry) -> Plugin:
    """NamespaceAutoProvision: a namespace comes with the first thing that is put into it."""

    async def plugin(ask: Ask) -> None:
        if not ask.namespace or ask.is_namespace or ask.dry_run:
            return
        d = registry.find(ask.definition.workspace, "", "v1", "namespaces")
        assert d is not None
        if store.storage.newest(d.key("", ask.namespace)) is not None:
            return
        from wherry.store.context import WriteContext
        from wherry.store.create import create

        obj, _ = d.canonical({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": ask.namespace}}, "Ignore")
        try:
            await create(store, d, "", obj, WriteContext(manager="wherry"))
        except errors.AlreadyExists:
            pass  # another request was faster
        except errors.StatusError as error:
            raise forbidden(ask, error.message) from None

    return plugin


# --- owners ----------------------------------------------------------------------------------------------------------


def owner_references(registry: Registry, allowed: Allowed) -> Plugin:
    """OwnerReferencesPermissionEnforcement: to hand a thing to an owner is to let it be deleted with it."""

    async def asked(ask: Ask, verb: str, group: str, version: str, resource: str, sub: str, ns: str, name: str) -> bool:
        workspace = ask.definition.workspace
        return await allowed(Attributes(ask.user, verb, "", True, group, version, resource, sub, ns, name, workspace))

    def owners(ask: Ask, ref: Obj) -> list[tuple[str, str, str, bool]]:
        group, _, version = str(ref.get("apiVersion", "")).rpartition("/")
        return [
            (r.group, r.version, r.name, r.namespaced)
            for r in registry.resources(ask.definition.workspace)
            if (r.group, r.version, r.kind) == (group, version, ref.get("kind"))
        ]

    async def plugin(ask: Ask) -> None:
        res = ask.definition.resource
        if (res.group, res.name, ask.subresource) == ("", "pods", "status"):
            return
        new, old = _references(ask.obj), _references(ask.old)
        if new == old:
            return
        place = (res.group, res.version, res.name, ask.subresource, ask.namespace, ask.name)
        if ask.operation != CREATE and not await asked(ask, "delete", *place):
            raise forbidden(ask, "cannot set an ownerRef on a resource you can't delete: , <nil>")
        blocking = [ref for ref in new if ref.get("blockOwnerDeletion") and not _blocked(ref, old)]
        if not blocking or await asked(ask, "update", "*", "*", "*", "finalizers", "", "*"):
            return
        for ref in blocking:
            found = owners(ask, ref)
            if not found:
                kind = f"APIVersion {ref.get('apiVersion')} Kind {ref.get('kind')}"
                why = f'no matches for kind "{ref.get("kind")}" in version "{ref.get("apiVersion")}"'
                text = f"cannot set blockOwnerDeletion in this case because cannot find RESTMapping for {kind}: {why}"
                raise forbidden(ask, text)
            for group, version, resource, namespaced in found:
                where = ask.namespace if namespaced else ""
                if not await asked(ask, "update", group, version, resource, "finalizers", where, ref.get("name", "")):
                    what = "an ownerReference refers to a resource you can't set finalizers on: , <nil>"
                    raise forbidden(ask, f"cannot set blockOwnerDeletion if {what}")

    return plugin


def _references(obj: Obj | None) -> list[Obj]:
    return ((obj or {}).get("metadata") or {}).get("ownerReferences") or []


def _blocked(ref: Obj, old: list[Obj]) -> bool:
    return any(was.get("uid") == ref.get("uid") and was.get("blockOwnerDeletion") for was in old)


# --- pods and services -----------------------------------------------------------------------------------------------


async def extended_tolerations(ask: Ask) -> None:
    """ExtendedResourceToleration: who asks for a special device tolerates the nodes that are kept for it."""
    if ask.subresource or ask.obj is None:
        return
    wanted: set[str] = set()
    for path, container in _containers(ask.obj):
        if not path.startswith("spec.ephemeral"):
            wanted.update(n for n in (container.get("resources") or {}).get("requests") or () if _extended(n))
    spec = ask.obj["spec"]
    for name in sorted(wanted):
        added = {"key": name, "operator": "Exists", "effect": "NoSchedule"}
        if added not in (spec.get("tolerations") or ()):
            spec["tolerations"] = [*(spec.get("tolerations") or ()), added]


def _extended(name: str) -> bool:
    domain = name.partition("/")[0]
    ours = domain == "kubernetes.io" or domain.endswith(".kubernetes.io")
    return "/" in name and not ours and not name.startswith("requests.")


async def hard_anti_affinity(ask: Ask) -> None:
    """LimitPodHardAntiAffinityTopology: a pod keeps others off its node, not off a whole zone."""
    affinity = ((ask.obj or {}).get("spec") or {}).get("affinity") or {}
    terms = (affinity.get("podAntiAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    for term in terms if not ask.subresource else ():
        if term.get("topologyKey") != HOSTNAME:
            what = f"has TopologyKey {term.get('topologyKey')} but only key {HOSTNAME} is allowed"
            raise forbidden(ask, f"affinity.PodAntiAffinity.RequiredDuringScheduling {what}")


async def no_external_ips(ask: Ask) -> None:
    """DenyServiceExternalIPs: no Service takes over an address that it was not given."""
    new = ((ask.obj or {}).get("spec") or {}).get("externalIPs") or ()
    old = ((ask.old or {}).get("spec") or {}).get("externalIPs") or ()
    if not ask.subresource and not set(new) <= set(old):
        raise forbidden(ask, "Use of external IPs is denied by admission control")


def node_selector(store: Store, configured: dict[str, Any]) -> Plugin:
    """PodNodeSelector: a namespace says on which nodes its pods may be."""
    selectors: dict[str, str] = configured.get("podNodeSelectorPluginConfig") or {}

    async def plugin(ask: Ask) -> None:
        if ask.subresource or ask.obj is None:
            return
        record = store.storage.newest(f"/{ask.definition.workspace}/core/namespaces/{ask.namespace}")
        notes = (orjson.loads(record.value)["metadata"].get("annotations") or {}) if record is not None else {}
        wanted = _labels(notes.get(NODE_SELECTOR, selectors.get("clusterDefaultNodeSelector", "")))
        own = ask.obj["spec"].get("nodeSelector") or {}
        if any(own.get(key, value) != value for key, value in wanted.items()):
            raise forbidden(ask, "pod node label selector conflicts with its namespace node label selector")
        merged = {**wanted, **own}
        if merged:
            ask.obj["spec"]["nodeSelector"] = merged
        listed = _labels(selectors.get(ask.namespace, ""))
        if listed and not merged.items() <= listed.items():
            raise forbidden(ask, "pod node label selector labels conflict with its namespace whitelist")

    return plugin


def _labels(text: str) -> dict[str, str]:
    """labels.ConvertSelectorToLabelsMap: a=b,c=d."""
    found = {}
    for part in text.split(","):
        if part.strip():
            key, sign, value = part.partition("=")
            if not sign:
                raise errors.StatusError(f"invalid selector: [{part}]", reason="")
            found[key.strip()] = value.strip()
    return found


async def always_deny(ask: Ask) -> None:
    """AlwaysDeny."""
    raise forbidden(ask, "admission control is denying all modifications")


async def always_admit(_: Ask) -> None:
    """AlwaysAdmit."""
