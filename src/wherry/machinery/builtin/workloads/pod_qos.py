"""The quality-of-service class of a pod, computed once, on create. Follows ComputePodQOS in apis/core/helper/qos."""

from __future__ import annotations

from fractions import Fraction

from wherry.machinery.builtin.common.quantities import parse
from wherry.machinery.kinds import Obj

_COUNTED = ("cpu", "memory")


def _add(total: dict[str, Fraction], more: Obj) -> set[str]:
    """Add the positive amounts that count; their names come back."""
    found: set[str] = set()
    for name in _COUNTED:
        if name in more and parse(more[name]) > 0:
            total[name] = total.get(name, Fraction(0)) + parse(more[name])
            found.add(name)
    return found


def compute_qos(pod: Obj) -> str:
    spec = pod.get("spec") or {}
    requests: dict[str, Fraction] = {}
    limits: dict[str, Fraction] = {}
    guaranteed = True
    if spec.get("resources") is not None:
        own = spec["resources"]
        _add(requests, own.get("requests") or {})
        if own.get("limits"):
            guaranteed = len(_add(limits, own["limits"])) == len(_COUNTED)
    else:
        for key in ("containers", "initContainers"):
            for container in spec.get(key) or ():
                own = container.get("resources") or {}
                _add(requests, own.get("requests") or {})
                if len(_add(limits, own.get("limits") or {})) != len(_COUNTED):
                    guaranteed = False
    if not requests and not limits:
        return "BestEffort"
    if guaranteed and all(limits.get(name) == amount for name, amount in requests.items()):
        return "Guaranteed" if len(requests) == len(limits) else "Burstable"
    return "Burstable"


def qos_class(pod: Obj) -> str:
    """The class that the status has, else the computed one."""
    return compute_qos(pod)
