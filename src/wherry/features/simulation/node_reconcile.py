"""Pure: the Node objects that a SimulatedNode stands for, and their conditions."""

from __future__ import annotations

from typing import Any

from wherry.features.simulation.kinds import CONDITION, DOWN, OWNER_LABEL, SIMULATED
from wherry.kit.times import format_seconds

Obj = dict[str, Any]
CAPACITY = {"cpu": "32", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "1024"}
TEXT = "this node is simulated: no container runs on it"
_HEALTHY = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "simulated node has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "simulated node has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "simulated node has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "simulated node is posting ready status"),
    (CONDITION, "True", "NothingRuns", TEXT),
)


def names(pool: Obj) -> list[str]:
    return [f"{pool['metadata']['name']}-{number}" for number in range(pool["spec"].get("count", 1))]


def node(pool: Obj, number: int) -> Obj:
    """A Node as it is registered."""
    spec, name = pool["spec"], f"{pool['metadata']['name']}-{number}"
    zones = spec.get("zones") or []
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node-role.kubernetes.io/simulated": "",  # kubectl shows it as the node's role
        OWNER_LABEL: pool["metadata"]["name"],
        **({"topology.kubernetes.io/zone": zones[number % len(zones)]} if zones else {}),
        **(spec.get("labels") or {}),
    }
    meta = pool["metadata"]
    made: Obj = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {SIMULATED: "true"},
            "ownerReferences": [
                {"apiVersion": pool["apiVersion"], "kind": pool["kind"], "name": meta["name"], "uid": meta["uid"]}
            ],
        },
        "spec": {"podCIDR": f"10.{244 + number // 256 % 8}.{number % 256}.0/24"},
    }
    if spec.get("taints"):
        made["spec"]["taints"] = spec["taints"]
    return made


def status(pool: Obj, number: int, now: float, version: str) -> Obj:
    """A Node's status as its kubelet would report it."""
    capacity = {**CAPACITY, **{key: str(value) for key, value in (pool["spec"].get("capacity") or {}).items()}}
    at = format_seconds(int(now))
    return {
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [
            {
                "type": type_, "status": state, "reason": reason, "message": message,
                "lastHeartbeatTime": at, "lastTransitionTime": at,
            }
            for type_, state, reason, message in _HEALTHY
        ],
        "addresses": [
            {"type": "InternalIP", "address": f"172.18.{number // 250 % 250}.{number % 250 + 2}"},
            {"type": "Hostname", "address": f"{pool['metadata']['name']}-{number}"},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": "simulated",
            "containerRuntimeVersion": "simulated://1",
            "kernelVersion": "simulated",
            "kubeProxyVersion": version,
            "kubeletVersion": version,
            "machineID": "simulated",
            "operatingSystem": "linux",
            "osImage": "simulated (nothing runs)",
            "systemUUID": "simulated",
        },
    }  # fmt: skip


def is_down(node: Obj) -> bool:
    return (node["metadata"].get("annotations") or {}).get(DOWN) == "true"


def pool_status(pool: Obj, now: float) -> Obj:
    old = next((c for c in (pool.get("status") or {}).get("conditions") or () if c["type"] == "Simulated"), None)
    condition = {
        "type": "Simulated", "status": "True", "reason": "NothingRuns", "message": "these nodes run nothing",
        "lastTransitionTime": old["lastTransitionTime"] if old else format_seconds(int(now)),
    }  # fmt: skip
    return {"nodes": pool["spec"].get("count", 1), "conditions": [condition]}
