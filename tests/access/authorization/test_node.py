"""The Node authorizer: a kubelet reaches what the pods on its node need, and nothing of other nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from wherry.access.authorization.graph import Graph
from wherry.access.authorization.node import NodeAuthorizer
from wherry.access.authorization.selectors import Selectors
from wherry.access.user import NO_OPINION, Attributes, Decision, User
from wherry.storage import open_storage
from wherry.storage.api import Storage

NODE = User("system:node:n1", groups=("system:nodes", "system:authenticated"))
POD: dict[str, Any] = {
    "serviceAccountName": "sa",
    "imagePullSecrets": [{"name": "pull"}],
    "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "env-from"}}]}],
    "containers": [
        {
            "name": "c",
            "env": [
                {"name": "a", "valueFrom": {"secretKeyRef": {"name": "env", "key": "k"}}},
                {"name": "b", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "k"}}},
            ],
        }
    ],
    "ephemeralContainers": [{"name": "e", "envFrom": [{"configMapRef": {"name": "debug"}}]}],
    "volumes": [
        {"name": "s", "secret": {"secretName": "mounted"}},
        {"name": "p", "projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "shared"}}]}},
        {"name": "v", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "scratch", "ephemeral": {}},
        {"name": "csi", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "csi"}}},
    ],
    "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "t"}, {"name": "x", "resourceClaimName": "direct"}],
}
STATUS = {"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "made"}]}
VOLUME = {
    "claimRef": {"namespace": "a", "name": "data"},
    "csi": {
        "nodeStageSecretRef": {"name": "stage", "namespace": "vault"},
        "controllerPublishSecretRef": {"name": "no"},
    },
}


class World:
    def __init__(self, storage: Storage):
        self.storage = storage
        self.authorizer = NodeAuthorizer(Graph(storage))

    async def put(self, key: str, spec: dict[str, Any], **more: Any) -> None:
        *_, name = key.split("/")
        meta = {"name": name, **({"namespace": key.split("/")[-2]} if "pods/" in key else {}), **more.pop("meta", {})}
        obj = {"metadata": meta, "spec": spec, **more}
        await self.storage.put(f"/root/{key}", lambda revision: orjson.dumps(obj))

    async def pod(self, name: str = "p", node: str = "n1", **more: Any) -> None:
        await self.put(f"core/pods/a/{name}", {**POD, "nodeName": node}, status=STATUS, **more)

    def may(self, verb: str, resource: str, name: str = "", namespace: str = "a", **more: Any) -> Decision:
        resource, _, subresource = resource.partition("/")
        group = more.pop("group", "")
        asked = Attributes(NODE, verb, "", True, group, "v1", resource, subresource, namespace, name, **more)
        return self.authorizer(asked)


def run(work: Callable[[World], Awaitable[None]]) -> None:
    async def whole() -> None:
        storage = open_storage("memory:")
        world = World(storage)
        await work(world)
        world.authorizer.close()
        await storage.close()

    asyncio.run(whole())


NEEDED = [
    *(("secrets", name) for name in ("pull", "env-from", "env", "mounted", "projected", "csi")),
    *(("configmaps", name) for name in ("settings", "debug", "shared")),
    ("serviceaccounts", "sa"),
    ("persistentvolumeclaims", "data"),
    ("persistentvolumeclaims", "p-scratch"),
    ("pods", "p"),
]


@pytest.mark.parametrize(("resource", "name"), NEEDED)
def test_what_a_pod_needs_is_its_nodes_business_as_long_as_it_is_there(resource: str, name: str) -> None:
    async def work(world: World) -> None:
        unrelated = Decision(False, "no relationship found between node 'n1' and this object")
        assert world.may("get", resource, name) == unrelated
        await world.pod(node="n2")
        assert world.may("get", resource, name) == unrelated
        await world.pod()
        assert world.may("get", resource, name).allowed
        assert world.may("get", resource, name, namespace="b") == unrelated
        assert not world.may("delete", "secrets" if resource == "pods" else resource, name).allowed
        await world.pod("another")
        await world.storage.delete("/root/core/pods/a/another", lambda revision: b"{}")
        assert world.may("get", resource, name).allowed  # the first still needs it
        await world.storage.delete("/root/core/pods/a/p", lambda revision: b"{}")
        assert world.may("get", resource, name) == unrelated

    run(work)


def test_claims_of_devices_by_name_and_by_status() -> None:
    async def work(world: World) -> None:
        await world.pod()
        for name in ("direct", "made"):
            assert world.may("get", "resourceclaims", name, group="resource.k8s.io").allowed
        assert not world.may("get", "resourceclaims", "gpu", group="resource.k8s.io").allowed

    run(work)


def test_volumes_behind_claims_and_their_secrets() -> None:
    async def work(world: World) -> None:
        await world.put("core/persistentvolumes/pv", VOLUME)
        assert not world.may("get", "persistentvolumes", "pv", "").allowed
        await world.pod()
        assert world.may("get", "persistentvolumes", "pv", "").allowed
        assert world.may("get", "secrets", "stage", "vault").allowed
        assert not world.may("get", "secrets", "no", "a").allowed  # only the controller needs it
        await world.put("core/persistentvolumes/second", VOLUME)
        await world.storage.delete("/root/core/persistentvolumes/second", lambda revision: b"{}")
        assert world.may("get", "secrets", "stage", "vault").allowed
        await world.put("core/persistentvolumes/pv", {**VOLUME, "claimRef": {"namespace": "a", "name": "other"}})
        assert not world.may("get", "persistentvolumes", "pv", "").allowed
        assert not world.may("get", "secrets", "stage", "vault").allowed

    run(work)


def test_a_mirror_pod_gives_a_node_nothing() -> None:
    async def work(world: World) -> None:
        await world.pod(meta={"annotations": {"kubernetes.io/config.mirror": "x"}})
        assert world.may("get", "pods", "p").allowed
        assert not world.may("get", "secrets", "mounted").allowed
        assert not world.may("create", "serviceaccounts/token", "sa").allowed

    run(work)


def test_attachments_slices_and_certificate_requests() -> None:
    async def work(world: World) -> None:
        things = (
            ("storage.k8s.io", "volumeattachments", ""),
            ("resource.k8s.io", "resourceslices", ""),
            ("certificates.k8s.io", "podcertificaterequests", "a"),
        )
        for group, resource, namespace in things:
            key = f"{group}/{resource}/" + (f"{namespace}/" if namespace else "")
            meta = {"namespace": namespace} if namespace else {}
            await world.put(f"{key}mine", {"nodeName": "n1"}, meta=meta)
            await world.put(f"{key}theirs", {"nodeName": "n2"}, meta=meta)
            assert world.may("get", resource, "mine", namespace, group=group).allowed
            assert not world.may("get", resource, "theirs", namespace, group=group).allowed

    run(work)


def test_lists_must_be_of_the_nodes_own() -> None:
    async def work(world: World) -> None:
        mine, theirs = Selectors("spec.nodeName=n1"), Selectors("spec.nodeName=n2")
        not_mine = Selectors("spec.nodeName!=n1")
        for resource, group in (("pods", ""), ("resourceslices", "resource.k8s.io")):
            for verb in ("list", "watch"):
                assert world.may(verb, resource, namespace="", group=group, selectors=mine).allowed
                for selectors in (None, theirs, not_mine, Selectors("spec.nodeName=n1=")):
                    refused = world.may(verb, resource, namespace="", group=group, selectors=selectors)
                    assert not refused.allowed
                    assert "nodeName field selector" in refused.reason
        assert world.may("list", "secrets", namespace="") == Decision(
            False, "can only read namespaced object of this type"
        )
        assert world.may("list", "secrets") == Decision(False, "No Object name found")

    run(work)


@pytest.mark.parametrize(
    ("verb", "resource", "group", "namespace", "name", "allowed"),
    [
        ("get", "nodes", "", "", "n1", True),
        ("get", "nodes", "", "", "n2", False),
        ("list", "nodes", "", "", "", False),
        ("update", "nodes/status", "", "", "n1", True),
        ("delete", "nodes", "", "", "n1", False),
        ("update", "leases", "coordination.k8s.io", "kube-node-lease", "n1", True),
        ("update", "leases", "coordination.k8s.io", "kube-node-lease", "n2", False),
        ("update", "leases", "coordination.k8s.io", "kube-system", "n1", False),
        ("list", "leases", "coordination.k8s.io", "kube-node-lease", "", False),
        ("get", "csinodes", "storage.k8s.io", "", "n1", True),
        ("get", "csinodes", "storage.k8s.io", "", "n2", False),
        ("create", "pods", "", "a", "", True),
        ("create", "pods/eviction", "", "a", "p", True),
        ("update", "pods", "", "a", "p", False),
        ("create", "events", "", "a", "", True),
        ("get", "services", "", "a", "x", True),
        ("create", "tokenreviews", "authentication.k8s.io", "", "", True),
        ("create", "deployments", "apps", "a", "", False),
    ],
)
def test_what_is_always_or_never_a_nodes_business(
    verb: str, resource: str, group: str, namespace: str, name: str, allowed: bool
) -> None:
    async def work(world: World) -> None:
        assert world.may(verb, resource, name, namespace, group=group).allowed is allowed

    run(work)


def test_only_nodes_are_nodes() -> None:
    async def work(world: World) -> None:
        asked = Attributes(NODE, "get", "", True, "", "v1", "nodes", "", "", "n1")
        assert world.authorizer(asked).allowed
        for user in (User("system:node:n1"), User("n1", groups=("system:nodes",)), User("eve")):
            assert world.authorizer(Attributes(user, "get", "", True, "", "v1", "nodes", "", "", "n1")) == NO_OPINION
        nameless = User("system:node:", groups=("system:nodes",))
        assert "unknown node" in world.authorizer(Attributes(nameless, "get", "/")).reason
        assert world.authorizer.rules(NODE, "a", "root").incomplete
        assert not world.authorizer.rules(User("eve"), "a", "root").incomplete

    run(work)
