"""The kinds of this feature, and those it reads and writes."""

from __future__ import annotations

from typing import Any

from wherry.client import Kind

Obj = dict[str, Any]
GROUP, VERSION = "simulation.wherry.dev", "v1alpha1"
SIMULATED = f"{GROUP}/simulated"  # annotation of everything that is pretended
CONDITION = f"{GROUP}/Simulated"
DOWN = f"{GROUP}/down"  # annotation with which a user takes a simulated node away
OWNER_LABEL = f"{GROUP}/node-pool"

PODS = Kind("", "v1", "pods")
NODES = Kind("", "v1", "nodes", namespaced=False)
LEASES = Kind("coordination.k8s.io", "v1", "leases")
POOLS = Kind(GROUP, VERSION, "simulatednodes", namespaced=False)
BEHAVIOURS = Kind(GROUP, VERSION, "podbehaviours")


def _crd(plural: str, kind: str, scope: str, short: str, spec: Obj, columns: list[Obj]) -> Obj:
    condition = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "shortNames": [short]},
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {
                                "spec": spec,
                                "status": {
                                    "type": "object",
                                    "properties": {
                                        "nodes": {"type": "integer"},
                                        "conditions": {"type": "array", "items": condition},
                                    },
                                },
                            },
                        }
                    },
                }
            ],
        },
    }


def _text(about: str) -> Obj:
    return {"type": "string", "description": about}


def _seconds(about: str) -> Obj:
    return {"type": "number", "minimum": 0, "description": about}


def _count(about: str) -> Obj:
    return {"type": "integer", "minimum": 0, "description": about}


_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_QUANTITIES = {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True}}
_LABELS = {
    "type": "object",
    "properties": {
        "matchLabels": _TEXTS,
        "matchExpressions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["key", "operator"],
                "properties": {
                    "key": {"type": "string"},
                    "operator": {"type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
                    "values": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}
_RULES: Obj = {
    "pullSeconds": _seconds("How long the container is ContainerCreating (default 0)."),
    "pullError": _text("The image can't be pulled; this is the message. The container never starts."),
    "readyAfterSeconds": _seconds("How long a running container is not ready yet (default 0)."),
    "neverReady": {"type": "boolean", "description": "The container runs but never becomes ready."},
    "readySeconds": _seconds("With unreadySeconds: readiness flaps; how long it lasts."),
    "unreadySeconds": _seconds("With readySeconds: readiness flaps; how long it is gone."),
    "runSeconds": _seconds("How long the container runs until it exits; by default for ever, or not at all (0) in "
                           "pods that are not restarted, such as those of Jobs."),
    "exitCode": {"type": "integer", "minimum": 0, "maximum": 255, "description": "With what it exits (default 0)."},
    "reason": _text("Why it exited, e.g. OOMKilled, which exits with 137 unless exitCode says otherwise."),
    "failures": _count("Only so many runs fail with exitCode; later ones exit with 0, or run for ever where "
                       "runSeconds is for failing runs only (`recovers`)."),
    "recovers": {"type": "boolean", "description": "After its failures the container runs for ever."},
    "restartBackoffSeconds": _seconds("The first pause of CrashLoopBackOff; it doubles up to 300 (default 10)."),
    "log": {"type": "array", "items": {"type": "string"}, "description": "Lines of each run, for kubectl logs."},
}  # fmt: skip

POOL_CRD = _crd(
    "simulatednodes", "SimulatedNode", "Cluster", "simnode",
    {
        "type": "object",
        "properties": {
            "count": {"type": "integer", "minimum": 0, "default": 1, "description": "How many nodes: NAME-0, ..."},
            "capacity": {**_QUANTITIES, "description": "Default: cpu 32, memory 256Gi, pods 1024."},
            "labels": _TEXTS,
            "zones": {"type": "array", "items": {"type": "string"}, "description": "Spread over the nodes in turn."},
            "taints": {"type": "array", "items": {
                "type": "object", "required": ["key", "effect"],
                "properties": {"key": {"type": "string"}, "value": {"type": "string"},
                               "effect": {"type": "string", "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]}},
            }},
        },
    },
    [
        {"name": "Nodes", "type": "integer", "jsonPath": ".status.nodes"},
        {"name": "Simulated", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Simulated")].status'},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ],
)  # fmt: skip

BEHAVIOUR_CRD = _crd(
    "podbehaviours", "PodBehaviour", "Namespaced", "podbeh",
    {
        "type": "object",
        "properties": {
            "selector": {**_LABELS, "description": "Which pods of the namespace; empty: all."},
            "weight": {"type": "integer", "default": 0, "description": "Where several select a pod, the highest wins."},
            "terminationSeconds": _seconds("How long a deleted pod takes to go (default 0; at most its grace period)."),
            **_RULES,
            "containers": {
                "type": "array", "description": "Rules for single containers; what they leave out is as above.",
                "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, **_RULES}},
            },
        },
    },
    [
        {"name": "Weight", "type": "integer", "jsonPath": ".spec.weight"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ],
)  # fmt: skip
