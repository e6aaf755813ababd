"""Quotas at the door: charged at once, never passed, and who may not go without one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.access.admission_world import World, with_world

from wherry.access.plugins.options import AdmissionOptions
from wherry.access.plugins.quota import limited_resources
from wherry.errors import ConfigurationError

QUOTAS = "/api/v1/namespaces/default/resourcequotas"


async def bounded(w: World, hard: dict[str, str], **spec: Any) -> None:
    meta = {"name": "q"}
    await w.made(
        QUOTAS, {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": hard, **spec}}
    )
    status = {"hard": hard, "used": dict.fromkeys(hard, "0")}
    code, answer = await w.call("PATCH", f"{QUOTAS}/q/status", {"status": status}, "application/merge-patch+json")
    assert code == 200, answer


async def used(w: World) -> dict[str, str]:
    _, quota = await w.call("GET", f"{QUOTAS}/q")
    return dict(quota["status"]["used"])


def test_many_at_once_share_what_there_is() -> None:
    async def test(w: World) -> None:
        await bounded(w, {"configmaps": "7"})
        answers = await asyncio.gather(*(w.configmap(f"c{number}") for number in range(20)))
        assert sorted(code for code, _ in answers) == [201] * 7 + [403] * 13
        assert await used(w) == {"configmaps": "7"}

    with_world(test)


def test_a_dry_run_costs_nothing_but_is_refused_where_there_is_no_room() -> None:
    async def test(w: World) -> None:
        await bounded(w, {"configmaps": "1"})
        assert (await w.configmap("a", "?dryRun=All"))[0] == 201
        assert await used(w) == {"configmaps": "0"}
        assert (await w.configmap("a"))[0] == 201
        code, answer = await w.configmap("b", "?dryRun=All")
        assert (code, answer["message"]) == (
            403,
            'configmaps "b" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=1, '
            "limited: configmaps=1",
        )

    with_world(test)


def test_updates_that_need_more_are_charged() -> None:
    async def test(w: World) -> None:
        await bounded(w, {"services.nodeports": "1"})
        ports = [{"name": "a", "port": 1}]
        obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}}
        await w.made("/api/v1/namespaces/default/services", obj)
        assert await used(w) == {"services.nodeports": "0"}
        where, media = "/api/v1/namespaces/default/services/s", "application/merge-patch+json"
        assert (await w.call("PATCH", where, {"spec": {"type": "NodePort"}}, media))[0] == 200
        assert await used(w) == {"services.nodeports": "1"}
        more = {"spec": {"ports": [*ports, {"name": "b", "port": 2}]}}
        code, answer = await w.call("PATCH", where, more, media)
        assert code == 403
        assert "exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=1" in answer["message"]

    with_world(test)


def test_the_charge_is_the_api_servers_in_managed_fields_and_other_namespaces_are_free() -> None:
    async def test(w: World) -> None:
        await bounded(w, {"configmaps": "1"})
        await w.configmap("a")
        _, quota = await w.call("GET", f"{QUOTAS}/q")
        entries = [(e["manager"], e.get("subresource")) for e in quota["metadata"]["managedFields"]]
        assert ("kube-apiserver", "status") in entries
        free = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}
        await w.made("/api/v1/namespaces/kube-system/configmaps", free)
        await w.call("DELETE", f"{QUOTAS}/q")
        assert (await w.configmap("b"))[0] == 201

    with_world(test)


def test_what_the_configuration_limits_needs_a_quota() -> None:
    document = {
        "kind": "ResourceQuotaConfiguration",
        "limitedResources": [{"resource": "configmaps", "matchContains": ["configmaps"]}],
    }
    admission = AdmissionOptions(configuration={"ResourceQuota": document})

    async def test(w: World) -> None:
        code, answer = await w.configmap("a")
        text = 'configmaps "a" is forbidden: insufficient quota to consume: configmaps,count/configmaps'
        assert (code, answer["message"]) == (403, text)
        await bounded(w, {"configmaps": "5", "count/configmaps": "5"})
        assert (await w.configmap("a"))[0] == 201

    with_world(test, plugins=admission)


def test_a_configuration_that_says_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"limitedResources\[0\].resource: Required value"):
        limited_resources({"kind": "ResourceQuotaConfiguration", "limitedResources": [{"matchContains": ["x"]}]})
    with pytest.raises(ConfigurationError, match="expected ResourceQuotaConfiguration"):
        limited_resources({"kind": "Else"})
