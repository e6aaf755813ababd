"""The smaller plugins: what they add, what they refuse, and how they are switched on and off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from wherry.access.plugins import options
from wherry.access.plugins.options import AdmissionOptions
from wherry.errors import ConfigurationError

from .admission_world import World, with_world

PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"
RULES = "/apis/rbac.authorization.k8s.io/v1"


def pod(name: str = "p", labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    meta = {"name": name, **({"labels": labels} if labels else {})}
    container = {"name": "c", "image": "i:1"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container], **spec}}


def run(test: Any, *enabled: str, **more: Any) -> None:
    async def prepared(world: World) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await world.call("POST", "/api/v1/namespaces/default/serviceaccounts", account)
        await test(world)

    with_world(prepared, plugins=AdmissionOptions(frozenset(enabled), **more))


async def node(world: World, name: str = "n", **status: Any) -> Any:
    labels = {"topology.kubernetes.io/zone": "z", "kubernetes.io/os": "linux", "other": "x"}
    obj = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status}
    return await world.made("/api/v1/nodes", obj)


async def refusal(world: World, method: str, path: str, body: Any, user: str = "", media: str = "") -> str:
    status, answer = await world.call(method, path, body, media or "application/json", user=user)
    assert status >= 400, answer
    return str(answer["message"])


# --- pods and nodes --------------------------------------------------------------------------------------------------


def test_a_pod_on_a_node_is_where_the_node_is() -> None:
    async def test(world: World) -> None:
        await node(world)
        made = await world.made(PODS, pod(nodeName="n"))
        assert made["metadata"]["labels"] == {"topology.kubernetes.io/zone": "z"}
        await world.made(PODS, pod("later"))
        target = {"apiVersion": "v1", "kind": "Node", "name": "n"}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "later"}, "target": target}
        await world.made(f"{PODS}/later/binding", binding)
        _, bound = await world.call("GET", f"{PODS}/later")
        assert bound["metadata"]["labels"] == {"topology.kubernetes.io/zone": "z"}

    run(test)


def test_a_pod_grows_no_further_than_its_node() -> None:
    async def test(world: World) -> None:
        await node(world, allocatable={"cpu": "2", "memory": "1Gi"})
        first = pod(nodeName="n")
        first["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}
        await world.made(PODS, first)

        def asked(cpu: str) -> dict[str, Any]:
            resources = {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}
            return {"spec": {"containers": [{"name": "c", "resources": resources}]}}

        strategic = "application/strategic-merge-patch+json"
        said = await refusal(world, "PATCH", f"{PODS}/p/resize", asked("3"), media=strategic)
        assert said == (
            'pods "p" is forbidden: node didn\'t have enough allocatable resources: '
            "cpu, requested: 3000, allocatable: 2000"
        )
        assert (await world.call("PATCH", f"{PODS}/p/resize", asked("2"), strategic))[0] == 200

    run(test)


def test_always_pull_images() -> None:
    async def test(world: World) -> None:
        made = await world.made(PODS, pod())
        assert made["spec"]["containers"][0]["imagePullPolicy"] == "Always"

    run(test, "AlwaysPullImages")


def test_extended_resources_are_tolerated() -> None:
    async def test(world: World) -> None:
        wanted = pod()
        resources = {"requests": {"example.com/gpu": "1", "cpu": "1"}, "limits": {"example.com/gpu": "1"}}
        wanted["spec"]["containers"][0]["resources"] = resources
        made = await world.made(PODS, wanted)
        found = [t for t in made["spec"]["tolerations"] if t["effect"] == "NoSchedule"]
        assert found == [{"key": "example.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]

    run(test, "ExtendedResourceToleration")


def test_hard_anti_affinity_stays_on_a_host() -> None:
    async def test(world: World) -> None:
        def apart(key: str) -> dict[str, Any]:
            term = {"topologyKey": key, "labelSelector": {}}
            return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}

        await world.made(PODS, pod(affinity=apart("kubernetes.io/hostname")))
        said = await refusal(world, "POST", PODS, pod("q", affinity=apart("zone")))
        assert "has TopologyKey zone but only key kubernetes.io/hostname is allowed" in said

    run(test, "LimitPodHardAntiAffinityTopology")


def test_node_selectors_of_namespaces() -> None:
    async def test(world: World) -> None:
        notes = {"metadata": {"annotations": {"scheduler.alpha.kubernetes.io/node-selector": "env=test, a=b"}}}
        await world.call("PATCH", "/api/v1/namespaces/default", notes, MERGE)
        made = await world.made(PODS, pod(nodeSelector={"c": "d"}))
        assert made["spec"]["nodeSelector"] == {"env": "test", "a": "b", "c": "d"}
        said = await refusal(world, "POST", PODS, pod("q", nodeSelector={"env": "live"}))
        assert said.endswith("pod node label selector conflicts with its namespace node label selector")

    run(test, "PodNodeSelector")


# --- namespaces, services, owners ------------------------------------------------------------------------------------


def test_namespaces_come_by_themselves() -> None:
    async def test(world: World) -> None:
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
        assert (await world.call("POST", "/api/v1/namespaces/new/configmaps?dryRun=All", obj))[0] == 404
        assert (await world.call("POST", "/api/v1/namespaces/new/configmaps", obj))[0] == 201
        assert (await world.call("GET", "/api/v1/namespaces/new"))[0] == 200

    run(test, "NamespaceAutoProvision")


def test_external_addresses_are_denied_where_they_are_new() -> None:
    async def test(world: World) -> None:
        path = "/api/v1/namespaces/default/services"
        service: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
        service["spec"] = {"ports": [{"port": 1}], "externalIPs": ["203.0.113.1"]}
        assert "Use of external IPs is denied" in await refusal(world, "POST", path, service)
        del service["spec"]["externalIPs"]
        await world.made(path, service)

    run(test, "DenyServiceExternalIPs")


def test_owners_are_set_by_those_who_may_delete() -> None:
    async def test(world: World) -> None:
        rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "update", "patch", "get"]}
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}}
        await world.made(f"{RULES}/namespaces/default/roles", {**role, "rules": [rule]})
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "u"}
        ref = {"kind": "Role", "apiGroup": "rbac.authorization.k8s.io", "name": "r"}
        binding = {**role, "kind": "RoleBinding", "subjects": [subject], "roleRef": ref}
        await world.made(f"{RULES}/namespaces/default/rolebindings", binding)
        _, owner = await world.configmap("owner")
        path = "/api/v1/namespaces/default/configmaps"
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
        child = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "ownerReferences": [reference]}}
        assert (await world.call("POST", path, child, user="u"))[0] == 201
        blocking = {**reference, "blockOwnerDeletion": True}
        child["metadata"] = {"name": "d", "ownerReferences": [blocking]}
        said = await refusal(world, "POST", path, child, user="u")
        assert (
            "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers" in said
        )
        patch = {"metadata": {"ownerReferences": []}}
        said = await refusal(world, "PATCH", f"{path}/c", patch, user="u", media=MERGE)
        assert "cannot set an ownerRef on a resource you can't delete" in said

    run(test, "OwnerReferencesPermissionEnforcement")


def test_nodes_keep_to_themselves() -> None:
    async def test(world: World) -> None:
        made = await node(world)
        me = "system:node:n"
        rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "all"}}
        await world.made(f"{RULES}/clusterroles", {**role, "rules": [rule]})
        subject = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:nodes"}
        ref = {"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": "all"}
        binding = {**role, "kind": "ClusterRoleBinding", "subjects": [subject], "roleRef": ref}
        await world.made(f"{RULES}/clusterrolebindings", binding)

        async def no(method: str, path: str, body: Any = None) -> str:
            return await refusal(world, method, path, body, user=me, media=MERGE if method == "PATCH" else "")

        await node(world, "other")
        assert 'is not allowed to modify node "other"' in await no("PATCH", "/api/v1/nodes/other", {"spec": {}})
        tainted = {"spec": {"taints": []}}
        assert "not allowed to modify taints" in await no("PATCH", "/api/v1/nodes/n", tainted)
        labels = {"metadata": {"labels": {"node-restriction.kubernetes.io/x": "y", "mine": "z"}}}
        assert "not allowed to modify labels: node-restriction.kubernetes.io/x" in await no(
            "PATCH", "/api/v1/nodes/n", labels
        )
        await world.made(PODS, pod("elsewhere", nodeName="other"))
        assert "can only delete pods with spec.nodeName set to itself" in await no("DELETE", f"{PODS}/elsewhere")
        mirror = pod("static", nodeName="n")
        assert "can only create mirror pods" in await no("POST", PODS, mirror)
        mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
        owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "controller": True, "uid": "wrong"}
        mirror["metadata"]["ownerReferences"] = [owner]
        assert "UID mismatch" in await no("POST", PODS, mirror)
        owner["uid"] = made["metadata"]["uid"]
        assert (await world.call("POST", PODS, mirror, user=me))[0] == 201

    run(test, "NodeRestriction")


# --- which are on ----------------------------------------------------------------------------------------------------


def test_a_default_plugin_can_be_switched_off() -> None:
    async def test(world: World) -> None:
        names = world.handler.api.admission.mutating.names()
        assert "PodTopologyLabels" not in names
        assert names.index("LimitRanger") < names.index("Priority") < names.index("MutatingAdmissionWebhook")
        await node(world)
        made = await world.made(PODS, pod(nodeName="n"))
        assert "labels" not in made["metadata"]

    run(test, disabled=frozenset(["PodTopologyLabels"]))


def test_names_must_be_known() -> None:
    assert options.make(["AlwaysDeny"], ["PodSecurity", "EventRateLimit"]).on("AlwaysDeny")
    with pytest.raises(ConfigurationError, match='disable-admission-plugins plugin "Nobody" is unknown'):
        options.make(disable=["Nobody"])
    with pytest.raises(ConfigurationError, match="is not there"):
        options.make(["ImagePolicyWebhook"])


def test_the_configuration_file(tmp_path: Path) -> None:
    security = {
        "kind": "PodSecurityConfiguration",
        "defaults": {"enforce": "baseline"},
        "exemptions": {"namespaces": ["kube-system"]},
    }
    (tmp_path / "security.yaml").write_bytes(orjson.dumps(security))
    plugins = [{"name": "PodSecurity", "path": "security.yaml"}]
    file = tmp_path / "admission.yaml"
    file.write_bytes(orjson.dumps({"kind": "AdmissionConfiguration", "plugins": plugins}))
    policy, exempt = options.pod_security(options.make(file=file).configuration["PodSecurity"])
    assert policy is not None
    assert exempt is not None
    assert str(policy.enforce) == "baseline:latest"
    assert exempt.namespaces == {"kube-system"}
    with pytest.raises(ConfigurationError, match="must be one of"):
        options.pod_security({**security, "defaults": {"warn": "x"}})
    file.write_text("kind: Other")
    with pytest.raises(ConfigurationError, match="not AdmissionConfiguration"):
        options.make(file=file)
    with pytest.raises(ConfigurationError, match="No such file"):
        options.make(file=tmp_path / "absent")


def test_defaults_hold_where_a_namespace_says_nothing() -> None:
    async def test(world: World) -> None:
        said = await refusal(world, "POST", PODS, pod(hostPID=True))
        assert said.endswith('violates PodSecurity "baseline:latest": host namespaces (hostPID=true)')

    security = {"kind": "PodSecurityConfiguration", "defaults": {"enforce": "baseline"}}
    run(test, configuration={"PodSecurity": security})
