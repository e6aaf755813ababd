"""The authority's certificate in every namespace, as the ConfigMap `kube-root-ca.crt`
(k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher).

A controller like any other, but for the certificate, which only the control plane knows. It runs with the other
controllers (`--controllers`): a bare API server has no such ConfigMap.
"""

from __future__ import annotations

from typing import Any

from wherry.client import Client, Kind
from wherry.errors import AlreadyExists, Forbidden, NotFound
from wherry.kit.aio import Background
from wherry.runtime import Controller, Informer

USER = "system:serviceaccount:kube-system:root-ca-cert-publisher"
NAME = "kube-root-ca.crt"
DESCRIPTION = "kubernetes.io/description"
TEXT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)
_NAMESPACES = Kind("", "v1", "namespaces", namespaced=False)
_MAPS = Kind("", "v1", "configmaps")

Obj = dict[str, Any]


def published(live: Obj | None, certificate: str) -> Obj | None:
    """The ConfigMap as it should be; None when it is."""
    obj = live or {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}}
    meta, data = obj["metadata"], {"ca.crt": certificate}
    if obj.get("data") == data and (meta.get("annotations") or {}).get(DESCRIPTION):
        return None
    annotations = {**(meta.get("annotations") or {}), DESCRIPTION: TEXT}
    return {**obj, "metadata": {**meta, "annotations": annotations}, "data": data}


class RootCertificates:
    """One per workspace."""

    def __init__(self, client: Client, certificate: bytes):
        self._client = client
        self._certificate = certificate.decode("ascii")
        self._controller = Controller("root certificates", client, _NAMESPACES, self.reconcile)
        self._maps = Informer(client, _MAPS, self._changed, query={"fieldSelector": f"metadata.name={NAME}"})
        self._tasks = Background("root certificates")

    def start(self) -> None:
        self._tasks.start(self._maps.run(), name="maps")
        self._controller.start()

    async def stop(self) -> None:
        await self._controller.stop()
        await self._tasks.stop()

    @property
    def idle(self) -> bool:
        return self._maps.synced.is_set() and self._controller.idle

    def _changed(self, key: tuple[str, str]) -> None:
        self._controller.queue.add(("", key[0]))

    async def reconcile(self, key: tuple[str, str]) -> None:
        """One namespace."""
        await self._maps.synced.wait()
        namespace = self._controller.informer.objects.get(key)
        if namespace is None or "deletionTimestamp" in namespace["metadata"]:
            return
        live = self._maps.objects.get((key[1], NAME))
        wanted = published(live, self._certificate)
        if wanted is None:
            return
        try:
            if live is None:
                await self._client.create(_MAPS, wanted, key[1])
            else:
                await self._client.update(_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", **wanted})
        except (AlreadyExists, NotFound, Forbidden):
            return  # there already, or the namespace went meanwhile
