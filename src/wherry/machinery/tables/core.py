"""Table rows of the core group's remaining kinds: services, nodes, volumes, events, quotas (pkg/printers)."""

from __future__ import annotations

from wherry.machinery.kinds import Obj
from wherry.machinery.tables.base import Aging, Cell
from wherry.machinery.tables.cells import (
    NONE,
    UNKNOWN,
    UNSET,
    Map,
    Row,
    age,
    deleting,
    labels,
    name,
    quantity,
    seconds_of,
    since,
    spec,
    status,
)


def only_age(obj: Obj) -> Row:
    return [name(obj), age(obj)]


def config_map(obj: Obj) -> Row:
    return [name(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age(obj)]


def secret(obj: Obj) -> Row:
    return [name(obj), obj.get("type", ""), len(obj.get("data") or ()), age(obj)]


def namespace(obj: Obj) -> Row:
    return [name(obj), status(obj).get("phase", ""), age(obj)]


# --- services -------------------------------------------------------------------------------------------------------


def balancers(state: Map) -> str:
    """Addresses of a load balancer status, distinct and sorted."""
    found = {i.get("ip") or i.get("hostname") for i in (state.get("loadBalancer") or {}).get("ingress") or ()}
    return ",".join(sorted(address for address in found if address))


def _external(wanted: Map, state: Map) -> str:
    kind = wanted.get("type", "")
    external = list(wanted.get("externalIPs") or ())
    if kind in ("ClusterIP", "NodePort"):
        return ",".join(external) or NONE
    if kind == "LoadBalancer":
        balanced = balancers(state)
        if external:
            return ",".join([balanced, *external] if balanced else external)
        return balanced or "<pending>"
    if kind == "ExternalName":
        return wanted.get("externalName", "")  # type: ignore[no-any-return]
    return UNKNOWN


def _port(port: Map) -> str:
    number, node, protocol = port.get("port") or 0, port.get("nodePort") or 0, port.get("protocol", "")
    return f"{number}:{node}/{protocol}" if node > 0 else f"{number}/{protocol}"


def service(obj: Obj) -> Row:
    wanted = spec(obj)
    ips = wanted.get("clusterIPs") or ()
    return [
        name(obj),
        wanted.get("type", ""),
        ips[0] if ips else NONE,
        _external(wanted, status(obj)),
        ",".join(_port(p) for p in wanted.get("ports") or ()) or NONE,
        age(obj),
        labels(wanted.get("selector")),
    ]


def _joined(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip or "%" in ip else f"{ip}:{port}"


def endpoints(obj: Obj) -> Row:
    subsets = obj.get("subsets") or ()
    if not subsets:
        return [name(obj), NONE, age(obj)]
    listed: list[str] = []
    for subset in subsets:
        addresses = [a.get("ip", "") for a in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        if not ports:  # headless services may have none
            listed += addresses
        for port in ports:
            listed += [_joined(ip, port.get("port") or 0) for ip in addresses]
    text = ",".join(listed[:3])
    return [name(obj), f"{text} + {len(listed) - 3} more..." if len(listed) > 3 else text, age(obj)]


# --- nodes and volumes ----------------------------------------------------------------------------------------------

_ROLE_PREFIX, _ROLE = "node-role.kubernetes.io/", "kubernetes.io/role"


def _roles(obj: Obj) -> str:
    found = set()
    for key, value in (obj["metadata"].get("labels") or {}).items():
        if key.startswith(_ROLE_PREFIX):
            found.add(key[len(_ROLE_PREFIX) :])
        elif key == _ROLE:
            found.add(value)
    return ",".join(sorted(role for role in found if role)) or NONE


def _address(state: Map, kind: str) -> str:
    for address in state.get("addresses") or ():
        if address.get("type") == kind:
            return address.get("address", "")  # type: ignore[no-any-return]
    return NONE


def node(obj: Obj) -> Row:
    state = status(obj)
    info = state.get("nodeInfo") or {}
    shown = "Unknown"
    for item in state.get("conditions") or ():  # the last of a type counts here
        if item.get("type") == "Ready":
            shown = "Ready" if item.get("status") == "True" else "NotReady"
    if spec(obj).get("unschedulable"):
        shown += ",SchedulingDisabled"
    kernel = info.get("kernelVersion") or UNKNOWN
    if architecture := info.get("architecture"):
        kernel += f" ({architecture})"
    return [
        name(obj),
        shown,
        _roles(obj),
        age(obj),
        info.get("kubeletVersion", ""),
        _address(state, "InternalIP"),
        _address(state, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        kernel,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


def _modes(modes: object) -> str:
    present = set(modes) if isinstance(modes, list) else set()
    return ",".join(short for mode, short in _MODES.items() if mode in present)


def _class(obj: Obj) -> str:
    annotations = obj["metadata"].get("annotations") or {}
    chosen = annotations.get(_BETA_CLASS)
    return (spec(obj).get("storageClassName") or "") if chosen is None else chosen


def _or_unset(value: object) -> Cell:
    return UNSET if value is None else value


def _phase(obj: Obj) -> str:
    return "Terminating" if deleting(obj) else status(obj).get("phase", "")


def persistent_volume(obj: Obj) -> Row:
    wanted = spec(obj)
    claim = wanted.get("claimRef")
    return [
        name(obj),
        quantity((wanted.get("capacity") or {}).get("storage")),
        _modes(wanted.get("accessModes")),
        wanted.get("persistentVolumeReclaimPolicy", ""),
        _phase(obj),
        "" if claim is None else f"{claim.get('namespace', '')}/{claim.get('name', '')}",
        _class(obj),
        _or_unset(wanted.get("volumeAttributesClassName")),
        status(obj).get("reason", ""),
        age(obj),
        _or_unset(wanted.get("volumeMode")),
    ]


def persistent_volume_claim(obj: Obj) -> Row:
    wanted, state = spec(obj), status(obj)
    volume = wanted.get("volumeName") or ""
    return [
        name(obj),
        _phase(obj),
        volume,
        quantity((state.get("capacity") or {}).get("storage")) if volume else "",
        _modes(state.get("accessModes")) if volume else "",
        _class(obj),
        _or_unset(wanted.get("volumeAttributesClassName")),
        age(obj),
        _or_unset(wanted.get("volumeMode")),
    ]


# --- events ---------------------------------------------------------------------------------------------------------

# Events are stored once and served by two groups, which name the same members differently.
_OTHER_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "source": "deprecatedSource",
    "reportingComponent": "reportingController",
}


def _event_member(obj: Obj, member: str) -> object:
    value = obj.get(member)
    return obj.get(_OTHER_NAMES[member]) if value is None else value


def _source(obj: Obj) -> str:
    source = _event_member(obj, "source")
    origin = source if isinstance(source, dict) else {}
    component = origin.get("component") or _event_member(obj, "reportingComponent") or ""
    host = origin.get("host") or obj.get("reportingInstance") or ""
    return f"{component}, {host}" if host else str(component)


def _stamp(value: object) -> Cell | Aging:
    return since(value if isinstance(value, str) else None)


def event(obj: Obj) -> Row:
    about = _event_member(obj, "involvedObject")
    reference = about if isinstance(about, dict) else {}
    begun, seen = _event_member(obj, "firstTimestamp"), _event_member(obj, "lastTimestamp")
    started = _stamp(begun if _is_time(begun) else obj.get("eventTime"))
    last = _stamp(seen) if _is_time(seen) else started
    count = _event_member(obj, "count") or 0
    if (series := obj.get("series")) is not None:
        last = _stamp(series.get("lastObservedTime"))
        count = series.get("count") or 0
    elif count == 0:
        count = 1
    kind, named = str(reference.get("kind", "")).lower(), reference.get("name")
    return [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{named}" if named else kind,
        reference.get("fieldPath", ""),
        _source(obj),
        str(_event_member(obj, "message") or "").strip(),
        started,
        count,
        name(obj),
    ]


def _is_time(value: object) -> bool:
    return isinstance(value, str) and seconds_of(value) is not None


# --- quotas and components ------------------------------------------------------------------------------------------


def resource_quota(obj: Obj) -> Row:
    state = status(obj)
    hard, used = state.get("hard") or {}, state.get("used") or {}
    requests: list[str] = []
    limits: list[str] = []
    for resource in sorted(hard):
        column = limits if resource.startswith("limits.") else requests
        column.append(f"{resource}: {quantity(used.get(resource))}/{quantity(hard[resource])}")
    return [name(obj), ", ".join(requests), ", ".join(limits), age(obj)]


def component_status(obj: Obj) -> Row:
    for item in obj.get("conditions") or ():
        if item.get("type") == "Healthy":
            shown = "Healthy" if item.get("status") == "True" else "Unhealthy"
            return [name(obj), shown, item.get("message", ""), item.get("error", "")]
    return [name(obj), "Unknown", "", ""]
