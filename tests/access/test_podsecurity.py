"""Pod Security on writes: namespaces, pods, templates, and who is exempt."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from wherry import errors
from wherry.access.admission import Ask
from wherry.access.plugins import podsecurity
from wherry.access.plugins.podsecurity import Exemptions, PodSecurity
from wherry.access.user import User
from wherry.storage import open_storage
from wherry.store.context import WriteContext
from wherry.store.registry import Registry
from wherry.store.store import Store

P = podsecurity.PREFIX
BASELINE = {P + "enforce": "baseline"}


class World:
    """A store with one namespace, and a plugin over it."""

    def __init__(self, labels: dict[str, str], exemptions: Exemptions | None = None):
        self.storage = open_storage("memory:")
        self.registry = Registry()
        self.plugin = PodSecurity(Store(self.storage, lambda: 0.0), exemptions=exemptions)
        self.ctx = WriteContext()
        self.put("/root/core/namespaces/ns", {"metadata": {"name": "ns", "labels": labels}})

    def put(self, key: str, obj: dict[str, Any]) -> None:
        asyncio.run(self.storage.put(key, lambda _: orjson.dumps(obj)))

    def ask(self, path: str, obj: Any, old: Any = None, sub: str = "", user: str = "u", name: str = "x") -> None:
        group, version, resource = path.split("/")
        d = self.registry.find("root", group, version, resource)
        assert d is not None
        self.ctx = WriteContext()
        operation = "UPDATE" if old else "CREATE"
        namespace = "ns" if d.resource.namespaced else ""
        asyncio.run(self.plugin.plugin(Ask(operation, d, namespace, name, sub, User(user), obj, old, self.ctx)))


def pod(image: str = "i", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def test_a_pod_that_the_level_forbids_is_refused() -> None:
    world = World(BASELINE)
    world.ask("/v1/pods", pod())
    with pytest.raises(errors.Forbidden) as no:
        world.ask("/v1/pods", pod(hostPID=True))
    assert no.value.message == (
        'pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)'
    )
    assert world.ctx.annotations == {P + "enforce-policy": "baseline:latest"}
    assert not world.ctx.warnings


def test_an_update_counts_when_it_changes_an_image_or_a_container() -> None:
    world = World(BASELINE)
    world.ask("/v1/pods", pod(hostPID=True), pod(hostPID=True))
    world.ask("/v1/pods", pod("other", hostPID=True), pod(hostPID=True), sub="status")
    with pytest.raises(errors.Forbidden):
        world.ask("/v1/pods", pod("other", hostPID=True), pod(hostPID=True))
    debugged = pod(ephemeralContainers=[{"name": "d", "securityContext": {"privileged": True}}])
    with pytest.raises(errors.Forbidden):
        world.ask("/v1/pods", debugged, pod(), sub="ephemeralcontainers")


def test_templates_are_warned_of_and_never_refused() -> None:
    world = World({**BASELINE, P + "audit": "baseline"})
    template = {"template": {"metadata": {}, "spec": pod(hostPID=True)["spec"]}}
    said = 'would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)'
    world.ask("apps/v1/deployments", {"metadata": {}, "spec": template})
    assert world.ctx.warnings == [said]
    assert world.ctx.annotations == {P + "audit-violations": said}
    world.ask("batch/v1/cronjobs", {"metadata": {}, "spec": {"jobTemplate": {"spec": template}}})
    assert world.ctx.warnings == [said]
    world.ask("/v1/replicationcontrollers", {"metadata": {}, "spec": {}})
    assert not world.ctx.warnings


def test_exemptions() -> None:
    exempt = Exemptions(usernames=frozenset(["boss"]), runtime_classes=frozenset(["gvisor"]))
    world = World(BASELINE, exempt)
    world.ask("/v1/pods", pod(hostPID=True), user="boss")
    assert world.ctx.annotations == {P + "exempt": "user"}
    world.ask("/v1/pods", pod(hostPID=True, runtimeClassName="gvisor"))
    assert world.ctx.annotations == {P + "exempt": "runtimeClass"}
    world = World(BASELINE, Exemptions(namespaces=frozenset(["ns"])))
    world.ask("/v1/pods", pod(hostPID=True))
    assert world.ctx.annotations == {P + "exempt": "namespace"}
    world.ask("/v1/namespaces", {"metadata": {"name": "ns", "labels": BASELINE}}, name="ns")
    policy = "enforce=baseline:latest"  # warnings follow, but no label asks for them
    said = f'namespace "ns" is exempt from Pod Security, and the policy ({policy}) will be ignored'
    assert world.ctx.warnings == [said]


def test_labels_must_be_valid_when_they_are_set() -> None:
    world = World({})
    bad = {"metadata": {"name": "ns", "labels": {P + "warn": "x"}}}
    with pytest.raises(errors.Invalid, match=r'Namespace "ns" is invalid: metadata.labels\[.*warn\]: Invalid value'):
        world.ask("/v1/namespaces", bad, name="ns")
    world.ask("/v1/namespaces", bad, bad, name="ns")  # they were there before
    with pytest.raises(errors.Invalid):
        world.ask("/v1/namespaces", bad, {"metadata": {"name": "ns"}}, name="ns")


def test_a_stricter_level_warns_of_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World({})
    for name in ("b", "a", "c"):
        world.put(f"/root/core/pods/ns/{name}", {**pod(hostPID=True), "metadata": {"name": name}})
    new, old = {"metadata": {"name": "ns", "labels": BASELINE}}, {"metadata": {"name": "ns"}}
    world.ask("/v1/namespaces", new, old, name="ns")
    there = 'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"'
    assert world.ctx.warnings == [there, "a (and 2 other pods): host namespaces"]
    world.ask("/v1/namespaces", old, new, name="ns")
    assert not world.ctx.warnings
    monkeypatch.setattr(podsecurity, "MOST_PODS", 2)
    world.ask("/v1/namespaces", new, old, name="ns")
    first = "new PodSecurity enforce level only checked against the first 2 of 3 existing pods"
    assert world.ctx.warnings == [first, there, "a (and 1 other pod): host namespaces"]


def test_pods_of_one_controller_come_last() -> None:
    plugin = World({}).plugin

    def owned(name: str, uid: str) -> dict[str, Any]:
        return {**pod(), "metadata": {"name": name, "ownerReferences": [{"uid": uid, "controller": True}]}}

    pods = [owned("a", "1"), owned("b", "1"), owned("c", "2"), {**pod(), "metadata": {"name": "d"}}]
    assert [p["metadata"]["name"] for p in plugin._prioritized(pods)] == ["a", "c", "d", "b"]
