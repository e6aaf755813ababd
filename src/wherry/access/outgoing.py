"""The control plane's way out to webhooks, made when the first one is called; and where a Service leads.

Without nodes nobody routes cluster addresses, so a webhook behind a Service is reached at one of its ready endpoints,
and behind one of type ExternalName at that name. Texts as k8s.io/apiserver/pkg/util/proxy (ResolveEndpoint).
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import orjson

from wherry.errors import go_quote
from wherry.store.registry import ROOT, Registry
from wherry.store.store import Store

if TYPE_CHECKING:
    from wherry.access.webhooks import WebhookCaller

Obj = dict[str, Any]
CONVERSION_SECONDS = 30.0


class Outgoing:
    """Calls webhooks on behalf of one control plane. `close` it when the control plane ends."""

    def __init__(self, store: Store, registry: Registry):
        self._store = store
        self._registry = registry
        self._made: WebhookCaller | None = None

    @property
    def caller(self) -> WebhookCaller:
        """The shared caller: it keeps connections, so everyone should use this one."""
        if self._made is None:
            from wherry.access.webhooks import WebhookCaller

            self._made = WebhookCaller(self.resolve)
        return self._made

    async def convert(self, config: Obj, body: bytes) -> bytes:
        """A `store.conversion.Post`."""
        return await self.caller.post(config, body, seconds=CONVERSION_SECONDS)

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()

    # --- services ----------------------------------------------------------------------------------------------------
    def resolve(self, namespace: str, name: str, port: int) -> tuple[str, int]:
        """Host and port behind a Service's port. Raises WebhookError."""
        from wherry.access.webhooks import WebhookError

        service = self._get("", "v1", "services", namespace, name)
        if service is None:
            raise WebhookError(f"service {go_quote(name)} not found")
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            return spec["externalName"], port
        wanted = next((p for p in spec.get("ports") or () if p["port"] == port), None)
        if wanted is None:
            raise WebhookError(f"no service port {port} found for service {go_quote(name)}")
        found = self._slices(namespace, name, wanted.get("name") or "")
        found = found or self._endpoints(namespace, name, wanted.get("name") or "")
        if not found:
            raise WebhookError(f"no endpoints available for service {go_quote(name)}")
        return random.choice(found)

    def _slices(self, namespace: str, name: str, port_name: str) -> list[tuple[str, int]]:
        d = self._registry.find(ROOT, "discovery.k8s.io", "v1", "endpointslices")
        found: list[tuple[str, int]] = []
        for record in self._store.storage.range(d.list_prefix(namespace)).records if d is not None else ():
            if name.encode() not in record.value:
                continue
            obj = orjson.loads(record.value)
            if (obj["metadata"].get("labels") or {}).get("kubernetes.io/service-name") != name:
                continue
            ports = [p["port"] for p in obj.get("ports") or () if (p.get("name") or "") == port_name and p.get("port")]
            for endpoint in obj.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    found += [(endpoint["addresses"][0], number) for number in ports]
        return found

    def _endpoints(self, namespace: str, name: str, port_name: str) -> list[tuple[str, int]]:
        obj = self._get("", "v1", "endpoints", namespace, name) or {}
        return [
            (address["ip"], p["port"])
            for subset in obj.get("subsets") or ()
            for p in subset.get("ports") or ()
            for address in subset.get("addresses") or ()
            if (p.get("name") or "") == port_name
        ]

    def _get(self, group: str, version: str, resource: str, namespace: str, name: str) -> Obj | None:
        d = self._registry.find(ROOT, group, version, resource)
        record = self._store.storage.get(d.key(namespace, name)) if d is not None else None
        return None if record is None else orjson.loads(record.value)
