"""Handing out cluster IPs and node ports to a Service: which to ask for, where they go, what is given back.

The pool itself is state and belongs to `store`; it comes in as an `Allocator`. Follows
pkg/registry/core/service/storage (patchAllocatedValues, normalizeClusterIPs, alloc.go). Call `allocate_create` and
`allocate_update` after defaulting and before the strategy's prepare step, as upstream's BeginCreate and BeginUpdate.
When the write fails, give back what `taken_ips` and `taken_ports` list (an error raised here carries its Allocation as
`allocation`); when it succeeds, give back what `freed_ips` and `freed_ports` list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from wherry.errors import FieldError, InternalError, Invalid, invalid
from wherry.machinery.builtin.core.service_validation import cluster_ips
from wherry.machinery.builtin.core.services import (
    EXTERNAL_NAME,
    LOAD_BALANCER,
    NODE_PORT,
    needs_health_check,
)
from wherry.machinery.builtin.core.shared.fields import make, spec_of
from wherry.machinery.builtin.core.shared.ip import is_v4
from wherry.machinery.kinds import Obj


class Refused(Exception):
    """An allocator's no; the text goes into the field error (for example `provided port is already allocated`)."""


class Allocator(Protocol):
    """A pool of addresses and ports. Every method raises `Refused` when it cannot."""

    families: tuple[str, ...]  # configured families, the primary one first: ("IPv4",)

    def take_ip(self, family: str, wanted: str) -> str:
        """Reserve `wanted`, or the next free address when empty."""

    def take_port(self, wanted: int) -> int:
        """Reserve node port `wanted`, or the next free one when 0."""


@dataclass(slots=True)
class Allocation:
    taken_ips: list[str] = field(default_factory=list)
    taken_ports: list[int] = field(default_factory=list)
    freed_ips: list[str] = field(default_factory=list)
    freed_ports: list[int] = field(default_factory=list)


def _refuse(obj: Obj, errors: list[FieldError]) -> None:
    if errors:
        raise Invalid.of("", "Service", obj["metadata"].get("name", ""), errors)


def normalize_cluster_ips(new: Obj, old: Obj | None) -> None:
    """Keep clusterIP and clusterIPs in step, whichever of them the client knows about."""
    spec = make(new, "spec")
    single, plural = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    if old is None:
        if single and not plural:
            spec["clusterIPs"] = [single]
        return
    before = spec_of(old)
    was, were = before.get("clusterIP") or "", before.get("clusterIPs") or []
    if were and not plural and was == single:
        plural = spec["clusterIPs"] = list(were)
    if was != single and plural == were:
        if was and not single:
            spec.pop("clusterIPs", None)
        else:
            spec["clusterIPs"] = [single]


def carry_over(new: Obj, old: Obj) -> None:
    """What the server gave earlier stays when the client leaves it out (patchAllocatedValues)."""
    spec, before = make(new, "spec"), spec_of(old)
    if EXTERNAL_NAME not in (spec.get("type"), before.get("type")):
        for key in ("clusterIP", "clusterIPs"):
            if not spec.get(key) and before.get(key):
                spec[key] = before[key]
    if _wants_ports(before) and _wants_ports(spec):
        _carry_ports(spec, before)
    checked = needs_health_check(before) and needs_health_check(spec)
    if checked and not spec.get("healthCheckNodePort") and before.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before["healthCheckNodePort"]


def _wants_ports(spec: Obj) -> bool:
    if spec.get("type") == NODE_PORT:
        return True
    return spec.get("type") == LOAD_BALANCER and spec.get("allocateLoadBalancerNodePorts") is not False


def _used(spec: Obj) -> list[int]:
    return [port["nodePort"] for port in spec.get("ports") or [] if port.get("nodePort")]


def _carry_ports(spec: Obj, before: Obj) -> None:
    shared = set(_used(spec)) & set(_used(before))
    by_name = {port.get("name") or "": port.get("nodePort") or 0 for port in before.get("ports") or []}
    for port in spec.get("ports") or []:
        old = by_name.get(port.get("name") or "", 0)
        if not port.get("nodePort") and old and old not in shared:
            port["nodePort"] = old


# --- IP families -----------------------------------------------------------------------------------------------------


def _untouched_dual(spec: Obj, before: Obj | None) -> bool:
    """A PreferDualStack service whose addresses did not change is left alone, however the cluster is set up."""
    if before is None or spec.get("ipFamilyPolicy") != "PreferDualStack" or before.get("type") != spec.get("type"):
        return False
    if spec.get("type") == EXTERNAL_NAME or before.get("ipFamilyPolicy") not in (None, "PreferDualStack"):
        return False
    return all((spec.get(key) or []) == (before.get(key) or []) for key in ("clusterIPs", "ipFamilies"))


def _family_of(ip: str) -> str:
    return "IPv4" if is_v4(ip) else "IPv6"


def _selectorless_headless(spec: Obj) -> bool:
    return spec.get("clusterIP") == "None" and not spec.get("selector")


def _default_policy(spec: Obj, before: Obj | None) -> None:
    if spec.get("ipFamilyPolicy") is not None:
        return
    if before is not None and before.get("ipFamilyPolicy") is not None:
        spec["ipFamilyPolicy"] = before["ipFamilyPolicy"]
    else:
        spec["ipFamilyPolicy"] = "RequireDualStack" if _selectorless_headless(spec) else "SingleStack"


def _shrink(spec: Obj, before: Obj) -> list[FieldError]:
    out: list[FieldError] = []
    words = {"clusterIPs": "cluster IP", "ipFamilies": "IP family"}
    for key, word in words.items():
        now, was = spec.get(key) or [], before.get(key) or []
        if spec["ipFamilyPolicy"] == "SingleStack":
            if now == was and len(now) > 1:
                spec[key] = now[:1]
        elif now and len(now) < len(was):
            why = f"must be 'SingleStack' to release the secondary {word}"
            out.append(invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], why))
    return out


def _check_single(spec: Obj) -> list[FieldError]:
    if spec["ipFamilyPolicy"] != "SingleStack":
        return []
    words = {"clusterIPs": "cluster IPs", "ipFamilies": "IP families"}
    return [
        invalid(
            "spec.ipFamilyPolicy",
            "SingleStack",
            f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {word} are specified",
        )
        for key, word in words.items()
        if len(spec.get(key) or []) == 2
    ]


def _families_from_ips(spec: Obj, families: tuple[str, ...]) -> list[FieldError]:
    out: list[FieldError] = []
    ips = spec.get("clusterIPs") or []
    for i, ip in enumerate(ips):
        if ip == "None":
            break
        if i >= len(spec.get("ipFamilies") or []):
            family = _family_of(ip)
            if family not in families:
                out.append(invalid(f"spec.clusterIPs[{i}]", ips, f"{family} is not configured on this cluster"))
            else:
                spec["ipFamilies"] = [*(spec.get("ipFamilies") or []), family]
    return out


def _complete_families(spec: Obj, families: tuple[str, ...], dual: bool) -> None:
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = [families[0]]
    if dual and len(spec["ipFamilies"]) == 1 and spec["ipFamilyPolicy"] != "SingleStack":
        spec["ipFamilies"] = [spec["ipFamilies"][0], "IPv6" if spec["ipFamilies"][0] == "IPv4" else "IPv4"]


def init_families(new: Obj, old: Obj | None, families: tuple[str, ...]) -> None:
    """initIPFamilyFields: settle ipFamilyPolicy and ipFamilies, or refuse."""
    spec = make(new, "spec")
    before = spec_of(old) if old is not None else None
    if spec.get("type") == EXTERNAL_NAME or _untouched_dual(spec, before):
        return
    _default_policy(spec, before)
    _refuse(new, cluster_ips(spec, (before or {}).get("clusterIPs") or []))
    errors = _shrink(spec, before) if before is not None else []
    errors += _check_single(spec)
    errors += _families_from_ips(spec, families)
    _refuse(new, errors)
    if _selectorless_headless(spec):
        _complete_families(spec, families, True)
        return
    if spec["ipFamilyPolicy"] == "RequireDualStack" and len(families) < 2:
        why = "this cluster is not configured for dual-stack services"
        errors.append(invalid("spec.ipFamilyPolicy", "RequireDualStack", why))
    for i, family in enumerate(spec.get("ipFamilies") or []):
        if family not in families:
            errors.append(invalid(f"spec.ipFamilies[{i}]", family, "not configured on this cluster"))
    _refuse(new, errors)
    _complete_families(spec, families, len(families) == 2)


# --- addresses -------------------------------------------------------------------------------------------------------


def _take_ip(obj: Obj, family: str, wanted: str, pool: Allocator, out: Allocation) -> str:
    spec = obj["spec"]
    try:
        ip = pool.take_ip(family, wanted)
    except Refused as no:
        what = f"failed to allocate IP {wanted}: {no}" if wanted else f"failed to allocate IP: {no}"
        _refuse(obj, [invalid("spec.clusterIPs", spec.get("clusterIPs"), what)])
        raise AssertionError from no
    out.taken_ips.append(ip)
    return ip


def _take_ips(obj: Obj, pool: Allocator, out: Allocation) -> None:
    spec = obj["spec"]
    if spec.get("type") == EXTERNAL_NAME or (spec.get("clusterIPs") or [""])[0] == "None":
        return
    ips = list(spec.get("clusterIPs") or [])
    spec["clusterIPs"] = ips + [""] * (len(spec["ipFamilies"]) - len(ips))
    given = [_take_ip(obj, family, spec["clusterIPs"][i], pool, out) for i, family in enumerate(spec["ipFamilies"])]
    spec["clusterIPs"] = given
    spec["clusterIP"] = given[0]


def _change_ips(new: Obj, old: Obj, pool: Allocator, out: Allocation) -> None:
    spec, before = new["spec"], spec_of(old)
    if _untouched_dual(spec, before):
        return
    was_external, is_external = before.get("type") == EXTERNAL_NAME, spec.get("type") == EXTERNAL_NAME
    if was_external and not is_external:
        _take_ips(new, pool, out)
        return
    old_ips = before.get("clusterIPs") or []
    if old_ips[:1] == ["None"] or was_external:
        return
    if is_external:
        out.freed_ips += old_ips
        return
    now, was = len(spec.get("ipFamilies") or []), len(before.get("ipFamilies") or [])
    if was == 1 and now == 2:
        ips = [*spec.get("clusterIPs", []), ""][:2]
        ips[1] = _take_ip(new, spec["ipFamilies"][1], ips[1], pool, out)
        spec["clusterIPs"] = ips
    elif was == 2 and now == 1:
        out.freed_ips.append(old_ips[1])


# --- node ports ------------------------------------------------------------------------------------------------------


def _take_port(obj: Obj, i: int, wanted: int, pool: Allocator, out: Allocation) -> int:
    try:
        number = pool.take_port(wanted)
    except Refused as no:
        if not wanted:
            raise InternalError(f"failed to allocate a nodePort: {no}") from no
        _refuse(obj, [invalid(f"spec.ports[{i}].nodePort", wanted, str(no))])
        raise AssertionError from no
    out.taken_ports.append(number)
    return number


def _init_ports(obj: Obj, pool: Allocator, out: Allocation) -> None:
    spec = obj["spec"]
    ports = spec.get("ports") or []
    given: dict[int, int] = {}  # two protocols on one port share a node port
    for i, port in enumerate(ports):
        number, asked = port.get("port") or 0, port.get("nodePort") or 0
        if not asked and not _wants_ports(spec):
            continue
        if number not in given:
            wanted = next((p["nodePort"] for p in ports if (p.get("port") or 0) == number and p.get("nodePort")), 0)
            given[number] = port["nodePort"] = _take_port(obj, i, wanted, pool, out)
        elif not asked:
            port["nodePort"] = given[number]
        elif asked != given[number]:
            _take_port(obj, i, asked, pool, out)


def _update_ports(new: Obj, old: Obj, pool: Allocator, out: Allocation) -> None:
    spec, before = new["spec"], spec_of(old)
    had, seen = _used(before), set[int]()
    for i, port in enumerate(spec.get("ports") or []):
        asked = port.get("nodePort") or 0
        if not asked and not _wants_ports(spec):
            continue
        if not asked:
            port["nodePort"] = _take_port(new, i, 0, pool, out)
        elif asked not in had and asked not in seen:
            seen.add(_take_port(new, i, asked, pool, out))
    keep = set(_used(spec))
    out.freed_ports += [number for number in had if number not in keep]


def _health_port(obj: Obj, pool: Allocator, out: Allocation) -> None:
    spec = obj["spec"]
    wanted = spec.get("healthCheckNodePort") or 0
    try:
        spec["healthCheckNodePort"] = pool.take_port(wanted)
    except Refused as no:
        what = f"failed to allocate requested HealthCheck NodePort {wanted}: {no}"
        if not wanted:
            what = f"failed to allocate a HealthCheck NodePort {wanted}: {no}"
        raise InternalError("Internal error occurred: " + what) from no
    out.taken_ports.append(spec["healthCheckNodePort"])


# --- the two doors ---------------------------------------------------------------------------------------------------


def allocate_create(obj: Obj, pool: Allocator) -> Allocation:
    """Fill in addresses and ports of a new Service."""
    out = Allocation()
    normalize_cluster_ips(obj, None)
    init_families(obj, None, pool.families)
    with _undo(out):
        _take_ips(obj, pool, out)
        if obj["spec"].get("type") in (NODE_PORT, LOAD_BALANCER):
            _init_ports(obj, pool, out)
        if needs_health_check(obj["spec"]):
            _health_port(obj, pool, out)
    return out


def allocate_update(new: Obj, old: Obj, pool: Allocator) -> Allocation:
    out = Allocation()
    carry_over(new, old)
    normalize_cluster_ips(new, old)
    init_families(new, old, pool.families)
    with _undo(out):
        _change_ips(new, old, pool, out)
        spec, before = new["spec"], spec_of(old)
        ported = (NODE_PORT, LOAD_BALANCER)
        if before.get("type") in ported and spec.get("type") not in ported:
            out.freed_ports += _used(before)
        if spec.get("type") in ported:
            _update_ports(new, old, pool, out)
        if needs_health_check(spec) and not needs_health_check(before):
            _health_port(new, pool, out)
        elif needs_health_check(before) and not needs_health_check(spec):
            out.freed_ports.append(before.get("healthCheckNodePort") or 0)
    return out


def held(obj: Obj) -> tuple[list[str], list[int]]:
    """The addresses and ports that a stored Service holds: freed at its deletion, taken again at a start."""
    spec = spec_of(obj)
    ips = [] if spec.get("type") == EXTERNAL_NAME else [ip for ip in spec.get("clusterIPs") or [] if ip != "None"]
    ports = _used(spec)
    if needs_health_check(spec) and spec.get("healthCheckNodePort"):
        ports.append(spec["healthCheckNodePort"])
    return ips, ports


class _undo:
    """Attach what was taken to an escaping error as `allocation`, so that the caller can give it back."""

    def __init__(self, out: Allocation) -> None:
        self.out = out

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.allocation = self.out  # type: ignore[attr-defined]
