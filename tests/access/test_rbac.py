"""Roles and bindings decide, and a change of them is seen by the next question."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from wherry.access.rbac import Rbac
from wherry.access.user import Attributes, Decision, User
from wherry.storage import open_storage
from wherry.storage.api import Storage

GROUP = "rbac.authorization.k8s.io"
EVE = User("eve", groups=("dev", "system:authenticated"))


def ask(verb: str, resource: str, namespace: str = "a", name: str = "", subresource: str = "") -> Attributes:
    return Attributes(EVE, verb, "", True, "", "v1", resource, subresource, namespace, name)


async def put(storage: Storage, kind: str, name: str, obj: dict[str, Any], namespace: str = "") -> str:
    key = f"/root/{GROUP}/{kind}/" + (f"{namespace}/{name}" if namespace else name)
    meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
    await storage.put(key, lambda _: orjson.dumps({"metadata": meta, **obj}))
    return key


def binding(kind: str, name: str, subject: dict[str, str]) -> dict[str, Any]:
    return {"roleRef": {"kind": kind, "name": name}, "subjects": [subject]}


def rule(**parts: list[str]) -> dict[str, Any]:
    return {"rules": [{"apiGroups": [""], **parts}]}


def test_decisions_and_reasons_follow_roles_and_bindings() -> None:
    async def run() -> None:
        storage = open_storage("memory:")
        rbac = Rbac(storage)
        assert rbac(ask("get", "pods")) == Decision(False, "")
        user = {"kind": "User", "name": "eve"}
        key = await put(storage, "rolebindings", "b", binding("Role", "r", user), "a")
        assert rbac(ask("get", "pods")) == Decision(False, f'RBAC: role.{GROUP} "r" not found')
        await put(storage, "roles", "r", rule(verbs=["get"], resources=["pods", "*/log"], resourceNames=["x"]), "a")
        assert rbac(ask("get", "pods", name="x")) == Decision(
            True, 'RBAC: allowed by RoleBinding "b/a" of Role "r" to User "eve"'
        )
        assert not rbac(ask("get", "pods", name="y")).allowed
        assert not rbac(ask("get", "pods")).allowed
        assert not rbac(ask("get", "pods", "other", "x")).allowed
        assert not rbac(ask("get", "pods", name="x", subresource="exec")).allowed
        assert rbac(ask("get", "pods", name="x", subresource="log")).allowed
        await storage.delete(key, lambda _: b"{}")
        assert not rbac(ask("get", "pods", name="x")).allowed
        rbac.close()
        await storage.close()

    asyncio.run(run())


def test_groups_and_paths_by_cluster_roles() -> None:
    async def run() -> None:
        storage = open_storage("memory:")
        rbac = Rbac(storage)
        paths = {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/metrics", "/logs/*"]}]}
        await put(storage, "clusterroles", "c", paths)
        await put(storage, "clusterrolebindings", "cb", binding("ClusterRole", "c", {"kind": "Group", "name": "dev"}))
        why = 'RBAC: allowed by ClusterRoleBinding "cb" of ClusterRole "c" to Group "dev"'
        assert rbac(Attributes(EVE, "get", "/logs/a")) == Decision(True, why)
        assert rbac(Attributes(EVE, "get", "/metrics")).allowed
        assert not rbac(Attributes(EVE, "post", "/metrics")).allowed
        assert not rbac(Attributes(EVE, "get", "/metrics/more")).allowed
        assert not rbac(Attributes(User("bob"), "get", "/metrics")).allowed
        rbac.close()
        await storage.close()

    asyncio.run(run())


def test_a_star_covers_subresources_that_are_named_as_such() -> None:
    async def run() -> None:
        storage = open_storage("memory:")
        rbac = Rbac(storage)
        await put(storage, "clusterroles", "c", rule(verbs=["get"], resources=["*/log"]))
        await put(storage, "clusterrolebindings", "cb", binding("ClusterRole", "c", {"kind": "User", "name": "eve"}))
        assert rbac(ask("get", "pods", subresource="log")).allowed
        assert not rbac(ask("get", "pods/log")).allowed
        assert not rbac(ask("get", "log")).allowed
        rbac.close()
        await storage.close()

    asyncio.run(run())


def test_a_warm_decision_looks_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many roles there are: what was asked before is answered from memory until a role or binding changes."""

    async def run() -> None:
        storage = open_storage("memory:")
        rbac = Rbac(storage)
        user = {"kind": "User", "name": "eve"}
        for number in range(50):
            await put(storage, "roles", f"r{number}", rule(verbs=["get"], resources=["pods"]), "a")
            await put(storage, "rolebindings", f"b{number}", binding("Role", f"r{number}", user), "a")
        assert rbac(ask("get", "pods")).allowed
        assert not rbac(ask("list", "pods")).allowed
        found: list[str] = []
        monkeypatch.setattr("wherry.access.rbac._grants", lambda *given: found.append("grants") or [])
        monkeypatch.setattr("wherry.access.rbac._compile", lambda *given: found.append("compile"))
        for _ in range(3):
            assert rbac(ask("get", "pods", name="any")).allowed
            assert not rbac(ask("list", "pods")).allowed
        assert found == []
        monkeypatch.undo()
        await storage.delete(f"/root/{GROUP}/roles/a/r0", lambda revision: b"{}")
        assert rbac(ask("get", "pods")).allowed  # by another role
        rbac.close()
        await storage.close()

    asyncio.run(run())
