"""The Service `kubernetes` in the namespace `default`, and the endpoints behind it: how clients inside find this API
(k8s.io/kubernetes/pkg/controlplane/controller/kubernetesservice and pkg/controlplane/reconcilers).

Made at start and looked after as upstream does: what somebody deleted comes back with the next look; the Service itself
is not corrected. The address is this machine's, also where the server listens on a loopback address, because endpoints
can't have one of those (k8s.io/apimachinery/pkg/util/net.ResolveBindAddress).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from typing import Any

from wherry.client import Client, Kind
from wherry.errors import AlreadyExists, NotFound, StatusError
from wherry.kit.aio import Background
from wherry.store.bootstrap import RANGES

NAME, NAMESPACE = "kubernetes", "default"
ADDRESS = str(ipaddress.ip_network(RANGES[0])[1])  # the first of the range of cluster addresses
INTERVAL = 10.0  # seconds between two looks
_SERVICES = Kind("", "v1", "services")
_ENDPOINTS = Kind("", "v1", "endpoints")
_SLICES = Kind("discovery.k8s.io", "v1", "endpointslices")
_ELSEWHERE = ("192.0.2.1", "2001:db8::1")  # documentation addresses: nothing is sent there

Obj = dict[str, Any]
log = logging.getLogger("wherry")


def advertised(bind: str) -> str:
    """The address under which others reach a server that listens on `bind`; empty where this machine has none."""
    try:
        own = ipaddress.ip_address(bind)
        if not (own.is_loopback or own.is_unspecified):
            return str(own)
    except ValueError:
        pass  # a name, or nothing: all interfaces
    for elsewhere in _ELSEWHERE:
        family = socket.AF_INET6 if ":" in elsewhere else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))  # chooses an interface; a datagram socket sends nothing by this
                found = ipaddress.ip_address(probe.getsockname()[0])
        except OSError:
            continue
        if not (found.is_loopback or found.is_link_local or found.is_unspecified):
            return str(found)
    return ""


def service(port: int) -> Obj:
    """The Service, for an API that listens on `port`."""
    labels = {"provider": "kubernetes", "component": "apiserver"}
    ports = [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}]
    spec = {
        "clusterIP": ADDRESS,
        "ipFamilyPolicy": "SingleStack",
        "ports": ports,
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }
    meta = {"name": NAME, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def endpoints(live: Obj | None, address: str, port: int) -> Obj | None:
    """The Endpoints as they should be; None when they are."""
    obj = live or {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": NAME, "namespace": NAMESPACE}}
    labels = {**obj["metadata"].get("labels", {}), "endpointslice.kubernetes.io/skip-mirror": "true"}
    subsets = [{"addresses": [{"ip": address}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}]
    wanted = {**obj, "metadata": {**obj["metadata"], "labels": labels}, "subsets": subsets}
    return None if wanted == live else wanted


def endpoint_slice(live: Obj | None, address: str, port: int) -> Obj | None:
    """The EndpointSlice as it should be; None when it is."""
    obj = live or {"metadata": {"name": NAME, "namespace": NAMESPACE}}
    wanted = {
        **obj,
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**obj["metadata"], "labels": {"kubernetes.io/service-name": NAME}},
        "addressType": "IPv6" if ":" in address else "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }
    return None if wanted == live else wanted


class OwnService:
    """One per control plane."""

    def __init__(self, client: Client, bind: str, port: int, interval: float = INTERVAL):
        self._client = client
        self._bind = bind
        self._port = port
        self._interval = interval
        self._tasks = Background("own service")

    def start(self) -> None:
        self._tasks.start(self._run())

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except StatusError as error:
                log.info("the service %s: %s", NAME, error.message)
            await asyncio.sleep(self._interval)

    async def look(self) -> None:
        """Make what is missing, mend the endpoints."""
        if await self._live(_SERVICES) is None:
            await self._make(_SERVICES, service(self._port))
        address = advertised(self._bind)
        if not address:
            return  # nobody else can reach us
        await self._keep(_ENDPOINTS, endpoints(await self._live(_ENDPOINTS), address, self._port))
        live = await self._live(_SLICES)
        if live is not None and live["addressType"] != ("IPv6" if ":" in address else "IPv4"):
            await self._client.delete(_SLICES, NAME, NAMESPACE)  # the type of a slice can't change
            live = None
        await self._keep(_SLICES, endpoint_slice(live, address, self._port))

    async def _live(self, kind: Kind) -> Obj | None:
        try:
            return await self._client.get(kind, NAME, NAMESPACE)
        except NotFound:
            return None

    async def _make(self, kind: Kind, obj: Obj) -> None:
        try:
            await self._client.create(kind, obj, NAMESPACE)
        except AlreadyExists:
            return  # another replica was faster

    async def _keep(self, kind: Kind, obj: Obj | None) -> None:
        if obj is None:
            return
        if "uid" in obj["metadata"]:
            await self._client.update(kind, obj)
        else:
            await self._make(kind, obj)
