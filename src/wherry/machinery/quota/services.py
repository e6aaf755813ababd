"""What Services use: node ports and load balancers besides their number (quota/v1/evaluator/core/services.go)."""

from __future__ import annotations

from wherry.kit.quantity import Quantity
from wherry.machinery.quota.amounts import ONE, ZERO, Amounts
from wherry.machinery.quota.evaluators import Around, Counter, Obj

NODE_PORTS, BALANCERS = "services.nodeports", "services.loadbalancers"


class Services(Counter):
    def __init__(self) -> None:
        super().__init__("", "services")
        self.names = frozenset([self.count, "services", NODE_PORTS, BALANCERS])

    def handles(self, operation: str, subresource: str, obj: Obj, old: Obj | None) -> bool:
        return not subresource and operation in ("CREATE", "UPDATE")

    def usage(self, obj: Obj, around: Around) -> Amounts:
        spec = obj.get("spec") or {}
        ports = spec.get("ports") or ()
        used: Amounts = {self.count: ONE, "services": ONE, BALANCERS: ZERO, NODE_PORTS: ZERO}
        if spec.get("type") == "NodePort":
            used[NODE_PORTS] = Quantity(len(ports))
        elif spec.get("type") == "LoadBalancer":
            # Which ports are going to be allocated is not known yet: what counts is what is wanted.
            if spec.get("allocateLoadBalancerNodePorts") is False:
                ports = [port for port in ports if port.get("nodePort")]
            used[NODE_PORTS] = Quantity(len(ports))
            used[BALANCERS] = ONE
        return used


def kind_of_use(service: Obj) -> str:
    """What an update has to change for quotas to be looked at again."""
    kind = (service.get("spec") or {}).get("type", "")
    return kind if kind in ("NodePort", "LoadBalancer") else ""
