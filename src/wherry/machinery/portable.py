"""An object as it would be written somewhere else: without what was given to it where it is."""

from __future__ import annotations

from wherry.machinery.difference import meant
from wherry.machinery.kinds import Obj

_AUTOMATIC = (
    ("kube-aggregator.kubernetes.io/automanaged", "true"),
    ("kube-aggregator.kubernetes.io/automanaged", "onstart"),
    ("ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"),
    ("endpoints.kubernetes.io/managed-by", "endpoint-controller"),
    ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"),
)
_EVERYWHERE = (("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt"))
_UNIQUE = ("controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name")


def portable(obj: Obj) -> Obj:
    """`{apiVersion, kind, metadata, ...}` for a create: no status, no addresses, nodes, uids. The input stays."""
    found = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **meant(obj)}
    meta = found["metadata"] = dict(found["metadata"])
    meta.pop("ownerReferences", None)  # they name uids; who knows the new ones puts them back
    trim = _OF_KIND.get(obj["kind"])
    if trim is not None and isinstance(found.get("spec"), dict):
        found["spec"] = dict(found["spec"])
        trim(found)
    return found


def managed(obj: Obj) -> bool:
    """Whether a controller made it, and makes it again where its owner is."""
    return by_itself(obj) or any(owner.get("controller") for owner in obj["metadata"].get("ownerReferences") or ())


def by_itself(obj: Obj) -> bool:
    """Whether it stands in every cluster without anyone asking: a namespace's ServiceAccount and authority, the
    APIService of a definition, the endpoints of a Service."""
    meta = obj["metadata"]
    labels = meta.get("labels") or {}
    if any(labels.get(name) == value for name, value in _AUTOMATIC):
        return True
    return (obj["kind"], meta["name"]) in _EVERYWHERE


def _service(obj: Obj) -> None:
    spec = obj["spec"]
    if spec.get("clusterIP") != "None":
        for field in ("clusterIP", "clusterIPs"):
            spec.pop(field, None)
    spec.pop("healthCheckNodePort", None)
    if spec.get("ports"):
        spec["ports"] = [{k: v for k, v in port.items() if k != "nodePort"} for port in spec["ports"]]


def _pod(obj: Obj) -> None:
    obj["spec"].pop("nodeName", None)


def _claim(obj: Obj) -> None:
    obj["spec"].pop("volumeName", None)
    notes = obj["metadata"].get("annotations") or {}
    kept = {key: value for key, value in notes.items() if not key.startswith("pv.kubernetes.io/")}
    if kept != notes:
        obj["metadata"]["annotations"] = kept


def _job(obj: Obj) -> None:
    spec = obj["spec"]
    if spec.get("manualSelector"):
        return
    spec.pop("selector", None)
    obj["metadata"] = _without_names_of_jobs(obj["metadata"])
    template = spec.get("template")
    if template and template.get("metadata"):
        spec["template"] = {**template, "metadata": _without_names_of_jobs(template["metadata"])}


def _without_names_of_jobs(meta: Obj) -> Obj:
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key not in _UNIQUE}
    return {**{key: value for key, value in meta.items() if key != "labels"}, **({"labels": labels} if labels else {})}


_OF_KIND = {"Service": _service, "Pod": _pod, "PersistentVolumeClaim": _claim, "Job": _job}
