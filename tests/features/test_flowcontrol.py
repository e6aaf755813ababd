"""FlowSchemas that lead nowhere say so, and the exempt stay exempt whatever is deleted."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.features.served import served

from wherry.access.chain import ADMIN
from wherry.access.user import User
from wherry.features.flowcontrol.dangling_controller import LEVELS, SCHEMAS, DanglingController
from wherry.features.flowcontrol.dangling_reconcile import wanted_condition

NOW = "2026-01-01T00:00:00Z"


def test_the_condition_is_written_once() -> None:
    schema: dict[str, Any] = {"spec": {"priorityLevelConfiguration": {"name": "l"}}}
    for exists in (False, True):
        condition = wanted_condition(schema, exists, NOW)
        assert condition is not None
        assert (condition["status"], condition["reason"]) == (("False", "Found") if exists else ("True", "NotFound"))
        schema["status"] = {"conditions": [condition]}
        assert wanted_condition(schema, exists, "later") is None


def test_it_follows_the_levels() -> None:
    async def scenario() -> None:
        async with served(DanglingController) as (client, handler):

            async def until(status: str) -> None:
                while True:
                    found = await client.get(SCHEMAS, "service-accounts")
                    if [c["status"] for c in (found.get("status") or {}).get("conditions") or ()] == [status]:
                        return
                    await asyncio.sleep(0.005)

            await asyncio.wait_for(until("False"), 5)
            await client.delete(LEVELS, "workload-low")
            await asyncio.wait_for(until("True"), 5)
            fairness = handler.api.fairness
            assert fairness is not None
            account = User("system:serviceaccount:a:b", groups=("system:serviceaccounts", "system:authenticated"))
            assert fairness.place(account, "root", "get", "", "", "pods", "a").level.name == "global-default"
            for kind in (SCHEMAS, LEVELS):
                for item in (await client.list(kind))["items"]:
                    await client.delete(kind, item["metadata"]["name"])
            assert fairness.place(ADMIN, "root", "get", "", "", "pods", "a").level.exempt
            assert fairness.place(account, "root", "get", "", "", "pods", "a").level.name == "catch-all"

    asyncio.run(scenario())
