"""Custom kinds in several versions: a webhook that renames a field, another storage version, managed fields."""

from __future__ import annotations

import asyncio
import copy
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from wherry.server.build import build_handler
from wherry.server.http import Request
from wherry.storage import open_storage
from wherry.store import crds

from .api import MERGE, Api, run
from .things import CRDS, V1, V2, definition, established, thing, version

sys.path.insert(0, str(Path(__file__).parent.parent / "access"))
from webhook_server import Webhook, json_answer, running

Obj = dict[str, Any]
APPLY = "application/apply-patch+yaml"


def convert(review: Obj) -> Obj:
    """v1 calls it `host`, v2 `address`."""
    request = review["request"]
    out = []
    for obj in copy.deepcopy(request["objects"]):
        spec = obj.get("spec") or {}
        if request["desiredAPIVersion"].endswith("/v2") and "host" in spec:
            spec["address"] = spec.pop("host")
        elif request["desiredAPIVersion"].endswith("/v1") and "address" in spec:
            spec["host"] = spec.pop("address")
        out.append({**obj, "apiVersion": request["desiredAPIVersion"]})
    return reviewed(review, out)


def reviewed(review: Obj, objects: list[Obj], **result: str) -> Obj:
    response = {"uid": review["request"]["uid"], "convertedObjects": objects, "result": result or {"status": "Success"}}
    return {"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response}


async def with_webhook(api: Api, test: Callable[[Api, Webhook], Awaitable[None]]) -> None:
    async with running(json_answer(convert)) as hook:
        strategy = {
            "strategy": "Webhook",
            "webhook": {"clientConfig": hook.config, "conversionReviewVersions": ["v1"]},
        }
        crd = definition([version("v1", "host", storage=True), version("v2", "address")], strategy)
        await established(api, crd)
        await test(api, hook)


def converting(test: Callable[[Api, Webhook], Awaitable[None]]) -> None:
    run(lambda api: with_webhook(api, test))


async def lines(api: Api, path: str) -> AsyncIterator[Obj]:
    path, _, query = path.partition("?")
    response = await api.handler(Request("GET", path, path, query, [("authorization", "Bearer t")]))
    async for chunk in response.body:  # type: ignore[union-attr]
        for text in chunk.splitlines():
            yield orjson.loads(text)


def test_every_verb_in_a_version_that_is_not_stored() -> None:
    async def test(api: Api, hook: Webhook) -> None:
        made = await api.call("POST", V2, thing("v2", "a", address="x"))
        assert made["apiVersion"] == "c.example.com/v2"
        assert made["spec"] == {"address": "x"}
        assert [c["request"]["desiredAPIVersion"] for c in hook.calls] == ["c.example.com/v1", "c.example.com/v2"]
        stored = await api.call("GET", V1 + "/a")
        assert stored["spec"] == {"host": "x"}
        assert stored["metadata"] == made["metadata"]
        patched = await api.call("PATCH", V2 + "/a", {"spec": {"address": "y"}}, MERGE)
        assert patched["spec"] == {"address": "y"}
        patched["spec"]["address"] = "z"
        assert (await api.call("PUT", V2 + "/a", patched))["spec"] == {"address": "z"}
        assert (await api.call("GET", V1 + "/a"))["spec"] == {"host": "z"}
        applied = thing("v2", "a", replicas=3)
        applied = await api.call("PATCH", V2 + "/a?fieldManager=m", applied, APPLY)
        assert applied["spec"] == {"address": "z", "replicas": 3}
        assert (await api.call("DELETE", V2 + "/a"))["status"] == "Success"
        assert (await api.call("GET", V1 + "/a"))["code"] == 404

    converting(test)


def test_a_list_is_one_review_and_is_remembered() -> None:
    async def test(api: Api, hook: Webhook) -> None:
        for name in "abc":
            await api.call("POST", V1, thing("v1", name, host=name))
        assert hook.calls == []
        for _ in range(2):
            found = await api.call("GET", V2)
            assert [item["spec"] for item in found["items"]] == [{"address": n} for n in "abc"]
            assert {item["apiVersion"] for item in found["items"]} == {"c.example.com/v2"}
            assert len(hook.calls) == 1
        assert [o["metadata"]["name"] for o in hook.calls[0]["request"]["objects"]] == ["a", "b", "c"]

    converting(test)


def test_a_dry_run_goes_to_the_stored_version_and_back() -> None:
    async def test(api: Api, hook: Webhook) -> None:
        made = await api.call("POST", V2 + "?dryRun=All", thing("v2", "a", address="x"))
        assert made["spec"] == {"address": "x"}
        assert len(hook.calls) == 2
        assert (await api.call("GET", V1 + "/a"))["code"] == 404

    converting(test)


def test_a_watch_converts_events_in_order_and_ends_when_it_cannot() -> None:
    async def test(api: Api, hook: Webhook) -> None:
        await api.call("POST", V1, thing("v1", "a", host="x"))
        stream = lines(api, V2 + "?watch=true&timeoutSeconds=20")
        first = await anext(stream)
        assert (first["type"], first["object"]["spec"]) == ("ADDED", {"address": "x"})
        await api.call("PATCH", V1 + "/a", {"spec": {"host": "y"}}, MERGE)
        await api.call("POST", V1, thing("v1", "b", host="z"))
        await api.call("DELETE", V1 + "/a")
        seen = [await anext(stream) for _ in range(3)]
        assert [(e["type"], e["object"]["metadata"]["name"]) for e in seen] == [
            ("MODIFIED", "a"),
            ("ADDED", "b"),
            ("DELETED", "a"),
        ]
        assert {e["object"]["apiVersion"] for e in seen} == {"c.example.com/v2"}
        assert [e["object"]["spec"]["address"] for e in seen] == ["y", "z", "y"]
        hook.answer = json_answer(lambda review: reviewed(review, [], status="Failure", message="no"))
        await api.call("PATCH", V1 + "/b", {"spec": {"host": "q"}}, MERGE)
        error = await anext(stream)
        assert error["type"] == "ERROR"
        assert error["object"]["message"] == "conversion webhook for c.example.com/v1, Kind=Thing failed: no"
        assert [e async for e in stream] == []

    converting(test)


KIND = "c.example.com/v1, Kind=Thing"
BAD: list[tuple[Callable[[Obj], Obj], str]] = [
    (
        lambda r: reviewed(r, [], status="Failure"),
        f"conversion webhook for {KIND} failed: response.result.status was 'Failure', not 'Success'",
    ),
    (lambda r: reviewed(r, []), f"conversion webhook for {KIND} returned 0 objects, expected 1"),
    (lambda r: {**convert(r), "kind": "X"}, "failed: expected webhook response of apiextensions.k8s.io/v1, Kind="),
    (
        lambda r: {"apiVersion": r["apiVersion"], "kind": r["kind"]},
        f"conversion webhook for {KIND} failed: no response",
    ),
    (
        lambda r: reviewed(r, r["request"]["objects"]),
        "object at index 0: invalid groupVersion (expected c.example.com/v2, received c.example.com/v1)",
    ),
    (lambda r: changed(r, kind="Other"), "at index 0: invalid kind (expected Thing, received Other)"),
    (lambda r: changed_meta(r, name="b"), "returned invalid object: must have the same name: a != b"),
    (lambda r: changed_meta(r, uid="u"), "returned invalid object: must have the same UID: "),
    (
        lambda r: changed_meta(r, labels={"a": 1}),
        "metadata.labels[a] must be a string, but is int64",
    ),
    (
        lambda r: changed_meta(r, labels={"-a": "b"}),
        f'conversion webhook for {KIND} returned invalid metadata: metadata.labels: Invalid value: "-a": ',
    ),
]


def changed(review: Obj, **members: Any) -> Obj:
    answer = convert(review)
    answer["response"]["convertedObjects"][0].update(members)
    return answer


def changed_meta(review: Obj, **members: Any) -> Obj:
    answer = convert(review)
    answer["response"]["convertedObjects"][0]["metadata"].update(members)
    return answer


@pytest.mark.parametrize(("answer", "text"), BAD)
def test_what_a_bad_answer_is_refused_with(answer: Callable[[Obj], Obj], text: str) -> None:
    async def test(api: Api, hook: Webhook) -> None:
        await api.call("POST", V1, thing("v1", "a", host="x"))
        hook.answer = json_answer(answer)
        refused = await api.call("GET", V2 + "/a")
        assert (refused["code"], refused.get("reason")) == (500, None)
        assert text in refused["message"]

    converting(test)


def test_labels_may_change_and_other_metadata_may_not() -> None:
    async def test(api: Api, hook: Webhook) -> None:
        made = await api.call("POST", V1, thing("v1", "a", host="x"))
        hook.answer = json_answer(lambda r: changed_meta(r, labels={"k": "v"}, generation=7, finalizers=["x/y"]))
        shown = await api.call("GET", V2 + "/a")
        assert shown["metadata"] == {**made["metadata"], "labels": {"k": "v"}}

    converting(test)


def test_a_webhook_that_is_away_refuses_reads_and_writes_but_not_the_stored_version() -> None:
    async def test(api: Api, hook: Webhook) -> None:
        await api.call("POST", V1, thing("v1", "a", host="x"))
        hook.answer = lambda body: (503, "text/plain", b"")
        away = f"conversion webhook for {KIND} failed: the server is currently unable to handle the request"
        assert (await api.call("GET", V2))["message"] == away
        refused = await api.call("POST", V2, thing("v2", "b", address="x"))
        assert refused["message"] == away.replace("v1,", "v2,")
        assert (await api.call("GET", V1))["kind"] == "ThingList"
        assert (await api.call("DELETE", V1 + "/a"))["status"] == "Success"

    converting(test)


def test_managed_fields_of_another_version_give_up_what_was_taken() -> None:
    async def test(api: Api, hook: Webhook) -> None:
        await api.call("PATCH", V1 + "/a?fieldManager=one", thing("v1", "a", host="x", replicas=1), APPLY)
        clash = await api.call("PATCH", V2 + "/a?fieldManager=two", thing("v2", "a", address="y"), APPLY)
        assert clash["code"] == 409
        causes = [(c["message"], c["field"]) for c in clash["details"]["causes"]]
        assert causes == [('conflict with "one"', ".spec.host")]
        forced = await api.call("PATCH", V2 + "/a?fieldManager=two&force=true", thing("v2", "a", address="y"), APPLY)
        owners = {m["manager"]: m["fieldsV1"]["f:spec"] for m in forced["metadata"]["managedFields"]}
        assert owners == {"one": {"f:replicas": {}}, "two": {"f:address": {}}}
        updated = await api.call("PATCH", V2 + "/a?fieldManager=three", {"spec": {"replicas": 5}}, MERGE)
        owners = {m["manager"]: m["fieldsV1"]["f:spec"] for m in updated["metadata"]["managedFields"]}
        assert owners == {"two": {"f:address": {}}, "three": {"f:replicas": {}}}

    converting(test)


def test_another_storage_version_is_taken_up_by_the_next_write() -> None:
    async def test(api: Api) -> None:
        await established(api, definition([version("v1", "a", storage=True), version("v2", "a")]))
        made = await api.call("POST", V1, thing("v1", "x", a="1"))
        crd = await api.call("GET", CRDS + "/things.c.example.com")
        crd["spec"]["versions"] = [version("v1", "a"), version("v2", "a", storage=True)]
        crd = await api.call("PUT", CRDS + "/things.c.example.com", crd)
        assert crd["status"]["storedVersions"] == ["v1", "v2"]
        store = api.handler.api.store
        key = "/root/c.example.com/things/default/x"
        assert b'"apiVersion":"c.example.com/v1"' in store.storage.get(key).value
        again = await api.call("PATCH", V1 + "/x", {}, MERGE)
        assert again["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
        assert again["metadata"]["managedFields"] == made["metadata"]["managedFields"]
        assert b'{"kind":"Thing","apiVersion":"c.example.com/v2"' in store.storage.get(key).value
        third = await api.call("PATCH", V1 + "/x", {}, MERGE)
        assert third["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]
        migrated = await api.call(
            "PATCH", CRDS + "/things.c.example.com/status", {"status": {"storedVersions": ["v2"]}}, MERGE
        )
        assert migrated["status"]["storedVersions"] == ["v2"]

    run(test)


def test_scale_knows_the_replicas_of_all_versions() -> None:
    async def test(api: Api) -> None:
        scale = {"scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}
        versions = [version("v1", "a", storage=True, subresources=scale), version("v2", "a", subresources=scale)]
        await established(api, definition(versions))
        await api.call("PATCH", V1 + "/x?fieldManager=one", thing("v1", "x", replicas=1), APPLY)
        await api.call("PATCH", V2 + "/x/scale?fieldManager=two", {"spec": {"replicas": 4}}, MERGE)
        owners = {m["manager"]: m for m in (await api.call("GET", V1 + "/x"))["metadata"]["managedFields"]}
        assert owners["two"]["apiVersion"] == "c.example.com/v2"
        assert "f:replicas" not in str(owners.get("one", {}).get("fieldsV1"))

    run(test)


def test_a_version_that_is_served_no_more_ends_its_watches() -> None:
    async def test(api: Api) -> None:
        await established(api, definition([version("v1", "a", storage=True), version("v2", "a")]))
        stream = lines(api, V2 + "?watch=true&timeoutSeconds=20")
        reading = asyncio.ensure_future(anext(stream, None))
        await asyncio.sleep(0)
        crd = await api.call("GET", CRDS + "/things.c.example.com")
        crd["spec"]["versions"][1]["served"] = False
        await api.call("PUT", CRDS + "/things.c.example.com", crd)
        assert await asyncio.wait_for(reading, 5) is None
        response = await api.respond("GET", V2)
        assert (response.status, response.body) == (404, b"404 page not found\n")

    run(test)


def test_a_fresh_handler_reads_what_another_stored() -> None:
    async def main() -> None:
        storage = open_storage("memory:")
        async with running(json_answer(convert)) as hook:
            handler = await build_handler(storage, token="t")
            conversion = {
                "strategy": "Webhook",
                "webhook": {"clientConfig": hook.config, "conversionReviewVersions": ["v1beta1", "v1"]},
            }
            crd = definition([version("v1", "host", storage=True), version("v2", "address")], conversion)
            await established(Api(handler), crd)
            await Api(handler).call("POST", V2, thing("v2", "a", address="x"))
            await handler.close()
            handler = await build_handler(storage, token="t")
            assert (await Api(handler).call("GET", V2 + "/a"))["spec"] == {"address": "x"}
            assert {call["apiVersion"] for call in hook.calls} == {"apiextensions.k8s.io/v1beta1"}
            await handler.close()
        await storage.close()

    asyncio.run(main())


def test_a_deprecated_version_warns_at_every_verb() -> None:
    async def test(api: Api) -> None:
        old = version("v1", "a", storage=True, deprecated=True, subresources={"status": {}})
        await established(api, definition([old, version("v2", "a")]))
        text = '299 - "c.example.com/v1 Thing is deprecated; use c.example.com/v2 Thing"'
        crd_path = V1 + "/x"
        for method, path, body, media in (
            ("POST", V1, thing("v1", "x", a="1"), "application/json"),
            ("GET", V1, None, ""),
            ("GET", crd_path, None, ""),
            ("GET", V1 + "?watch=true", None, ""),
            ("PATCH", crd_path, {"spec": {"a": "2"}}, MERGE),
            ("PATCH", crd_path + "/status", {"status": {}}, MERGE),
            ("GET", V1 + "/none", None, ""),
            ("DELETE", crd_path, None, ""),
            ("DELETE", V1, None, ""),
        ):
            response = await api.respond(method, path, body, media)
            warnings = [value for name, value in response.headers if name == "warning"]
            assert warnings[:1] == [text], (method, path)
        response = await api.respond("GET", V2)
        assert not [value for name, value in response.headers if name == "warning"]

    run(test)


def test_lists_name_the_version_that_was_asked_for() -> None:
    async def test(api: Api) -> None:
        await established(api, definition([version("v1", "a", storage=True), version("v2", "a")]))
        await api.call("POST", V1, thing("v1", "x", a="1"))
        for path, api_version in ((V1, "c.example.com/v1"), (V2, "c.example.com/v2")):
            found = await api.call("GET", path)
            assert (found["apiVersion"], found["kind"]) == (api_version, "ThingList")
            assert [(i["apiVersion"], i["kind"]) for i in found["items"]] == [(api_version, "Thing")]

    run(test)


def test_a_definition_that_goes_lets_nothing_in_and_waits_also_after_a_restart() -> None:
    async def main() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage, token="t")
        api = Api(handler)
        await established(api, definition([version("v1", "a", storage=True)]))
        held = thing("v1", "x", a="1")
        held["metadata"]["finalizers"] = ["example.com/hold"]
        await api.call("POST", V1, held)
        await api.call("DELETE", CRDS + "/things.c.example.com")
        await handler.close()
        handler = await build_handler(storage, token="t")
        api = Api(handler)
        refused = await api.call("POST", V1, thing("v1", "y"))
        assert (refused["code"], refused["reason"]) == (403, "Forbidden")
        assert refused["message"] == (
            'things.c.example.com "y" is forbidden: create not allowed while custom resource definition is terminating'
        )
        assert "deletionTimestamp" in (await api.call("GET", V1 + "/x"))["metadata"]
        await api.call("PATCH", V1 + "/x", {"metadata": {"finalizers": None}}, MERGE)
        for _ in range(50):
            if (await api.call("GET", CRDS + "/things.c.example.com"))["kind"] == "Status":
                break
            await asyncio.sleep(0)
        assert (await api.call("GET", CRDS + "/things.c.example.com"))["code"] == 404
        assert storage.count("/root/c.example.com/things/") == 0
        await handler.close()
        await storage.close()

    asyncio.run(main())


def test_a_definition_goes_although_its_webhook_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crds, "RETRY_SECONDS", 0.01)

    async def test(api: Api, hook: Webhook) -> None:
        await api.call("POST", V1, thing("v1", "a", host="x"))
        crd = await api.call("GET", CRDS + "/things.c.example.com")
        crd["spec"]["versions"][0]["storage"], crd["spec"]["versions"][1]["storage"] = False, True
        await api.call("PUT", CRDS + "/things.c.example.com", crd)
        good, hook.answer = hook.answer, lambda body: (503, "text/plain", b"")
        await api.call("DELETE", CRDS + "/things.c.example.com")
        while not hook.calls:
            await asyncio.sleep(0)
        assert (await api.call("GET", CRDS + "/things.c.example.com"))["kind"] == "CustomResourceDefinition"
        hook.answer = good
        while (await api.call("GET", CRDS + "/things.c.example.com"))["kind"] != "Status":
            await asyncio.sleep(0.01)

    converting(test)


def test_a_put_of_another_object_is_a_conflict_before_its_revision_is_asked_for() -> None:
    async def test(api: Api) -> None:
        await established(api, definition([version("v1", "a", storage=True)]))
        await api.call("POST", V1, thing("v1", "x", a="1"))
        body = thing("v1", "x", a="2")
        assert (await api.call("PUT", V1 + "/x", body))["code"] == 422
        body["metadata"]["uid"] = "wrong"
        refused = await api.call("PUT", V1 + "/x", body)
        assert refused["code"] == 409
        assert "Precondition failed: UID in precondition: wrong" in refused["message"]

    run(test)
