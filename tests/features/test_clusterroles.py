"""Aggregated roles get the rules of the roles that they select, also through each other."""

from __future__ import annotations

import asyncio
from typing import Any

from wherry.access.user import User
from wherry.client import Client
from wherry.features.clusterroles import FEATURE
from wherry.features.clusterroles.aggregation_controller import CLUSTER_ROLES, GROUP
from wherry.features.clusterroles.aggregation_reconcile import gathered, wanted_rules
from wherry.server.build import build_handler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage

Obj = dict[str, Any]
PODS: Obj = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
NODES: Obj = {"verbs": ["get"], "apiGroups": [""], "resources": ["nodes"]}


def role(name: str, *rules: Obj, selects: list[Obj] | None = None, **labels: str) -> Obj:
    made: Obj = {"metadata": {"name": name, "labels": labels}, "rules": list(rules) or None}
    if selects is not None:
        made["aggregationRule"] = {"clusterRoleSelectors": selects}
    return made


def labelled(**labels: str) -> Obj:
    return {"matchLabels": labels}


def test_rules_come_selector_by_selector_by_name_and_once() -> None:
    top = role("top", selects=[labelled(to="b"), labelled(to="a")], to="a")
    roles = [top, role("z", NODES, to="a"), role("y", PODS, to="a"), role("x", {**NODES, "resourceNames": []}, to="b")]
    assert gathered(top, roles) == [NODES, PODS]
    assert wanted_rules(top, roles) == [NODES, PODS]
    assert wanted_rules({**top, "rules": [NODES, {**PODS, "resourceNames": []}]}, roles) is None
    assert wanted_rules(top, [top]) is None
    assert wanted_rules({**top, "rules": [PODS]}, [top]) == []


def test_every_change_of_a_role_reaches_those_that_gather_from_it() -> None:
    async def run() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage)
        client = Client(LocalTransport(handler, User("a", groups=("system:masters",)), "t"))
        controllers = FEATURE.controllers(client)
        for controller in controllers:
            controller.start()
        written: asyncio.Queue[Obj] = asyncio.Queue()

        async def watch() -> None:
            async for _, obj in client.watch(CLUSTER_ROLES):
                await written.put(obj)

        async def until(name: str, *rules: Obj) -> Obj:
            async with asyncio.timeout(5):
                while True:
                    obj = await written.get()
                    if obj["metadata"]["name"] == name and (obj.get("rules") or []) == list(rules):
                        return obj

        watching = asyncio.create_task(watch())
        view = (await client.get(CLUSTER_ROLES, "system:aggregate-to-view"))["rules"]
        filled = await until("view", *view)
        entry = next(e for e in filled["metadata"]["managedFields"] if e["operation"] == "Apply")
        assert entry["manager"] == "clusterrole-aggregation-controller"
        assert entry["fieldsV1"] == {"f:rules": {}}
        head = {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole"}
        await client.create(CLUSTER_ROLES, {**head, **role("top", selects=[labelled(to="top")])})
        await client.create(CLUSTER_ROLES, {**head, **role("mid", selects=[labelled(to="mid")], to="top")})
        await client.create(CLUSTER_ROLES, {**head, **role("leaf", PODS, to="mid")})
        await until("top", PODS)
        await client.patch(CLUSTER_ROLES, "leaf", {"rules": [NODES]})
        await until("top", NODES)
        await client.delete(CLUSTER_ROLES, "leaf")
        await until("top")
        watching.cancel()
        for controller in controllers:
            await controller.stop()
        await handler.close()
        await storage.close()

    asyncio.run(run())
