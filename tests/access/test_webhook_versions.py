"""Webhooks and the versions and parts of resources: equivalents, custom kinds, subresources."""

from __future__ import annotations

from typing import Any

from .admission_custom import widgets
from .admission_world import GROUP, World, configuration, hook, rule, with_world
from .test_admission_webhooks import allow, patch, review
from .webhook_server import running

MUTATING, VALIDATING = f"{GROUP}/mutatingwebhookconfigurations", f"{GROUP}/validatingwebhookconfigurations"
WIDGETS = "/apis/test.dev/v1/namespaces/default/widgets"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def widget(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "test.dev/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}


def test_a_custom_object_is_shown_in_the_version_that_matches() -> None:
    async def test(world: World) -> None:
        async with running(review(allow)) as server:
            await world.made(CRDS, widgets())
            old = rule("widgets", group="test.dev", version="v1beta1")
            exact = hook(server, old, name="exact.test.dev", matchPolicy="Exact")
            await world.made(VALIDATING, configuration("Validating", hook(server, old), exact))
            await world.made(WIDGETS, widget(size=1))
            assert len(server.calls) == 1
            request = server.calls[0]["request"]
            assert request["object"]["apiVersion"] == "test.dev/v1beta1"
            assert (request["kind"]["version"], request["requestKind"]["version"]) == ("v1beta1", "v1")
            assert (request["resource"]["version"], request["requestResource"]["version"]) == ("v1beta1", "v1")

    with_world(test)


def test_what_is_patched_in_another_version_is_stored_pruned_and_defaulted() -> None:
    async def test(world: World) -> None:
        operations = (
            {"op": "add", "path": "/spec/unknown", "value": 1},
            {"op": "add", "path": "/spec/size", "value": 7},
            {"op": "remove", "path": "/spec/color"},
        )
        async with running(review(lambda _: patch(*operations))) as server:
            await world.made(CRDS, widgets())
            old = rule("widgets", group="test.dev", version="v1beta1")
            await world.made(MUTATING, configuration("Mutating", hook(server, old)))
            body = await world.made(WIDGETS, widget())
            assert body["spec"] == {"color": "red", "size": 7}
            assert body["apiVersion"] == "test.dev/v1"

    with_world(test)


def test_built_in_versions_are_equivalent() -> None:
    async def test(world: World) -> None:
        operation = {"op": "replace", "path": "/spec/targetCPUUtilizationPercentage", "value": 55}
        async with running(review(lambda _: patch(operation))) as server:
            old = rule("horizontalpodautoscalers", group="autoscaling", version="v1")
            await world.made(MUTATING, configuration("Mutating", hook(server, old)))
            metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
            spec = {
                "maxReplicas": 3,
                "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
                "metrics": [{"type": "Resource", "resource": metric}],
            }
            kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}}
            path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
            body = await world.made(path, {**kind, "spec": spec})
            assert server.calls[0]["request"]["object"]["spec"]["targetCPUUtilizationPercentage"] == 80
            assert body["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 55

    with_world(test)


def test_status_is_a_subresource_of_its_own() -> None:
    async def test(world: World) -> None:
        async with running(review(allow)) as server:
            await world.made(CRDS, widgets())
            await world.made(WIDGETS, widget())
            asked = rule("widgets/status", "*", group="test.dev")
            await world.made(VALIDATING, configuration("Validating", hook(server, asked)))
            merge = "application/merge-patch+json"
            assert (await world.call("PATCH", f"{WIDGETS}/w", {"spec": {"size": 2}}, merge))[0] == 200
            assert (await world.call("PATCH", f"{WIDGETS}/w/status", {"status": {}}, merge))[0] == 200
            (call,) = server.calls
            assert call["request"]["subResource"] == call["request"]["requestSubResource"] == "status"

    with_world(test)


def test_a_scale_is_reviewed_as_a_scale() -> None:
    async def test(world: World) -> None:
        operation = {"op": "replace", "path": "/spec/replicas", "value": 5}
        async with running(review(lambda _: patch(operation))) as server:
            await world.made(CRDS, widgets(scale=True))
            await world.made(WIDGETS, widget(size=1))
            asked = rule("widgets/scale", "UPDATE", group="test.dev")
            await world.made(MUTATING, configuration("Mutating", hook(server, asked)))
            merge = "application/merge-patch+json"
            status, body = await world.call("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": 3}}, merge)
            assert (status, body["spec"]["replicas"]) == (200, 5)
            request = server.calls[0]["request"]
            assert request["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
            assert request["object"]["spec"]["replicas"] == 3
            assert request["oldObject"]["spec"]["replicas"] == 1
            assert request["object"]["kind"] == "Scale"

    with_world(test)


POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
PODS = "/api/v1/namespaces/default/pods"


def test_bindings_and_evictions() -> None:
    async def test(world: World) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await world.call("POST", "/api/v1/namespaces/default/serviceaccounts", account)
        async with running(review(allow)) as server:
            await world.made(PODS, POD)
            rules = [rule("pods/binding", "*"), rule("pods/eviction", "*"), rule("pods", "DELETE")]
            await world.made(VALIDATING, configuration("Validating", hook(server, *rules)))
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "n"}}
            assert (await world.call("POST", f"{PODS}/p/binding", binding))[0] == 201
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
            assert (await world.call("POST", f"{PODS}/p/eviction", eviction))[0] == 201
            bound, evicted = (call["request"] for call in server.calls)
            assert (bound["kind"]["kind"], bound["subResource"], bound["operation"]) == ("Binding", "binding", "CREATE")
            assert bound["object"]["target"]["name"] == "n"
            assert evicted["kind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}
            assert (evicted["operation"], evicted["oldObject"]) == ("CREATE", None)

    with_world(test)


def test_connections() -> None:
    async def test(world: World) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await world.call("POST", "/api/v1/namespaces/default/serviceaccounts", account)
        async with running(review(lambda _: {"allowed": False, "status": {"message": "no shell"}})) as server:
            await world.made(PODS, POD)
            await world.made(VALIDATING, configuration("Validating", hook(server, rule("pods/*", "CONNECT"))))
            status, body = await world.call("POST", f"{PODS}/p/exec?command=sh&command=-c&stdin=true&container=c")
            assert (status, body["message"]) == (
                400,
                'admission webhook "hook.test.dev" denied the request: no shell',
            )
            request = server.calls[0]["request"]
            assert (request["operation"], request["subResource"], request["name"]) == ("CONNECT", "exec", "p")
            assert request["object"] == {
                "kind": "PodExecOptions",
                "apiVersion": "v1",
                "stdin": True,
                "container": "c",
                "command": ["sh", "-c"],
            }
            assert request["options"] is None

    with_world(test)


def test_namespaces_are_in_themselves() -> None:
    async def test(world: World) -> None:
        async with running(review(allow)) as server:
            selector = {"matchLabels": {"team": "a"}}
            asked = hook(server, rule("namespaces", "*"), namespaceSelector=selector)
            await world.made(VALIDATING, configuration("Validating", asked))
            kind = {"apiVersion": "v1", "kind": "Namespace"}
            await world.made("/api/v1/namespaces", {**kind, "metadata": {"name": "b"}})
            await world.made("/api/v1/namespaces", {**kind, "metadata": {"name": "a", "labels": {"team": "a"}}})
            (call,) = server.calls
            assert (call["request"]["namespace"], call["request"]["name"]) == ("a", "a")

    with_world(test)


def test_a_webhook_behind_a_service() -> None:
    async def test(world: World) -> None:
        async with running(review(allow)) as server:
            where = {"namespace": "ns", "name": "hook", "path": "/x", "port": server.port}
            config = {"service": where, "caBundle": server.config["caBundle"]}
            kind = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}
            await world.made("/api/v1/namespaces", kind)
            asked = {**hook(server), "clientConfig": config}
            await world.made(VALIDATING, configuration("Validating", asked))
            _, body = await world.configmap("a")
            url = f'Post "https://hook.ns.svc:{server.port}/x?timeout=2s"'
            assert body["message"].endswith(f'failed to call webhook: {url}: service "hook" not found')
            service: Any = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook"}}
            service["spec"] = {"type": "ExternalName", "externalName": "localhost"}
            await world.made("/api/v1/namespaces/ns/services", service)
            assert (await world.configmap("a"))[0] == 201
            assert server.paths == ["/x?timeout=2s"]

    with_world(test)
