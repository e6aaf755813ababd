"""Custom kinds that change: owners in versions that are gone or no longer fit, a status that is shown by default."""

from __future__ import annotations

import asyncio
from typing import Any

from .api import MERGE, Api, Obj, run
from .things import CRDS, V1, V2, definition, established, thing, version

APPLY = "application/apply-patch+yaml"
NAMED = f"{CRDS}/things.c.example.com"


async def with_versions(api: Api, versions: list[Obj]) -> None:
    """The definition has these versions from now on, and what is stored is in the newest."""
    crd = await api.call("GET", NAMED)
    crd["status"]["storedVersions"] = [versions[-1]["name"]]
    await api.call("PUT", f"{NAMED}/status", crd)
    crd = await api.call("GET", NAMED)
    crd["spec"]["versions"] = versions
    answer = await api.call("PUT", NAMED, crd)
    assert answer["kind"] == "CustomResourceDefinition", answer
    await asyncio.sleep(0)


def managers(obj: Obj) -> list[str]:
    return [entry["manager"] for entry in obj["metadata"].get("managedFields", ())]


def test_what_the_version_of_an_owner_does_not_declare_refuses_applies_and_ends_ownership_where_it_is_updated() -> None:
    async def test(api: Api) -> None:
        await established(api, definition([version("v1", "a", storage=True)]))
        await api.call("PATCH", f"{V1}/x?fieldManager=old", thing("v1", "x", a="1"), APPLY)
        with_default = version("v2", "a", storage=True)
        await with_versions(api, [version("v1", "a"), with_default])
        await api.call("PATCH", f"{V2}/x?fieldManager=new", {"metadata": {"labels": {"l": "1"}}}, MERGE)
        spec = with_default["schema"]["openAPIV3Schema"]["properties"]["spec"]
        spec["properties"]["more"] = {"type": "string", "default": "m"}
        await with_versions(api, [{**version("v1", "a"), "served": False}, with_default])
        refused = await api.call("PATCH", f"{V2}/x?fieldManager=old", thing("v2", "x", a="2"), APPLY)
        assert (refused["code"], refused["message"]) == (500, ".spec.more: field not declared in schema")
        updated = await api.call("PATCH", f"{V2}/x", {"spec": {"a": "3"}}, MERGE)
        assert updated["spec"] == {"a": "3", "more": "m"}
        assert managers(updated) == []

    run(test)


def test_an_owner_in_a_version_that_is_gone_refuses_applies_and_ends_ownership_where_it_is_updated() -> None:
    async def test(api: Api) -> None:
        await established(api, definition([version("v1", "a", storage=True)]))
        await api.call("PATCH", f"{V1}/x?fieldManager=old", thing("v1", "x", a="1"), APPLY)
        await with_versions(api, [version("v1", "a"), version("v2", "a", storage=True)])
        await api.call("PATCH", f"{V2}/x?fieldManager=new", {"metadata": {"labels": {"l": "1"}}}, MERGE)
        await with_versions(api, [version("v2", "a", storage=True)])
        refused = await api.call("PATCH", f"{V2}/x?fieldManager=two", thing("v2", "x", a="2"), APPLY)
        gone = "request to convert CR to an invalid group/version: c.example.com/v1"
        assert (refused["code"], refused["message"]) == (500, gone)
        assert managers(await api.call("PATCH", f"{V2}/x", {"spec": {"a": "3"}}, MERGE)) == []

    run(test)


def test_a_status_by_default_is_shown_from_the_first_moment() -> None:
    async def test(api: Api) -> None:
        only = version("v1", "a", storage=True, subresources={"status": {}})
        only["schema"]["openAPIV3Schema"]["properties"]["status"] = {
            "type": "object",
            "default": {"observedGeneration": -1},
            "properties": {"observedGeneration": {"type": "integer"}},
        }
        await established(api, definition([only]))
        given = {**thing("v1", "x"), "status": {"observedGeneration": 5}}
        unseen = {"observedGeneration": -1}
        assert (await api.call("POST", f"{V1}?dryRun=All", given))["status"] == unseen
        assert (await api.call("POST", V1, given))["status"] == unseen
        assert (await api.call("GET", f"{V1}/x"))["status"] == unseen
        assert (await api.call("GET", V1))["items"][0]["status"] == unseen
        seen: dict[str, Any] = {"status": {"observedGeneration": 1}}
        assert (await api.call("PATCH", f"{V1}/x/status", seen, MERGE))["status"] == seen["status"]

    run(test)
