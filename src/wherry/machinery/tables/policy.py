"""Table rows of the other groups: networking, storage, access, admission, devices, coordination (pkg/printers)."""

from __future__ import annotations

from typing import Any

from wherry.machinery.kinds import Obj
from wherry.machinery.tables.base import Aging, Cell
from wherry.machinery.tables.cells import (
    NONE,
    UNSET,
    Map,
    Row,
    age,
    condition,
    deleting,
    first,
    human_duration,
    labels,
    name,
    quantity,
    selector,
    since,
    spec,
    status,
)
from wherry.machinery.tables.core import balancers

# --- networking -----------------------------------------------------------------------------------------------------


def _hosts(rules: list[Map]) -> str:
    listed: list[str] = []
    more = False
    for rule in rules:
        more = more or len(listed) == 3
        if not more and rule.get("host"):
            listed.append(rule["host"])
    if not listed:
        return "*"
    text = ",".join(listed)
    return f"{text} + {len(rules) - 3} more..." if more else text


def ingress(obj: Obj) -> Row:
    wanted = spec(obj)
    chosen = wanted.get("ingressClassName")
    return [
        name(obj),
        NONE if chosen is None else chosen,
        _hosts(wanted.get("rules") or []),
        balancers(status(obj)),
        "80, 443" if wanted.get("tls") else "80",
        age(obj),
    ]


def _default_marked(obj: Obj, *annotations: str) -> str:
    present = obj["metadata"].get("annotations") or {}
    marked = any(present.get(a) == "true" for a in annotations)
    return f"{name(obj)} (default)" if marked else name(obj)


def ingress_class(obj: Obj) -> Row:
    wanted = spec(obj)
    parameters, shown = wanted.get("parameters"), NONE
    if parameters is not None:
        group = parameters.get("apiGroup")
        shown = parameters.get("kind", "") + ("" if group is None else f".{group}") + f"/{parameters.get('name', '')}"
    marked = _default_marked(obj, "ingressclass.kubernetes.io/is-default-class")
    return [marked, wanted.get("controller", ""), shown, age(obj)]


def network_policy(obj: Obj) -> Row:
    return [name(obj), selector(spec(obj).get("podSelector") or {}), age(obj)]


def _endpoint_port(port: Map) -> str:
    number, named = port.get("port"), port.get("name")
    return str(number) if number is not None else "*" if named is None else named


def endpoint_slice(obj: Obj) -> Row:
    addresses = [a for e in obj.get("endpoints") or () for a in e.get("addresses") or ()]
    return [
        name(obj),
        obj.get("addressType", ""),
        first((_endpoint_port(p) for p in obj.get("ports") or ()), 3) or UNSET,
        first(addresses, 3) or UNSET,
        age(obj),
    ]


def service_cidr(obj: Obj) -> Row:
    return [name(obj), ",".join(spec(obj).get("cidrs") or ()), age(obj)]


def ip_address(obj: Obj) -> Row:
    parent, shown = spec(obj).get("parentRef"), NONE
    if parent is not None:
        group, resource = parent.get("group", ""), parent.get("resource", "")
        shown = (f"{resource}.{group}" if group else resource).lower()
        if parent.get("namespace"):
            shown += f"/{parent['namespace']}"
        shown += f"/{parent.get('name', '')}"
    return [name(obj), shown, age(obj)]


# --- storage --------------------------------------------------------------------------------------------------------


def storage_class(obj: Obj) -> Row:
    marked = _default_marked(
        obj, "storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"
    )
    return [
        marked,
        obj.get("provisioner", ""),
        _given(obj.get("reclaimPolicy"), "Delete"),
        _given(obj.get("volumeBindingMode"), "Immediate"),
        bool(obj.get("allowVolumeExpansion")),
        age(obj),
    ]


def _given(value: Any, absent: Cell) -> Cell:
    return absent if value is None else value


def volume_attributes_class(obj: Obj) -> Row:
    return [name(obj), obj.get("driverName", ""), age(obj)]


def volume_attachment(obj: Obj) -> Row:
    wanted = spec(obj)
    return [
        name(obj),
        wanted.get("attacher", ""),
        (wanted.get("source") or {}).get("persistentVolumeName") or "",
        wanted.get("nodeName", ""),
        bool(status(obj).get("attached")),
        age(obj),
    ]


def csi_node(obj: Obj) -> Row:
    return [name(obj), len(spec(obj).get("drivers") or ()), age(obj)]


def csi_driver(obj: Obj) -> Row:
    wanted = spec(obj)
    tokens = wanted.get("tokenRequests")
    return [
        name(obj),
        _given(wanted.get("attachRequired"), True),
        bool(wanted.get("podInfoOnMount")),
        bool(wanted.get("storageCapacity")),
        UNSET if tokens is None else ",".join(t.get("audience", "") for t in tokens),
        bool(wanted.get("requiresRepublish")),
        ",".join(wanted.get("volumeLifecycleModes") or ()) or NONE,
        age(obj),
    ]


# --- admission ------------------------------------------------------------------------------------------------------


def webhooks(obj: Obj) -> Row:
    return [name(obj), len(obj.get("webhooks") or ()), age(obj)]


def _param_kind(wanted: Map) -> str:
    kind = wanted.get("paramKind")
    return UNSET if kind is None else f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}"


def validating_policy(obj: Obj) -> Row:
    wanted = spec(obj)
    return [name(obj), len(wanted.get("validations") or ()), _param_kind(wanted), age(obj)]


def mutating_policy(obj: Obj) -> Row:
    wanted = spec(obj)
    return [name(obj), len(wanted.get("mutations") or ()), _param_kind(wanted), age(obj)]


def _go_selector(value: Map) -> str:
    """A LabelSelector as Go's generated String method prints it."""
    matched = "".join(f"{k}: {v}," for k, v in sorted((value.get("matchLabels") or {}).items()))
    terms = "".join(
        f"LabelSelectorRequirement{{Key:{e.get('key', '')},Operator:{e.get('operator', '')},"
        f"Values:[{' '.join(e.get('values') or ())}],}},"
        for e in value.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{matched}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{terms}}},}}"
    )


def policy_binding(obj: Obj) -> Row:
    wanted = spec(obj)
    reference, shown = wanted.get("paramRef"), UNSET
    if reference is not None:
        if reference.get("name"):
            shown = f"{reference.get('namespace') or '*'}/{reference['name']}"
        elif reference.get("selector") is not None:
            shown = _go_selector(reference["selector"])
    return [name(obj), wanted.get("policyName", ""), shown, age(obj)]


# --- access ---------------------------------------------------------------------------------------------------------


def role_binding(obj: Obj) -> Row:
    role = obj.get("roleRef") or {}
    by_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in obj.get("subjects") or ():
        kind, named = subject.get("kind", ""), subject.get("name", "")
        if kind == "ServiceAccount":
            named = f"{subject.get('namespace', '')}/{named}"
        if kind in by_kind:
            by_kind[kind].append(named)
    return [
        name(obj),
        f"{role.get('kind', '')}/{role.get('name', '')}",
        age(obj),
        *(", ".join(listed) for listed in by_kind.values()),
    ]


def certificate_signing_request(obj: Obj) -> Row:
    wanted, state = spec(obj), status(obj)
    kinds = {c.get("type") for c in state.get("conditions") or ()}
    shown = "Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"
    if "Failed" in kinds:
        shown += ",Failed"
    if state.get("certificate"):
        shown += ",Issued"
    lifetime = wanted.get("expirationSeconds")
    return [
        name(obj),
        age(obj),
        wanted.get("signerName") or NONE,
        wanted.get("username", ""),
        NONE if lifetime is None else human_duration(lifetime),
        shown,
    ]


def cluster_trust_bundle(obj: Obj) -> Row:
    return [name(obj), spec(obj).get("signerName") or NONE]


def pod_certificate_request(obj: Obj) -> Row:
    wanted, shown = spec(obj), "Pending"
    for item in status(obj).get("conditions") or ():
        if item.get("type") in ("Issued", "Denied", "Failed"):
            shown = item["type"]
    members = ("podName", "serviceAccountName", "nodeName", "signerName")
    return [
        name(obj),
        *(wanted.get(member, "") for member in members),
        shown,
        labels(wanted.get("unverifiedUserAnnotations")),
    ]


# --- scheduling, coordination, flow control -------------------------------------------------------------------------


def priority_class(obj: Obj) -> Row:
    policy = obj.get("preemptionPolicy") or ""
    return [name(obj), obj.get("value") or 0, bool(obj.get("globalDefault")), age(obj), policy]


def runtime_class(obj: Obj) -> Row:
    return [name(obj), obj.get("handler", ""), age(obj)]


def lease(obj: Obj) -> Row:
    return [name(obj), spec(obj).get("holderIdentity") or "", age(obj)]


def lease_candidate(obj: Obj) -> Row:
    members = ("leaseName", "binaryVersion", "emulationVersion")
    return [name(obj), *(spec(obj).get(member, "") for member in members), age(obj)]


def flow_schema(obj: Obj) -> Row:
    wanted = spec(obj)
    method, dangling = wanted.get("distinguisherMethod"), condition(status(obj), "Dangling")
    return [
        name(obj),
        (wanted.get("priorityLevelConfiguration") or {}).get("name", ""),
        wanted.get("matchingPrecedence") or 0,
        NONE if method is None else method.get("type", ""),
        age(obj),
        "?" if dangling is None else dangling.get("status", ""),
    ]


def flow_schema_order(obj: Obj) -> tuple[int, str]:
    """Flow schemas are listed in the order in which they are tried."""
    return spec(obj).get("matchingPrecedence") or 0, name(obj)


def priority_level(obj: Obj) -> Row:
    wanted = spec(obj)
    limited = wanted.get("limited")
    queuing = None if limited is None else (limited.get("limitResponse") or {}).get("queuing")
    members = ("queues", "handSize", "queueLengthLimit")
    return [
        name(obj),
        wanted.get("type", ""),
        NONE if limited is None else limited.get("nominalConcurrencyShares") or 0,
        *(NONE if queuing is None else queuing.get(member) or 0 for member in members),
        age(obj),
    ]


# --- devices --------------------------------------------------------------------------------------------------------


def resource_claim(obj: Obj) -> Row:
    state, words = status(obj), ["deleted"] if deleting(obj) else []
    if state.get("allocation") is None:
        words += [] if words else ["pending"]
    else:
        words.append("allocated")
        if state.get("reservedFor"):
            words.append("reserved")
    return [name(obj), ",".join(words), age(obj)]


def resource_slice(obj: Obj) -> Row:
    wanted = spec(obj)
    pool = (wanted.get("pool") or {}).get("name", "")
    return [name(obj), wanted.get("nodeName") or "", wanted.get("driver", ""), pool, age(obj)]


def device_taint_rule(obj: Obj) -> Row:
    taint = spec(obj).get("taint") or {}
    added = taint.get("timeAdded")
    members = (taint.get(member, "") for member in ("key", "value", "effect"))
    return [name(obj), *members, "" if added is None else since(added), age(obj)]


# --- the aggregator -------------------------------------------------------------------------------------------------


def api_service(obj: Obj) -> Row:
    service, available = spec(obj).get("service"), condition(status(obj), "Available")
    shown = "Unknown"
    if available is not None:
        shown = available.get("status", "")
        if shown != "True" and available.get("reason"):
            shown = f"{shown} ({available['reason']})"
    where = "Local" if service is None else f"{service.get('namespace', '')}/{service.get('name', '')}"
    return [name(obj), where, shown, age(obj)]


def csi_storage_capacity(obj: Obj) -> Row:
    return [name(obj), obj.get("storageClassName", ""), quantity(obj.get("capacity"), UNSET)]


# --- kinds of the alpha and beta groups -----------------------------------------------------------------------------


def storage_version(obj: Obj) -> Row:
    state = status(obj)
    versions = (
        f"{v.get('apiServerID', '')}={v.get('encodingVersion', '')}" for v in state.get("storageVersions") or ()
    )
    common = state.get("commonEncodingVersion")
    return [name(obj), UNSET if common is None else common, first(versions, 3) or UNSET, age(obj)]


def storage_version_migration(obj: Obj) -> Row:
    resource, shown = spec(obj).get("resource") or {}, "Unknown"
    for item in status(obj).get("conditions") or ():
        if item.get("status") == "True" and item.get("type") in ("Running", "Failed", "Succeeded"):
            shown = item["type"]
    plural, group = resource.get("resource", ""), resource.get("group", "")
    return [name(obj), f"{plural}.{group}" if group else plural, shown]


def pod_group(obj: Obj) -> Row:
    wanted, state = spec(obj), status(obj)
    by_type = {c.get("type"): c for c in state.get("conditions") or ()}
    shown = "Pending"
    if (scheduled := by_type.get("PodGroupScheduled")) is not None:
        shown = "Scheduled" if scheduled.get("status") == "True" else "Unschedulable"
    if (disrupted := by_type.get("DisruptionTarget")) is not None:
        shown = disrupted.get("reason", "")
    gang = (wanted.get("schedulingPolicy") or {}).get("gang")
    reference = wanted.get("podGroupTemplateRef")
    workload = NONE if reference is None else (reference.get("workload") or {}).get("workloadName", "")
    return [name(obj), "Basic" if gang is None else "Gang", workload, shown, age(obj)]


_DEVICES = ("totalDevices", "availableDevices", "allocatedDevices", "unavailableDevices")


def resource_pool_status_request(obj: Obj) -> Row:
    state = obj.get("status")
    shown, count, numbers = "Pending", 0, ["-"] * 5
    completed: Cell | Aging = NONE
    if state is not None:
        pools, count = state.get("pools") or [], state.get("poolCount") or 0
        for item in state.get("conditions") or ():
            if item.get("status") == "True" and item.get("type") in ("Complete", "Failed"):
                shown = item["type"]
                break
        if shown == "Complete":
            completed = since(item.get("lastTransitionTime"))
            if count > len(pools):
                shown = f"Complete ({len(pools)}/{count} pools)"
        if shown != "Failed":
            numbers = [str(sum(p.get(member) or 0 for p in pools)) for member in _DEVICES]
            numbers.append(str(sum(p.get("validationError") is not None for p in pools)))
    return [name(obj), spec(obj).get("driver", ""), *numbers, count, shown, completed]
