"""Admission webhooks over TLS: what they are sent, what their answers do."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from .admission_world import GROUP, World, configuration, hook, rule, with_world
from .webhook_server import json_answer, running

MUTATING, VALIDATING = f"{GROUP}/mutatingwebhookconfigurations", f"{GROUP}/validatingwebhookconfigurations"
Respond = Callable[[Any], dict[str, Any]]


def review(respond: Respond) -> Any:
    def answer(body: Any) -> dict[str, Any]:
        said = {"uid": body["request"]["uid"], "allowed": True, **respond(body["request"])}
        return {"kind": "AdmissionReview", "apiVersion": body["apiVersion"], "response": said}

    return json_answer(answer)


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"patch": base64.b64encode(orjson.dumps(operations)).decode(), "patchType": "JSONPatch"}


def label(name: str, value: str = "x") -> dict[str, Any]:
    return patch({"op": "add", "path": "/metadata/labels", "value": {name: value}})


def allow(_: Any) -> dict[str, Any]:
    return {}


def deny(_: Any) -> dict[str, Any]:
    return {"allowed": False, "status": {"message": "not here", "reason": "Because", "code": 418}}


def test_the_review_of_a_create() -> None:
    async def test(world: World) -> None:
        async with running(review(allow)) as server:
            await world.made(VALIDATING, configuration("Validating", hook(server)))
            assert (await world.configmap("a", "?fieldManager=m"))[0] == 201
            assert server.paths == ["/convert?timeout=2s"]
            document = server.calls[0]
            request = document.pop("request")
            assert document == {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}
            obj = request.pop("object")
            assert obj["metadata"]["name"] == "a"
            assert obj["metadata"]["uid"]
            assert len(request.pop("uid")) == 36
            kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
            resource = {"group": "", "version": "v1", "resource": "configmaps"}
            assert request == {
                "kind": kind,
                "resource": resource,
                "requestKind": kind,
                "requestResource": resource,
                "name": "a",
                "namespace": "default",
                "operation": "CREATE",
                "userInfo": {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]},
                "oldObject": None,
                "dryRun": False,
                "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "m"},
            }

    with_world(test)


def test_update_delete_and_deletecollection() -> None:
    async def test(world: World) -> None:
        async with running(review(allow)) as server:
            await world.configmap("a")
            await world.configmap("b")
            await world.made(VALIDATING, configuration("Validating", hook(server, rule("configmaps", "*"))))
            path = "/api/v1/namespaces/default/configmaps"
            merge = "application/merge-patch+json"
            assert (await world.call("PATCH", f"{path}/a?dryRun=All", {"data": {"n": "1"}}, merge))[0] == 200
            assert (await world.call("DELETE", f"{path}/a", {"gracePeriodSeconds": 0}))[0] == 200
            assert (await world.call("DELETE", path))[0] == 200
            updated, deleted, *collected = (call["request"] for call in server.calls)
            assert updated["operation"] == "UPDATE"
            assert updated["dryRun"] is True
            assert updated["options"]["kind"] == "UpdateOptions"
            assert (updated["object"]["data"], updated["oldObject"]["data"]) == ({"k": "v", "n": "1"}, {"k": "v"})
            assert (deleted["operation"], deleted["object"], deleted["name"]) == ("DELETE", None, "a")
            assert deleted["oldObject"]["metadata"]["name"] == "a"
            assert deleted["options"]["gracePeriodSeconds"] == 0
            assert collected[0]["oldObject"]["metadata"]["name"] == "b"
            assert "name" not in collected[0]

    with_world(test)


def test_a_refusal_is_told_in_the_words_of_the_webhook() -> None:
    async def test(world: World) -> None:
        async with running(review(deny)) as server:
            await world.made(VALIDATING, configuration("Validating", hook(server)))
            status, body = await world.configmap("a")
            assert status == body["code"] == 418
            assert body["message"] == 'admission webhook "hook.test.dev" denied the request: not here'
            assert body["reason"] == "Because"
            server.answer = review(lambda _: {"allowed": False})
            status, body = await world.configmap("a")
            assert status == 400
            assert body["message"] == 'admission webhook "hook.test.dev" denied the request without explanation'
            assert "reason" not in body

    with_world(test)


def test_patches_are_applied_in_the_order_of_configurations() -> None:
    async def test(world: World) -> None:
        async with running(review(lambda r: label("first"))) as one, running(review(_count_labels)) as two:
            await world.made(MUTATING, configuration("Mutating", hook(two), name="b"))
            await world.made(MUTATING, configuration("Mutating", hook(one), name="a"))
            status, body = await world.configmap("x")
            assert status == 201
            assert body["metadata"]["labels"] == {"first": "x", "seen": "1"}
            assert "uid" not in one.calls[0]["request"]["object"]["metadata"]

    with_world(test)


def _count_labels(request: Any) -> dict[str, Any]:
    labels = request["object"]["metadata"].get("labels") or {}
    return patch({"op": "add", "path": "/metadata/labels/seen", "value": str(len(labels))})


def test_what_is_patched_is_decoded_defaulted_and_validated() -> None:
    async def test(world: World) -> None:
        answer = patch(
            {"op": "add", "path": "/unknown", "value": 1}, {"op": "remove", "path": "/spec/ports/0/protocol"}
        )
        async with running(review(lambda _: answer)) as server:
            await world.made(MUTATING, configuration("Mutating", hook(server, rule("services"))))
            service = {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "s"},
                "spec": {"ports": [{"port": 1}]},
            }
            body = await world.made("/api/v1/namespaces/default/services", service)
            assert "unknown" not in body
            assert body["spec"]["ports"][0]["protocol"] == "TCP"
            bad = patch({"op": "add", "path": "/spec/ports/0/port", "value": 99999})
            server.answer = review(lambda _: bad)
            status, body = await world.call("POST", "/api/v1/namespaces/default/services", service)
            assert (status, body["details"]["causes"][0]["field"]) == (422, "spec.ports[0].port")
            server.answer = review(lambda _: patch({"op": "add", "path": "/spec/ports", "value": "x"}))
            status, body = await world.call("POST", "/api/v1/namespaces/default/services", service)
            assert status == 500
            assert "json: cannot unmarshal string" in body["message"]

    with_world(test)


def test_names_and_generated_names() -> None:
    async def test(world: World) -> None:
        async with running(review(allow)) as server:
            await world.made(MUTATING, configuration("Mutating", hook(server)))
            await world.made(VALIDATING, configuration("Validating", hook(server)))
            obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "g-"}}
            body = await world.made("/api/v1/namespaces/default/configmaps", obj)
            mutating, validating = (call["request"] for call in server.calls)
            assert "name" not in mutating
            assert "name" not in mutating["object"]["metadata"]
            assert validating["name"] == body["metadata"]["name"]

    with_world(test)


def test_a_webhook_is_asked_again_when_a_later_one_changes_the_object() -> None:
    async def test(world: World) -> None:
        once = review(lambda r: {} if "labels" in r["object"]["metadata"] else label("late"))
        async with running(review(allow)) as early, running(once) as late:
            again = hook(early, name="early.test.dev", reinvocationPolicy="IfNeeded")
            never = hook(early, name="never.test.dev")
            await world.made(MUTATING, configuration("Mutating", again, never, hook(late)))
            await world.configmap("a")
            seen = ["labels" in call["request"]["object"]["metadata"] for call in early.calls]
            assert seen == [False, False, True]
            assert len(late.calls) == 1

    with_world(test)


def test_two_that_undo_each_other_come_to_an_end() -> None:
    def toggle(request: Any) -> dict[str, Any]:
        value = request["object"]["data"]["k"] + "x"
        return patch({"op": "replace", "path": "/data/k", "value": value})

    async def test(world: World) -> None:
        async with running(review(toggle)) as server:
            hooks = [hook(server, name=f"{n}.test.dev", reinvocationPolicy="IfNeeded") for n in "ab"]
            await world.made(MUTATING, configuration("Mutating", *hooks))
            status, body = await world.configmap("a")
            assert (status, body["data"]["k"]) == (201, "vxxxx")  # each twice, and no more

    with_world(test)


def test_rules_and_selectors() -> None:
    async def test(world: World) -> None:
        async with running(review(deny)) as server:

            async def refused(name: str = "a", **meta: Any) -> bool:
                return (await world.configmap(name, "?dryRun=All", **meta))[0] == 418

            async def configured(**more: Any) -> None:
                await world.call("DELETE", f"{VALIDATING}/c")
                rules = more.pop("rules", [rule("configmaps")])
                await world.made(VALIDATING, configuration("Validating", hook(server, *rules, **more)))

            await configured(rules=[rule("configmaps", "UPDATE"), rule("secrets"), rule("configmaps", group="apps")])
            assert not await refused()
            await configured(rules=[rule("*", scope="Cluster")])
            assert not await refused()
            await configured(rules=[rule("*/*", version="*", scope="Namespaced")])
            assert await refused()
            await configured(objectSelector={"matchLabels": {"t": "1"}})
            assert not await refused()
            assert await refused(labels={"t": "1"})
            await configured(namespaceSelector={"matchLabels": {"t": "1"}})
            assert not await refused()
            await configured(namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "default"}})
            assert await refused()

    with_world(test)


def test_match_conditions() -> None:
    async def test(world: World) -> None:
        async with running(review(deny)) as server:

            async def answer(expression: str, **more: Any) -> tuple[int, Any]:
                await world.call("DELETE", f"{VALIDATING}/c")
                conditions = [{"name": "c", "expression": expression}]
                asked = hook(server, matchConditions=conditions, **more)
                await world.made(VALIDATING, configuration("Validating", asked))
                return await world.configmap("a", "?dryRun=All")

            assert (await answer("object.metadata.name == 'b'"))[0] == 201
            assert (await answer("request.operation == 'CREATE' && object.data.k == 'v'"))[0] == 418
            allowed = "authorizer.group('').resource('pods').check('create').allowed()"
            assert (await answer(allowed))[0] == 418
            status, body = await answer("object.data.none == 'x'")
            assert status == 403
            assert body["message"].startswith('configmaps "a" is forbidden: expression')
            assert body["message"].endswith("resulted in error: no such key: none")
            assert (await answer("object.data.none == 'x'", failurePolicy="Ignore"))[0] == 201

    with_world(test)


def test_what_a_webhook_says_beside_its_verdict() -> None:
    async def test(world: World) -> None:
        said = {"warnings": ["mind the gap", "mind the gap"], "auditAnnotations": {"k": "v"}}
        async with running(review(lambda _: said)) as server:
            await world.made(VALIDATING, configuration("Validating", hook(server)))
            assert (await world.configmap("a"))[0] == 201
            assert world.warnings == ['299 - "mind the gap"']
            server.answer = review(lambda _: {"warnings": [str(i) + "x" * 1000 for i in range(10)]})
            await world.configmap("b")
            assert [len(w) for w in world.warnings] == [256 + len('299 - ""')] * 10

    with_world(test)


def test_failures_by_policy() -> None:
    async def test(world: World) -> None:
        async with running(review(allow)) as server:
            await world.made(VALIDATING, configuration("Validating", hook(server)))
            await world.made(MUTATING, configuration("Mutating", hook(server, failurePolicy="Ignore")))
            port = server.port
        status, body = await world.configmap("a")
        assert (status, body["reason"]) == (500, "InternalError")
        url = f"https://127.0.0.1:{port}/convert?timeout=2s"
        assert body["message"] == (
            'Internal error occurred: failed calling webhook "hook.test.dev": failed to call webhook: '
            f'Post "{url}": dial tcp 127.0.0.1:{port}: connect: connection refused'
        )
        await world.call("DELETE", f"{VALIDATING}/c")
        assert (await world.configmap("a"))[0] == 201

    with_world(test)


def test_a_webhook_that_hangs_costs_no_more_than_its_time() -> None:
    async def test(world: World) -> None:
        async with running(review(allow)) as server:
            server.delay = 30
            await world.made(VALIDATING, configuration("Validating", hook(server, timeoutSeconds=1)))
            status, body = await world.configmap("a")
            assert status == 500
            assert body["message"].endswith('?timeout=1s": context deadline exceeded')
            server.delay = 0
            assert (await world.configmap("a"))[0] == 201

    with_world(test)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (b"{}", "received invalid webhook response: webhook response was absent"),
        (b"oops", "failed to call webhook: couldn't get version/kind; json parse error: invalid character 'o' looking"),
        (b'{"response": {"uid": "x"}}', "received invalid webhook response: expected response.uid="),
        (b'{"response": {"allowed": "yes"}}', "failed to call webhook: json: cannot unmarshal string"),
        (b'{"kind":"Status","status":"Failure","message":"m"}', "failed to call webhook: m"),
        (b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1"}', "unknown conversion"),
        (b"[]", "json: cannot unmarshal array"),
        (b"", "unexpected end of JSON input"),
    ],
)
def test_answers_that_are_none(document: bytes, text: str) -> None:
    async def test(world: World) -> None:
        async with running(lambda _: (200, "application/json", document)) as server:
            await world.made(MUTATING, configuration("Mutating", hook(server)))
            status, body = await world.configmap("a")
            assert status == 500
            assert body["message"].startswith('Internal error occurred: failed calling webhook "hook.test.dev": ')
            assert text in body["message"]

    with_world(test)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"patch": "e30="}, "webhook returned response.patch but not response.patchType"),
        ({"patchType": "JSONPatch"}, "webhook returned response.patchType but not response.patch"),
        ({"patch": "e30=", "patchType": "JSONPatch"}, "received undecodable patch in webhook response: json: cannot"),
        ({"patch": "W3t9XQ==", "patchType": "Merge"}, 'unsupported patch type "Merge"'),
        ({"patch": "%%%", "patchType": "JSONPatch"}, "illegal base64 data"),
        (patch({"op": "remove", "path": "/a/b"}), "remove operation does not apply: doc is missing path"),
        (patch({"op": "jump"}), "Unexpected kind: jump"),
    ],
)
def test_patches_that_are_none(said: dict[str, Any], text: str) -> None:
    async def test(world: World) -> None:
        async with running(review(lambda _: said)) as server:
            await world.made(MUTATING, configuration("Mutating", hook(server)))
            status, body = await world.configmap("a")
            assert status == 500
            assert text in body["message"]

    with_world(test)


def test_a_dry_run_is_not_shown_to_webhooks_that_would_act_on_it() -> None:
    """Such configurations are refused in v1; they can stand in storage all the same."""

    async def test(world: World) -> None:
        async with running(review(allow)) as server:
            made = await world.made(VALIDATING, configuration("Validating", hook(server)))
            made["webhooks"][0]["sideEffects"] = "Some"
            key = "/root/admissionregistration.k8s.io/validatingwebhookconfigurations/c"
            storage = world.handler.api.store.storage
            await storage.put(key, lambda _: orjson.dumps(made))
            status, body = await world.configmap("a", "?dryRun=All")
            assert (status, body["message"]) == (400, 'admission webhook "hook.test.dev" does not support dry run')
            assert (await world.configmap("a"))[0] == 201

    with_world(test)


def test_configurations_are_never_reviewed() -> None:
    async def test(world: World) -> None:
        async with running(review(deny)) as server:
            everything = rule("*", "*", group="*", version="*")
            await world.made(VALIDATING, configuration("Validating", hook(server, everything)))
            assert (await world.configmap("a"))[0] == 418
            assert (await world.call("DELETE", f"{VALIDATING}/c"))[0] == 200
            assert (await world.configmap("a"))[0] == 201

    with_world(test)


def test_validating_webhooks_are_asked_at_once_and_over_few_connections() -> None:
    async def test(world: World) -> None:
        async with running(review(allow)) as server:
            server.delay = 0.1
            hooks = [hook(server, name=f"h{n}.test.dev", timeoutSeconds=5) for n in range(5)]
            await world.made(VALIDATING, configuration("Validating", *hooks))
            import time

            began = time.monotonic()
            await world.configmap("a")
            assert time.monotonic() - began < 0.45
            server.delay = 0
            await world.configmap("b")
            assert len(server.calls) == 10
            assert server.connections == 5

    with_world(test)
