"""A provider and many who bind its kind: one watch over all of them, claims, and a claim that is revoked.

python -m bench.sharing                    # 100 consumers with 10 objects each
python -m bench.sharing --consumers 1000 --json out.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wherry import ControlPlane
from wherry.client import Client, Kind
from wherry.errors import NotFound
from wherry.runtime import Controller, place_of
from wherry.runtime.informer import Key

WORKSPACES = Kind("tenancy.kcp.io", "v1alpha1", "workspaces", namespaced=False)
SCHEMAS = Kind("apis.kcp.io", "v1alpha1", "apiresourceschemas", namespaced=False)
EXPORTS = Kind("apis.kcp.io", "v1alpha2", "apiexports", namespaced=False)
BINDINGS = Kind("apis.kcp.io", "v1alpha2", "apibindings", namespaced=False)
WIDGETS, MAPS = Kind("example.com", "v1", "widgets"), Kind("", "v1", "configmaps")
CLAIM = {"group": "", "resource": "configmaps", "verbs": ["*"]}

Say = Callable[[str, Any], None]


async def provide(cp: ControlPlane) -> str:
    """Make the provider's workspace; its cluster."""
    await cp.client().create(WORKSPACES, _object(WORKSPACES, "Workspace", "provider"))
    here = cp.client("root:provider")
    open_ = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    whole = {"type": "object", "properties": {"spec": open_, "status": open_}}
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": whole}
    names = {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"}
    spec = {"group": "example.com", "names": names, "scope": "Namespaced", "versions": [version]}
    schema = _object(SCHEMAS, "APIResourceSchema", "v1.widgets.example.com", spec)
    await here.create(SCHEMAS, schema)
    offers = [{"group": "example.com", "name": "widgets", "schema": "v1.widgets.example.com"}]
    export = {"resources": offers, "permissionClaims": [CLAIM]}
    await here.create(EXPORTS, _object(EXPORTS, "APIExport", "widgets", export))
    made = await cp.client().get(WORKSPACES, "provider")
    return str(made["spec"]["cluster"])


async def consume(cp: ControlPlane, number: int) -> Client:
    name = f"consumer-{number}"
    await cp.client().create(WORKSPACES, _object(WORKSPACES, "Workspace", name))
    here = cp.client(f"root:{name}")
    await here.create(BINDINGS, _object(BINDINGS, "APIBinding", "widgets", _accepts("Accepted")))
    return here


def _accepts(state: str) -> Any:
    claim = {**CLAIM, "state": state, "selector": {"matchAll": True}}
    return {"reference": {"export": {"path": "root:provider", "name": "widgets"}}, "permissionClaims": [claim]}


def _object(kind: Kind, name: str, called: str, spec: Any = None) -> Any:
    found = {"apiVersion": f"{kind.group}/{kind.version}", "kind": name, "metadata": {"name": called}}
    return {**found, "spec": spec} if spec is not None else found


class Operator:
    """Writes into the status of every widget, and a ConfigMap beside it, what it found: through one watch."""

    def __init__(self, cp: ControlPlane, provider: str):
        self._cp, self._base = cp, f"/services/apiexport/{provider}/widgets/clusters/"
        self.controller = Controller("widgets", self.at("*"), WIDGETS, self._reconcile)
        self.done = 0
        self.changed = asyncio.Event()

    def at(self, place: str) -> Client:
        return self._cp.client(prefix=self._base + place)

    async def _reconcile(self, key: Key) -> None:
        obj = self.controller.informer.objects.get(key)
        if obj is None or "status" in obj:
            return
        cluster, namespace, name = place_of(key)
        here, size = self.at(cluster), obj["spec"]["size"]
        beside = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"s": str(size)}}
        await here.create(MAPS, beside, namespace)
        await here.patch(WIDGETS, name, {"status": {"seen": size}}, namespace, subresource="status")
        self.done += 1
        self.changed.set()

    async def finished(self, count: int) -> None:
        while self.done < count:
            self.changed.clear()
            await self.changed.wait()


async def measure(args: argparse.Namespace, say: Say) -> None:
    async with ControlPlane() as cp:
        provider = await provide(cp)
        begin = time.perf_counter()
        consumers = [await consume(cp, number) for number in range(args.consumers)]
        say("workspaces made and bound, a second", round(args.consumers / (time.perf_counter() - begin)))
        operator = Operator(cp, provider)
        operator.controller.start()
        begin = time.perf_counter()
        for number in range(args.objects):
            body = _object(WIDGETS, "Widget", f"w-{number}", {"size": number})
            await asyncio.gather(*(here.create(WIDGETS, body, "default") for here in consumers))
        count = args.consumers * args.objects
        await asyncio.wait_for(operator.finished(count), 300)
        say("objects reconciled a second", round(count / (time.perf_counter() - begin)))
        begin = time.perf_counter()
        found = await operator.at("*").list(WIDGETS)
        say(
            f"list of {len(found['items'])} objects of all consumers, ms",
            round((time.perf_counter() - begin) * 1000, 1),
        )
        assert all(each["status"]["seen"] == each["spec"]["size"] for each in found["items"])
        say("revoked claim is refused after, ms", round(await revoked(cp, operator), 2))
        await operator.controller.stop()


async def revoked(cp: ControlPlane, operator: Operator) -> float:
    """Milliseconds until a request is refused that comes right after a claim was revoked."""
    cluster = (await cp.client().get(WORKSPACES, "consumer-0"))["spec"]["cluster"]
    await operator.at(cluster).list(MAPS, "default")
    await cp.client("root:consumer-0").patch(BINDINGS, "widgets", {"spec": _accepts("Rejected")})
    begin = time.perf_counter()
    try:
        await operator.at(cluster).list(MAPS, "default")
    except NotFound:
        return (time.perf_counter() - begin) * 1000
    raise AssertionError("a revoked claim still shows ConfigMaps")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sharing", description="A kind for many workspaces.")
    parser.add_argument("--consumers", type=int, default=100)
    parser.add_argument("--objects", type=int, default=10, help="of each consumer")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    figures: dict[str, Any] = {}

    def say(what: str, value: Any) -> None:
        figures[what] = value
        print(f"{what}: {value}", flush=True)

    asyncio.run(measure(args, say))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
