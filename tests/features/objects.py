"""Objects for the tests of features, as short as they can be."""

from __future__ import annotations

from typing import Any

from wherry.kit.times import format_seconds

Obj = dict[str, Any]
NOW = 1_700_000_000.0
AT = format_seconds(int(NOW))


def template(app: str = "web", image: str = "x:1", **spec: Any) -> Obj:
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def workload(kind: str, name: str = "web", *, image: str = "x:1", status: Obj | None = None, **spec: Any) -> Obj:
    group = {"Job": "batch/v1", "CronJob": "batch/v1", "PodDisruptionBudget": "policy/v1"}.get(kind, "apps/v1")
    base: Obj = (
        {} if kind == "CronJob" else {"selector": {"matchLabels": {"app": name}}, "template": template(name, image)}
    )
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1, "creationTimestamp": AT}
    return {"apiVersion": group, "kind": kind, "metadata": meta, "spec": {**base, **spec}, "status": status or {}}


def pod(
    name: str, *, phase: str = "Running", ready: bool = True, since: float = NOW - 100, node: str = "n1",
    labels: dict[str, str] | None = None, deleting: bool = False, **meta: Any,
) -> Obj:  # fmt: skip
    given: Obj = {
        "name": name, "namespace": "default", "uid": f"uid-{name}", "creationTimestamp": AT,
        "labels": labels or {"app": "web"}, **meta,
    }  # fmt: skip
    if deleting:
        given["deletionTimestamp"] = AT
    state = {"type": "Ready", "status": str(ready), "lastTransitionTime": format_seconds(int(since))}
    return {
        "metadata": given,
        "spec": {"nodeName": node, "containers": [{"name": "c"}]},
        "status": {"phase": phase, "conditions": [state]},
    }


def node(name: str, *, cpu: str = "4", taints: list[Obj] | None = None, **labels: str) -> Obj:
    resources = {"cpu": cpu, "memory": "8Gi", "pods": "10"}
    given = {"kubernetes.io/hostname": name, **{key.replace("__", "/"): value for key, value in labels.items()}}
    return {
        "metadata": {"name": name, "labels": given},
        "spec": {"taints": taints or []},
        "status": {"allocatable": resources, "capacity": resources},
    }
