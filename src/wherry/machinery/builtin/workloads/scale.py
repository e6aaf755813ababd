"""The `scale` subresource: a Scale made of a workload, and its number put back.

Follows registry/{apps/*,core/replicationcontroller}/storage and autoscaling validation.
"""

from __future__ import annotations

from wherry.errors import FieldError, invalid
from wherry.machinery.builtin.common.labels import selector_string
from wherry.machinery.kinds import Obj

SCALABLE = frozenset(
    (("apps", "deployments"), ("apps", "replicasets"), ("apps", "statefulsets"), ("", "replicationcontrollers"))
)
_META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def to_scale(obj: Obj) -> Obj:
    """The autoscaling/v1 Scale of a deployment, replica set, stateful set or replication controller."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    selector = spec.get("selector")
    if obj.get("kind") == "ReplicationController":
        selector = {"matchLabels": selector or {}}
    scale: Obj = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: obj["metadata"][key] for key in _META if key in obj["metadata"]},
        "spec": {},
        "status": {"replicas": status.get("replicas", 0)},
    }
    if spec.get("replicas"):
        scale["spec"]["replicas"] = spec["replicas"]
    text = selector_string(selector)
    if text:
        scale["status"]["selector"] = text
    return scale


def validate_scale(scale: Obj) -> list[FieldError]:
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if replicas >= 0:
        return []
    return [invalid("spec.replicas", replicas, "must be greater than or equal to 0")]


def apply_scale(obj: Obj, scale: Obj) -> None:
    """Put the number into the workload, in place; its revision is checked if the Scale names one."""
    obj["spec"]["replicas"] = (scale.get("spec") or {}).get("replicas", 0)
    revision = (scale.get("metadata") or {}).get("resourceVersion")
    if revision:
        obj["metadata"]["resourceVersion"] = revision
