"""Wiring: watch ClusterRoles; when one changes, look at all that gather rules from others."""

from __future__ import annotations

from wherry.client import Client, Kind
from wherry.features.clusterroles.aggregation_reconcile import Obj, aggregates, wanted_rules
from wherry.runtime.informer import Key
from wherry.runtime.standalone import Standalone

GROUP = "rbac.authorization.k8s.io"
CLUSTER_ROLES = Kind(GROUP, "v1", "clusterroles", namespaced=False)
MANAGER = "clusterrole-aggregation-controller"
# Labels say which role feeds which, so every change asks for one look at all of them; a burst of changes is one look.
_ALL: Key = ("", "")


class AggregationController(Standalone):
    """One per workspace."""

    def __init__(self, client: Client):
        super().__init__(client, "clusterroles")
        self._roles = self._shared.collection(CLUSTER_ROLES)
        self._roles.handlers.append(self._changed)

    def _changed(self, before: Obj | None, after: Obj | None) -> None:
        self._workers.queue.add(_ALL)

    async def reconcile(self, key: Key) -> float | None:
        """One look at all roles. A role that is fed by one that is written here is right after the next look."""
        roles = list(self._roles.objects.values())
        for role in filter(aggregates, roles):
            rules = wanted_rules(role, roles)
            if rules is not None:
                await self._write(role["metadata"], rules)
        return None

    async def _write(self, meta: Obj, rules: list[Obj]) -> None:
        name = meta["name"]
        # with its uid, so that a role that went meanwhile is not made again by the apply
        named = {"name": name, "uid": meta["uid"]}
        patch = {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole", "metadata": named, "rules": rules}
        self._roles.put(await self._client.apply(CLUSTER_ROLES, patch, force=True, manager=MANAGER))
