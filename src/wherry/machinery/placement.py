"""Pure: may a pod be on a node, and what does it ask for (k8s.io/component-helpers/scheduling/corev1,
k8s.io/component-helpers/resource). Used by daemon sets and by schedulers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from wherry.kit.quantity import parse_quantity

Obj = dict[str, Any]


@lru_cache(maxsize=4096)
def amount(resource: str, text: str) -> int:
    """A quantity as a whole number: CPU in thousandths, everything else in units."""
    quantity = parse_quantity(text)
    return quantity.milli() if resource == "cpu" else quantity.whole()


def _amounts(resources: Obj | None) -> dict[str, int]:
    found = resources or {}
    asked = found.get("requests") or {}
    return {name: amount(name, str(value)) for name, value in asked.items()}


def _add(total: dict[str, int], more: dict[str, int]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def requests(pod: Obj) -> dict[str, int]:
    """What a pod asks for: its containers together, or its hungriest start, and its overhead."""
    spec = pod["spec"]
    total: dict[str, int] = {}
    for container in spec.get("containers") or ():
        _add(total, _amounts(container.get("resources")))
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        asked = _amounts(container.get("resources"))
        if container.get("restartPolicy") == "Always":
            _add(sidecars, asked)
            asked = dict(sidecars)
        else:
            asked = {name: asked.get(name, 0) + sidecars.get(name, 0) for name in asked.keys() | sidecars.keys()}
        for name, value in asked.items():
            peak[name] = max(peak.get(name, 0), value)
    _add(total, sidecars)
    for name, value in peak.items():
        total[name] = max(total.get(name, 0), value)
    total.update(_amounts(spec.get("resources")))  # the pod's own word counts before the sum of its containers
    for name, value in (spec.get("overhead") or {}).items():
        total[name] = total.get(name, 0) + amount(name, str(value))
    return total


def tolerates(toleration: Obj, taint: Obj) -> bool:
    """Whether one toleration covers one taint."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    key = toleration.get("key", "")
    if key and key != taint["key"]:
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    here, there = str(toleration.get("value") or ""), str(taint.get("value") or "")
    if operator in ("Gt", "Lt"):
        try:
            return int(there) > int(here) if operator == "Gt" else int(there) < int(here)
        except ValueError:
            return False
    return bool(key) and here == there


def untolerated(pod: Obj, node: Obj, effects: Iterable[str] = ("NoSchedule", "NoExecute")) -> Obj | None:
    """The first taint of a node that keeps a pod away."""
    tolerations = pod["spec"].get("tolerations") or ()
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint["effect"] in effects and not any(tolerates(t, taint) for t in tolerations):
            found: Obj = taint
            return found
    return None


def selected(pod: Obj, node: Obj) -> bool:
    """nodeSelector and the required node affinity."""
    spec = pod["spec"]
    labels = node["metadata"].get("labels") or {}
    if not (spec.get("nodeSelector") or {}).items() <= labels.items():
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(term_matches(term, node) for term in required.get("nodeSelectorTerms") or ())


def term_matches(term: Obj, node: Obj) -> bool:
    """A node selector term; an empty one matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    labels = node["metadata"].get("labels") or {}
    names = {"metadata.name": node["metadata"]["name"]}
    return all(_holds(e, labels) for e in expressions) and all(_holds(f, names) for f in fields)


def _holds(expression: Obj, labels: dict[str, str]) -> bool:
    value, operator = labels.get(expression["key"]), expression["operator"]
    given: list[str] = expression.get("values") or []
    match operator:
        case "In":
            return value in given
        case "NotIn":
            return value not in given
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            try:
                have, limit = int(value or ""), int(given[0])
            except (ValueError, IndexError):
                return False
            return have > limit if operator == "Gt" else have < limit
    return False


def preference(pod: Obj, node: Obj) -> int:
    """The sum of the weights of preferred node affinity terms that hold."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return sum(term["weight"] for term in terms if term_matches(term["preference"], node))
