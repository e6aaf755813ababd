"""Limit ranges: defaults of containers are filled in, and what is out of bounds is refused
(plugin/pkg/admission/limitranger)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from wherry.access.admission import Ask, Plugin
from wherry.access.plugins.refusals import forbidden
from wherry.machinery.kinds import Obj
from wherry.store.store import Store

if TYPE_CHECKING:
    from wherry.kit.quantity import Quantity

ANNOTATION = "kubernetes.io/limit-ranger"
_MAX_MILLI = ((1 << 63) - 1) // 1000  # beyond this only whole units are compared
_POD_LEVEL = ("cpu", "memory")

Amounts = Mapping[str, "Quantity"]


def limit_defaults(store: Store) -> Plugin:
    """The mutating half."""

    async def plugin(ask: Ask) -> None:
        if not _concerns(ask) or ask.definition.resource.name != "pods":
            return
        assert ask.obj is not None
        for limit_range in _ranges(store, ask):
            fill_defaults(ask.obj, limit_range)

    return plugin


def limit_bounds(store: Store) -> Plugin:
    """The validating half."""

    async def plugin(ask: Ask) -> None:
        if not _concerns(ask):
            return
        assert ask.obj is not None
        check = pod_problems if ask.definition.resource.name == "pods" else claim_problems
        for limit_range in _ranges(store, ask):
            problems = list(dict.fromkeys(check(ask.obj, limit_range)))
            if problems:
                raise forbidden(ask, problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")

    return plugin


def _concerns(ask: Ask) -> bool:
    """Pods when they are created or resized, claims always; nothing that is on its way out."""
    res = ask.definition.resource
    if res.group or res.name not in ("pods", "persistentvolumeclaims") or ask.obj is None:
        return False
    if ask.operation not in ("CREATE", "UPDATE") or (ask.old and "deletionTimestamp" in ask.old["metadata"]):
        return False
    if res.name == "pods":
        return ask.subresource == ("resize" if ask.operation == "UPDATE" else "")
    return not ask.subresource


def _ranges(store: Store, ask: Ask) -> list[Obj]:
    found = store.storage.range(f"/{ask.definition.workspace}/core/limitranges/{ask.namespace}/").records
    return [orjson.loads(record.value) for record in found]


def _limits(limit_range: Obj, kind: str) -> Iterator[Obj]:
    for limit in (limit_range.get("spec") or {}).get("limits") or ():
        if limit.get("type") == kind:
            yield limit


def fill_defaults(pod: Obj, limit_range: Obj) -> None:
    """Requests and limits that a container leaves open, and an annotation that tells which these were."""
    requests: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for limit in _limits(limit_range, "Container"):
        requests.update(limit.get("defaultRequest") or {})
        limits.update(limit.get("default") or {})
    notes: list[str] = []
    for field, word in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(field) or ():
            for part, defaults in (("requests", requests), ("limits", limits)):
                present = (container.get("resources") or {}).get(part) or {}
                added = {name: amount for name, amount in defaults.items() if name not in present}
                if added:
                    container["resources"] = {**(container.get("resources") or {}), part: {**present, **added}}
                    notes.append(f"{', '.join(sorted(added))} {part[:-1]} for {word} {container['name']}")
    if notes:
        meta = pod["metadata"]
        text = "LimitRanger plugin set: " + "; ".join(notes)
        meta["annotations"] = {**(meta.get("annotations") or {}), ANNOTATION: text}


def pod_problems(pod: Obj, limit_range: Obj) -> Iterator[str]:
    """What a pod has out of bounds, container by container and as a whole."""
    spec = pod["spec"]
    for limit in (limit_range.get("spec") or {}).get("limits") or ():
        if limit.get("type") == "Container":
            for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
                yield from _problems(limit, _amounts(container, "requests"), _amounts(container, "limits"))
        elif limit.get("type") == "Pod":
            yield from _problems(limit, pod_total(spec, "requests"), pod_total(spec, "limits"))


def claim_problems(claim: Obj, limit_range: Obj) -> Iterator[str]:
    """Claims are measured by what they request alone."""
    requests = _amounts(claim["spec"], "requests")
    for limit in _limits(limit_range, "PersistentVolumeClaim"):
        for name, bound in _parsed(limit.get("min")).items():
            yield from _below(limit["type"], name, bound, requests, {})
        for name, bound in _parsed(limit.get("max")).items():
            start = f"maximum {name} usage per {limit['type']} is {bound}"
            if name not in requests:
                yield f"{start}.  No request is specified"
            elif _more(requests[name], bound):
                yield f"{start}, but request is {requests[name]}"


def _problems(limit: Obj, requests: Amounts, limits: Amounts) -> Iterator[str]:
    kind = limit["type"]
    for name, bound in _parsed(limit.get("min")).items():
        yield from _below(kind, name, bound, requests, limits)
    for name, bound in _parsed(limit.get("max")).items():
        start = f"maximum {name} usage per {kind} is {bound}"
        if name not in limits:
            yield f"{start}.  No limit is specified"
        elif _more(limits[name], bound):
            yield f"{start}, but limit is {limits[name]}"
        elif name in requests and _more(requests[name], bound):
            yield f"{start}, but request is {requests[name]}"
    for name, bound in _parsed(limit.get("maxLimitRequestRatio")).items():
        yield from _ratio(kind, name, bound, requests, limits)


def _below(kind: str, name: str, bound: Quantity, requests: Amounts, limits: Amounts) -> Iterator[str]:
    start = f"minimum {name} usage per {kind} is {bound}"
    if name not in requests:
        yield f"{start}.  No request is specified"
    elif _more(bound, requests[name]):
        yield f"{start}, but request is {requests[name]}"
    elif name in limits and _more(bound, limits[name]):
        yield f"{start}, but limit is {limits[name]}"


def _ratio(kind: str, name: str, bound: Quantity, requests: Amounts, limits: Amounts) -> Iterator[str]:
    start = f"{name} max limit to request ratio per {kind} is {bound}"
    if name not in requests or requests[name].is_zero():
        yield f"{start}, but no request is specified or request is 0"
        return
    if name not in limits or limits[name].is_zero():
        yield f"{start}, but no limit is specified or limit is 0"
        return
    request, limit = _comparable(requests[name], limits[name])
    if limit / request * 1000 > bound.milli():
        yield f"{start}, but provided ratio is {limit / request:.6f}"


def _comparable(a: Quantity, b: Quantity) -> tuple[int, int]:
    """Both in thousandths, unless one is too large for that."""
    if a.whole() <= _MAX_MILLI and b.whole() <= _MAX_MILLI:
        return a.milli(), b.milli()
    return a.whole(), b.whole()


def _more(a: Quantity, b: Quantity) -> bool:
    left, right = _comparable(a, b)
    return left > right


def _parsed(amounts: Mapping[str, Any] | None) -> dict[str, Quantity]:
    from wherry.kit.quantity import parse_quantity

    return {name: parse_quantity(str(amount)) for name, amount in (amounts or {}).items()}


def _amounts(holder: Obj, part: str) -> dict[str, Quantity]:
    return _parsed((holder.get("resources") or {}).get(part))


def pod_total(spec: Obj, part: str) -> dict[str, Quantity]:
    """The sum of the containers, or the most that starting up takes if that is more; what the pod itself says wins."""
    total: dict[str, Quantity] = {}
    for container in spec.get("containers") or ():
        _add(total, _amounts(container, part))
    sidecars: dict[str, Quantity] = {}
    starting: dict[str, Quantity] = {}
    for container in spec.get("initContainers") or ():
        own = _amounts(container, part)
        if container.get("restartPolicy") == "Always":
            _add(total, own)
            _add(sidecars, own)
            _most(starting, sidecars.items())
        else:
            _add(own, sidecars)
            _most(starting, own.items())
    _most(total, starting.items())
    total.update({name: amount for name, amount in _amounts(spec, part).items() if name in _POD_LEVEL})
    return total


def _add(total: dict[str, Quantity], more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total[name].add(amount) if name in total else amount


def _most(total: dict[str, Quantity], others: Iterable[tuple[str, Quantity]]) -> None:
    for name, amount in others:
        if name not in total or amount > total[name]:
            total[name] = amount
