"""Pure: the addresses behind a service, as EndpointSlices and as Endpoints
(pkg/controller/{endpointslice,endpoint})."""

from __future__ import annotations

from typing import Any

from wherry.features.workloads.common import Obj, is_deleting, is_ready, owner_reference, phase

PER_SLICE = 100
PER_OBJECT = 1000  # of an Endpoints object
MANAGER = "endpointslice-controller.k8s.io"
NAME_LABEL, MANAGED_LABEL = "kubernetes.io/service-name", "endpointslice.kubernetes.io/managed-by"
_HEADLESS = "service.kubernetes.io/headless"


def backends(service: Obj, pods: list[Obj]) -> list[Obj]:
    """The pods that have an address and may take traffic, in a stable order."""
    found = [
        pod for pod in pods if (pod.get("status") or {}).get("podIP") and phase(pod) not in ("Succeeded", "Failed")
    ]
    return sorted(found, key=lambda pod: pod["metadata"]["name"])


def ports(service: Obj, pod: Obj) -> list[Obj]:
    """The service's ports as numbers of one pod; named ones are looked up."""
    found = []
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort", port["port"])
        number = target if isinstance(target, int) else _named(pod, target, port.get("protocol", "TCP"))
        if number:
            made = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
            if port.get("appProtocol"):
                made["appProtocol"] = port["appProtocol"]
            found.append(made)
    return found


def _named(pod: Obj, name: str, protocol: str) -> int:
    for field in ("containers", "initContainers"):
        for container in pod["spec"].get(field) or ():
            for port in container.get("ports") or ():
                if port.get("name") == name and port.get("protocol", "TCP") == protocol:
                    return int(port["containerPort"])
    return 0


def endpoint(service: Obj, pod: Obj, zone: str) -> Obj:
    ready, leaving = is_ready(pod), is_deleting(pod)
    meta = pod["metadata"]
    made: Obj = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": bool(service["spec"].get("publishNotReadyAddresses")) or (ready and not leaving),
            "serving": ready,
            "terminating": leaving,
        },
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
    }
    if pod["spec"].get("subdomain") == service["metadata"]["name"] and pod["spec"].get("hostname"):
        made["hostname"] = pod["spec"]["hostname"]
    if zone:
        made["zone"] = zone
    return made


def slices(service: Obj, pods: list[Obj], zones: dict[str, str]) -> list[tuple[list[Obj], list[Obj]]]:
    """(ports, endpoints) of every slice; pods that have other numbers for named ports are in slices of their own."""
    groups: dict[str, tuple[list[Obj], list[Obj]]] = {}
    for pod in backends(service, pods):
        listed = ports(service, pod)
        group = groups.setdefault(repr(listed), (listed, []))
        group[1].append(endpoint(service, pod, zones.get(pod["spec"]["nodeName"], "")))
    made = [
        (listed, found[at : at + PER_SLICE])
        for listed, found in groups.values()
        for at in range(0, len(found), PER_SLICE)
    ]
    return made or [([], [])]


def slice_of(service: Obj, listed: list[Obj], found: list[Obj]) -> Obj:
    """A new slice."""
    meta = service["metadata"]
    labels = {**(meta.get("labels") or {}), NAME_LABEL: meta["name"], MANAGED_LABEL: MANAGER}
    if service["spec"].get("clusterIP") == "None":
        labels[_HEADLESS] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": (service["spec"].get("ipFamilies") or ["IPv4"])[0],
        "ports": listed or None,
        "endpoints": found,
    }


def endpoints(service: Obj, pods: list[Obj]) -> list[Obj]:
    """The subsets of the older object."""
    groups: dict[str, Obj] = {}
    for pod in backends(service, pods)[:PER_OBJECT]:
        if is_deleting(pod):
            continue
        listed = ports(service, pod)
        if not listed and service["spec"].get("ports"):
            continue
        subset: dict[str, Any] = groups.setdefault(
            repr(listed), {"addresses": [], "notReadyAddresses": [], "ports": listed}
        )
        meta = pod["metadata"]
        address = {
            "ip": pod["status"]["podIP"],
            "nodeName": pod["spec"]["nodeName"],
            "targetRef": {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
        }
        ready = is_ready(pod) or service["spec"].get("publishNotReadyAddresses")
        subset["addresses" if ready else "notReadyAddresses"].append(address)
    for subset in groups.values():
        for port in subset["ports"]:
            if not port["name"]:
                port.pop("name")
    return [{key: value for key, value in subset.items() if value} for subset in groups.values()]
