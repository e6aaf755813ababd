"""What each node has to do with: the objects that pods on it need, as they stand in the storage.

Follows plugin/pkg/auth/authorizer/node (graph.go, graph_populator.go). A secret or claim that some pod of a node names
is that node's business; so is a volume that such a claim is bound to, and the secrets which that volume names. Read
once per workspace when the first node asks, then kept up by the storage's events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from wherry.storage.api import Event, Storage

Obj = dict[str, Any]
Thing = tuple[str, str, str]  # kind, namespace, name
T = TypeVar("T")

_MIRROR = "kubernetes.io/config.mirror"
# resource in the storage -> its group
_KINDS = {
    "pods": "core",
    "persistentvolumes": "core",
    "volumeattachments": "storage.k8s.io",
    "resourceslices": "resource.k8s.io",
    "podcertificaterequests": "certificates.k8s.io",
}
_VOLUME_SECRETS = ("cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos")
_CSI_SECRETS = ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef")


@dataclass(slots=True)
class _Workspace:
    """`of` has for each storage key the node and the things that it makes that node's business."""

    of: dict[str, tuple[str, frozenset[Thing]]] = field(default_factory=dict)
    nodes: dict[Thing, Counter[str]] = field(default_factory=dict)
    volumes: dict[str, tuple[Thing, frozenset[Thing]]] = field(default_factory=dict)  # key -> its claim, its secrets
    through: dict[Thing, Counter[Thing]] = field(default_factory=dict)  # a volume or its secret -> claims that lead on


class Graph:
    """`close` ends its subscription."""

    def __init__(self, storage: Storage):
        self._storage = storage
        self._workspaces: dict[str, _Workspace] = {}
        self.close = storage.subscribe(self._follow)

    def related(self, workspace: str, node: str, thing: Thing) -> bool:
        """Whether a thing is a node's business."""
        known = self._workspaces.get(workspace) or self._load(workspace)
        if node in known.nodes.get(thing, ()):
            return True
        return any(node in known.nodes.get(claim, ()) for claim in known.through.get(thing, ()))

    def _load(self, workspace: str) -> _Workspace:
        known = self._workspaces[workspace] = _Workspace()
        for resource, group in _KINDS.items():
            for record in self._storage.range(f"/{workspace}/{group}/{resource}/").records:
                _put(known, resource, record.key, orjson.loads(record.value))
        return known

    def _follow(self, events: Sequence[Event]) -> None:
        for event in events:
            _, workspace, group, resource, *_rest = event.key.split("/")
            if _KINDS.get(resource) != group or workspace not in self._workspaces:
                continue
            obj = orjson.loads(event.record.value) if event.record else None
            _put(self._workspaces[workspace], resource, event.key, obj)


def _put(known: _Workspace, resource: str, key: str, obj: Obj | None) -> None:
    if resource == "persistentvolumes":
        _put_volume(known, key, obj)
        return
    node, things = known.of.pop(key, ("", frozenset()))
    for thing in things:
        _take(known.nodes, thing, node)
    if obj is None:
        return
    node = (obj.get("spec") or {}).get("nodeName") or ""
    if not node:
        return
    meta = obj["metadata"]
    namespace = meta.get("namespace", "")
    things = frozenset(_of_pod(obj)) if resource == "pods" else frozenset(((resource, namespace, meta["name"]),))
    known.of[key] = node, things
    for thing in things:
        known.nodes.setdefault(thing, Counter())[node] += 1


def _take(counts: dict[Thing, Counter[T]], thing: Thing, what: T) -> None:
    """One reason less."""
    counted = counts[thing]
    counted[what] -= 1
    if not counted[what]:
        del counted[what]
    if not counted:
        del counts[thing]


def _put_volume(known: _Workspace, key: str, obj: Obj | None) -> None:
    before = known.volumes.pop(key, None)
    if before is not None:
        for thing in (_volume(key), *before[1]):
            _take(known.through, thing, before[0])
    ref = ((obj or {}).get("spec") or {}).get("claimRef")
    if obj is None or not ref:
        return
    claim = ("persistentvolumeclaims", ref.get("namespace", ""), ref.get("name", ""))
    secrets = frozenset(("secrets", space, name) for space, name in _of_volume(obj["spec"], claim[1]) if name)
    known.volumes[key] = claim, secrets
    for thing in (_volume(key), *secrets):
        known.through.setdefault(thing, Counter())[claim] += 1


def _volume(key: str) -> Thing:
    return "persistentvolumes", "", key.rpartition("/")[2]


# --- what objects name -----------------------------------------------------------------------------------------------
def _of_pod(pod: Obj) -> Iterator[Thing]:
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    namespace = meta.get("namespace", "")
    yield "pods", namespace, meta["name"]
    if _MIRROR in (meta.get("annotations") or {}):
        return  # a node must not give itself rights by the pods that it mirrors
    for kind, name in _named(spec, meta["name"]):
        if name:
            yield kind, namespace, name
    made = {each.get("name"): each.get("resourceClaimName") for each in status.get("resourceClaimStatuses") or ()}
    for claim in spec.get("resourceClaims") or ():
        named = claim.get("resourceClaimName") or made.get(claim.get("name"))
        if named:
            yield "resourceclaims", namespace, named
    extended = (status.get("extendedResourceClaimStatus") or {}).get("resourceClaimName")
    if extended:
        yield "resourceclaims", namespace, extended


def _named(spec: Obj, pod: str) -> Iterator[tuple[str, str]]:
    yield "serviceaccounts", spec.get("serviceAccountName") or ""
    for ref in spec.get("imagePullSecrets") or ():
        yield "secrets", ref.get("name") or ""
    for containers in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(containers) or ():
            yield from _of_container(container)
    for volume in spec.get("volumes") or ():
        yield from _of_pod_volume(volume, pod)


def _of_container(container: Obj) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom") or ():
        yield "secrets", (source.get("secretRef") or {}).get("name") or ""
        yield "configmaps", (source.get("configMapRef") or {}).get("name") or ""
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        yield "secrets", (source.get("secretKeyRef") or {}).get("name") or ""
        yield "configmaps", (source.get("configMapKeyRef") or {}).get("name") or ""


def _of_pod_volume(volume: Obj, pod: str) -> Iterator[tuple[str, str]]:
    yield "secrets", (volume.get("secret") or {}).get("secretName") or ""
    yield "configmaps", (volume.get("configMap") or {}).get("name") or ""
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield "secrets", (source.get("secret") or {}).get("name") or ""
        yield "configmaps", (source.get("configMap") or {}).get("name") or ""
    yield "secrets", (volume.get("azureFile") or {}).get("secretName") or ""
    for kind in _VOLUME_SECRETS:
        yield "secrets", ((volume.get(kind) or {}).get("secretRef") or {}).get("name") or ""
    yield "secrets", ((volume.get("csi") or {}).get("nodePublishSecretRef") or {}).get("name") or ""
    yield "persistentvolumeclaims", (volume.get("persistentVolumeClaim") or {}).get("claimName") or ""
    if volume.get("ephemeral") is not None:
        yield "persistentvolumeclaims", f"{pod}-{volume.get('name', '')}"


def _of_volume(spec: Obj, namespace: str) -> Iterator[tuple[str, str]]:
    """Namespace and name of the secrets that a node needs to mount a volume."""
    azure = spec.get("azureFile") or {}
    yield azure.get("secretNamespace") or namespace, azure.get("secretName") or ""
    refs = [(spec.get(kind) or {}).get("secretRef") for kind in _VOLUME_SECRETS]
    refs += [(spec.get("csi") or {}).get(name) for name in _CSI_SECRETS]
    for ref in refs:
        if ref:
            yield ref.get("namespace") or namespace, ref.get("name") or ""
