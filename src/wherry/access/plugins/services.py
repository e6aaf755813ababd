"""Cluster addresses and node ports of Services: handed out on create and update, freed when a Service goes
(registry/core/service/{ipallocator,portallocator}).

Strictly no admission plugin, but at the same place of a write: after defaulting, before the strategy prepares. What is
held is learnt from the stored Services, so that it can't drift from them.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Sequence

import orjson

from wherry.access.admission import Ask
from wherry.storage.api import Event
from wherry.store.bootstrap import RANGES
from wherry.store.store import Store

NODE_PORTS = (30000, 32767)
_ATTEMPTS = 200  # random tries before the search goes in order


class Pool:
    """An `Allocator` of one workspace."""

    families: tuple[str, ...] = ("IPv4",)

    def __init__(self) -> None:
        self.networks = {"IPv4": ipaddress.ip_network(RANGES[0])}
        self.ips: set[str] = set()
        # The API server's own, which its Service asks for by name and which nobody is given unasked.
        self.kept = frozenset(str(net[1]) for net in self.networks.values())
        self.ports: set[int] = set()

    def take_ip(self, family: str, wanted: str) -> str:
        from wherry.machinery.builtin.core.service_addresses import Refused

        network = self.networks[family]
        if wanted:
            address = ipaddress.ip_address(wanted)
            if address not in network or address in (network[0], network[-1]):
                raise Refused(
                    f"the provided IP ({wanted}) is not in the valid range. The range of valid IPs is {network}"
                )
            if str(address) in self.ips:
                raise Refused("provided IP is already allocated")
            self.ips.add(str(address))
            return wanted
        size = min(network.num_addresses - 2, 1 << 20)
        for _ in range(_ATTEMPTS):
            found = str(network[1 + secrets.randbelow(size)])
            if found not in self.ips and found not in self.kept:
                self.ips.add(found)
                return found
        for index in range(1, size):
            found = str(network[index])
            if found not in self.ips and found not in self.kept:
                self.ips.add(found)
                return found
        raise Refused("range is full")

    def take_port(self, wanted: int) -> int:
        from wherry.machinery.builtin.core.service_addresses import Refused

        low, high = NODE_PORTS
        if wanted:
            if not low <= wanted <= high:
                raise Refused(f"provided port is not in the valid range. The range of valid ports is {low}-{high}")
            if wanted in self.ports:
                raise Refused("provided port is already allocated")
            self.ports.add(wanted)
            return wanted
        for _ in range(_ATTEMPTS):
            found = low + secrets.randbelow(high - low + 1)
            if found not in self.ports:
                self.ports.add(found)
                return found
        for found in range(low, high + 1):
            if found not in self.ports:
                self.ports.add(found)
                return found
        raise Refused("range is full")

    def free(self, ips: Sequence[str], ports: Sequence[int]) -> None:
        self.ips.difference_update(ips)
        self.ports.difference_update(ports)


class _Trial:
    """The pool of a dry run, which upstream asks whether a port is taken but not whether it is in range."""

    def __init__(self, pool: Pool):
        self.families, self.take_ip, self._pool = pool.families, pool.take_ip, pool

    def take_port(self, wanted: int) -> int:
        low, high = NODE_PORTS
        return wanted if wanted and not low <= wanted <= high else self._pool.take_port(wanted)


class Addresses:
    """The pools of all workspaces."""

    def __init__(self, store: Store):
        self._store = store
        self._pools: dict[str, Pool] = {}
        store.storage.subscribe(self._on_events)

    def _pool(self, workspace: str) -> Pool:
        pool = self._pools.get(workspace)
        if pool is None:
            from wherry.machinery.builtin.core.service_addresses import held

            pool = self._pools[workspace] = Pool()
            for record in self._store.storage.range(f"/{workspace}/core/services/").records:
                ips, ports = held(orjson.loads(record.value))
                pool.ips.update(ips)
                pool.ports.update(ports)
        return pool

    def _on_events(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.previous is None or "/core/services/" not in event.key:
                continue
            workspace = event.key.split("/", 2)[1]
            pool = self._pools.get(workspace)
            if pool is None or not event.key.startswith(f"/{workspace}/core/services/"):
                continue
            from wherry.machinery.builtin.core.service_addresses import held

            ips, ports = held(orjson.loads(event.previous.value))
            if event.record is not None:
                kept_ips, kept_ports = held(orjson.loads(event.record.value))
                ips = [ip for ip in ips if ip not in kept_ips]
                ports = [port for port in ports if port not in kept_ports]
            pool.free(ips, ports)

    async def plugin(self, ask: Ask) -> None:
        """Allocate for a Service that is created or changed."""
        res = ask.definition.resource
        if res.name != "services" or res.group or ask.obj is None or ask.subresource:
            return
        from wherry.machinery.builtin.core import service_addresses as rules

        pool = self._pool(ask.definition.workspace)
        source = _Trial(pool) if ask.ctx.dry_run else pool
        try:
            if ask.operation == "CREATE":
                taken = rules.allocate_create(ask.obj, source)
            else:
                assert ask.old is not None
                taken = rules.allocate_update(ask.obj, ask.old, source)
        except Exception as error:
            partly = getattr(error, "allocation", None)
            if partly is not None:
                pool.free(partly.taken_ips, partly.taken_ports)
            raise
        ask.ctx.undo.append(_release(pool, taken.taken_ips, taken.taken_ports))


def _release(pool: Pool, ips: Sequence[str], ports: Sequence[int]) -> Callable[[], None]:
    return lambda: pool.free(ips, ports)
