"""What the node of a pod has a say in: labels that tell where it is, and how far the pod may grow
(plugin/pkg/admission/{podtopologylabels,podresize})."""

from __future__ import annotations

import orjson

from wherry.access.admission import Ask, Plugin
from wherry.access.plugins.refusals import forbidden
from wherry.machinery.kinds import Obj
from wherry.store.store import Store

TOPOLOGY = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")
OS = "kubernetes.io/os"


def _node(store: Store, ask: Ask, name: str) -> Obj | None:
    record = store.storage.newest(f"/{ask.definition.workspace}/core/nodes/{name}")
    return orjson.loads(record.value) if record is not None else None


def topology_labels(store: Store) -> Plugin:
    """A pod gets zone and region of its node, when it is bound or where it is created with one."""

    async def plugin(ask: Ask) -> None:
        obj = ask.obj or {}
        if ask.subresource == "binding":
            target = obj.get("target") or {}
            name = target.get("name", "") if target.get("kind", "") == "Node" else ""
        elif not ask.subresource:
            name = (obj.get("spec") or {}).get("nodeName", "")
        else:
            return
        node = _node(store, ask, name) if name else None
        labels = ((node or {}).get("metadata") or {}).get("labels") or {}
        found = {key: labels[key] for key in TOPOLOGY if key in labels}
        if found:
            meta = obj.setdefault("metadata", {})
            meta["labels"] = {**(meta.get("labels") or {}), **found}

    return plugin


def resize(store: Store) -> Plugin:
    """A pod grows no further than its node could ever give."""

    async def plugin(ask: Ask) -> None:
        if ask.subresource != "resize" or ask.obj is None or ask.old is None:
            return
        name = ask.obj["spec"].get("nodeName")
        if not name or ask.obj["metadata"].get("generation") == ask.old["metadata"].get("generation"):
            return
        node = _node(store, ask, name)
        if node is None:
            raise forbidden(ask, f'node "{name}" not found')
        system = (node["metadata"].get("labels") or {}).get(OS, "linux")
        if system != "linux":
            why = f'pod resize is only supported on linux nodes, node "{name}" is "{system}"'
            raise forbidden(ask, why, causes=[{"reason": "UnsupportedPlatform"}])
        problem = _too_much(ask.obj["spec"], (node.get("status") or {}).get("allocatable") or {})
        if problem:
            why = f"node didn't have enough allocatable resources: {problem}"
            raise forbidden(ask, why, causes=[{"reason": "NodeCapacity"}])

    return plugin


def _too_much(spec: Obj, allocatable: Obj) -> str:
    from wherry.access.plugins.limits import pod_total
    from wherry.kit.quantity import parse_quantity

    total, found = pod_total(spec, "requests"), []
    for name in ("cpu", "memory"):
        wanted, given = total.get(name), parse_quantity(str(allocatable.get(name, "0")))
        if wanted is not None and wanted > given:
            shown = (wanted.milli(), given.milli()) if name == "cpu" else (wanted.whole(), given.whole())
            found.append(f"{name}, requested: {shown[0]}, allocatable: {shown[1]}")
    return "; ".join(found)
