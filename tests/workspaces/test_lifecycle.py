"""Workspaces come, are found, and go."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.workspaces.many import ADMIN, WORKSPACES, Many, names, somebody

CM = "/api/v1/namespaces/default/configmaps"
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "foos.example.com"},
    "spec": {
        "group": "example.com",
        "names": {"kind": "Foo", "plural": "foos"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def test_a_workspace_is_ready_when_its_create_is_answered_and_has_an_api_of_its_own() -> None:
    with Many() as many:
        cluster = many.make("root:team")
        found = many.must("GET", f"{WORKSPACES}/team")
        assert found["status"]["phase"] == "Ready"
        assert found["spec"]["URL"] == "https://here/clusters/root:team"
        assert found["metadata"]["labels"]["tenancy.kcp.io/phase"] == "Ready"
        assert many.config_map("root:team", "a")[0] == 201
        assert names(many.must("GET", f"/clusters/{cluster}{CM}")) == ["a"]
        assert names(many.must("GET", CM)) == []
        own = many.must("GET", f"/clusters/{cluster}/apis/core.kcp.io/v1alpha1/logicalclusters/cluster")
        assert own["spec"]["owner"]["name"] == "team"
        assert own["metadata"]["annotations"]["kcp.io/path"] == "root:team"


def test_paths_ids_and_hosts_lead_to_the_same_place() -> None:
    with Many() as many:
        many.make("root:org")
        cluster = many.make("root:org:app")
        many.config_map("root:org:app", "a")
        parent = many.workspaces.tree.resolve("root:org")
        for path in (f"/clusters/{cluster}{CM}", f"/clusters/{parent}:app{CM}"):
            assert names(many.must("GET", path)) == ["a"]
        assert names(many.must("GET", CM, host="app.org.localhost:6443")) == ["a"]
        assert names(many.must("GET", CM, host="root.localhost")) == []
        assert many.ask("GET", CM, host="nobody.localhost")[0] == 404


def test_definitions_live_in_one_workspace() -> None:
    with Many() as many:
        many.make("root:a")
        many.make("root:b")
        many.must("POST", "/clusters/root:a/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD)
        foo = {"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "f"}}
        path = "/apis/example.com/v1/namespaces/default/foos"
        assert many.ask("POST", f"/clusters/root:a{path}", foo)[0] == 201
        assert many.ask("GET", f"/clusters/root:b{path}")[0] == 404
        groups = many.must("GET", "/clusters/root:b/apis")["groups"]
        assert "example.com" not in {group["name"] for group in groups}
        assert "tenancy.kcp.io" in {group["name"] for group in groups}


def test_deleting_a_workspace_takes_everything_below_it() -> None:
    with Many() as many:
        many.make("root:org")
        many.make("root:org:app")
        before = set(many.storage.spaces())
        many.must("DELETE", f"{WORKSPACES}/org")
        many.settle()
        assert many.ask("GET", f"{WORKSPACES}/org")[0] == 404
        assert many.ask("GET", f"/clusters/root:org:app{CM}")[0] == 404
        assert len(before - set(many.storage.spaces())) == 2
        assert [c for c in many.workspaces.tree.clusters() if c != "root"] == []


def test_a_finalizer_on_the_logical_cluster_holds_the_deletion() -> None:
    with Many() as many:
        cluster = many.make("root:org")
        place = f"/clusters/{cluster}/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
        merge = "application/merge-patch+json"
        many.must(
            "PATCH", place, {"metadata": {"finalizers": ["core.kcp.io/logicalcluster", "x.io/wait"]}}, media=merge
        )
        many.must("DELETE", f"{WORKSPACES}/org")
        many.settle()
        found = many.must("GET", f"{WORKSPACES}/org")
        condition = next(c for c in found["status"]["conditions"] if c["type"] == "WorkspaceContentDeleted")
        assert condition["reason"] == "SomeFinalizersRemain"
        assert "x.io/wait in root:org" in condition["message"]
        many.must("PATCH", place, {"metadata": {"finalizers": ["core.kcp.io/logicalcluster"]}}, media=merge)
        many.settle()
        assert many.ask("GET", f"{WORKSPACES}/org")[0] == 404


def test_workspaces_outlive_a_restart(tmp_path: Path) -> None:
    with Many(f"sqlite://{tmp_path}") as many:
        many.make("root:org")
        cluster = many.make("root:org:app")
        many.config_map("root:org:app", "a")
        many.again()
        assert many.workspaces.tree.path(cluster) == "root:org:app"
        assert names(many.must("GET", f"/clusters/root:org:app{CM}")) == ["a"]
        many.must("DELETE", f"{WORKSPACES}/org")
        many.settle()
        many.again()
        assert many.ask("GET", f"/clusters/{cluster}{CM}")[0] == 404


def test_addresses_follow_the_server_to_another_port(tmp_path: Path) -> None:
    with Many(f"sqlite://{tmp_path}") as many:
        many.make("root:org")
        many.make("root:org:app")
        many.base = "https://there:2"
        many.again()
        path = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
        many.until(lambda: many.must("GET", path)["status"]["URL"] == "https://there:2/clusters/root")
        for place, name in (("", "org"), ("/clusters/root:org", "app")):
            found = many.must("GET", f"{place}{WORKSPACES}/{name}")
            assert found["spec"]["URL"].startswith("https://there:2/clusters/root:org")
        for place in ("", "/clusters/root:org", "/clusters/root:org:app"):
            assert many.must("GET", place + path)["status"]["URL"].startswith("https://there:2/clusters/root")


def test_types_say_what_may_stand_where_and_initializers_hold_a_workspace_back() -> None:
    with Many() as many:
        path = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
        kind = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType"}
        many.must("POST", path, {**kind, "metadata": {"name": "shy"}, "spec": {"limitAllowedParents": {"none": True}}})
        many.must("POST", path, {**kind, "metadata": {"name": "slow"}, "spec": {"initializer": True}})
        itself = {"extend": {"with": [{"name": "loop", "path": "root"}]}}
        many.must("POST", path, {**kind, "metadata": {"name": "loop"}, "spec": itself})
        body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "x"}}

        def refused(name: str, where: str = "root") -> str:
            asked = {**body, "spec": {"type": {"name": name, "path": where}}}
            status, answer = many.ask("POST", WORKSPACES, asked)
            assert status == 403
            return str(answer["message"])

        assert "workspace type root:shy cannot have any parent" in refused("shy")
        assert "circular dependency detected in workspace type root:loop" in refused("loop")
        assert "'root:none' not found" in refused("none")
        assert "only allows [root:organization root:team] parent workspaces" in refused("team")
        cluster = many.make("root:later", type={"name": "slow", "path": "root"})
        assert many.must("GET", f"{WORKSPACES}/later")["status"]["phase"] == "Initializing"
        own = f"/clusters/{cluster}/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
        found = many.must("GET", own)
        assert found["status"]["initializers"] == ["root:slow"]
        del found["status"]["initializers"]
        many.must("PUT", f"{own}/status", found)
        many.settle()
        assert many.must("GET", f"{WORKSPACES}/later")["status"]["phase"] == "Ready"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"cluster": "root"}, "spec.cluster can only be set by system privileged users"),
        ({"URL": "https://x"}, "spec.URL can only be set by system privileged users"),
        ({"mount": {"ref": {"apiVersion": "v1", "kind": "X", "name": "x"}}}, "leave out spec.mount"),
    ],
)
def test_what_the_system_says_nobody_else_says(spec: dict[str, object], text: str) -> None:
    with Many() as many:
        body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "x"}, "spec": spec}
        status, answer = many.ask("POST", WORKSPACES, body)
        assert status == 403
        assert text in answer["message"]


def test_names_are_checked_and_trees_have_a_bottom() -> None:
    with Many() as many:
        body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "a.b"}}
        assert many.ask("POST", WORKSPACES, body)[0] == 422
        path = "root"
        for _ in range(31):
            path = f"{path}:w"
            many.make(path)
        status, answer = many.ask("POST", f"/clusters/{path}{WORKSPACES}", {**body, "metadata": {"name": "w"}})
        assert (status, "may stand 32 deep at most" in answer["message"]) == (403, True)


def test_nobody_writes_a_logical_cluster() -> None:
    with Many() as many:
        cluster = many.make("root:x")
        own = f"/clusters/{cluster}/apis/core.kcp.io/v1alpha1/logicalclusters"
        found = many.must("GET", f"{own}/cluster")
        assert many.ask("DELETE", f"{own}/cluster", user=ADMIN)[0] == 403
        found["spec"]["owner"]["cluster"] = "root"
        found["spec"]["owner"]["name"] = "other"
        assert many.ask("PUT", f"{own}/cluster", found)[0] == 403
        found = many.must("GET", f"{own}/cluster")
        found["metadata"]["annotations"]["kcp.io/cluster"] = "root"
        assert many.ask("PUT", f"{own}/cluster", found)[0] == 403


def test_lists_and_watches_over_all_workspaces_say_where_an_object_is() -> None:
    with Many() as many:
        a, b = many.make("root:a"), many.make("root:b")
        many.config_map("root:a", "one", x="1")
        many.config_map("root:b", "two")
        listed = many.must("GET", "/clusters/*/api/v1/configmaps")
        where = {i["metadata"]["name"]: i["metadata"]["annotations"]["kcp.io/cluster"] for i in listed["items"]}
        assert where == {"one": a, "two": b}
        since = listed["metadata"]["resourceVersion"]
        many.config_map("root:b", "three")
        many.must("DELETE", f"/clusters/{a}{CM}/one")
        many.config_map("root", "four")
        events = many.lines(f"/clusters/*/api/v1/configmaps?watch=1&resourceVersion={since}", 3)
        assert events == [("ADDED", b, "three"), ("DELETED", a, "one"), ("ADDED", "root", "four")]
        everything = many.lines("/clusters/*/api/v1/namespaces/default/configmaps?watch=1", 3)
        assert sorted(name for _, _, name in everything) == ["four", "three", "two"]
        assert many.ask("POST", "/clusters/*/api/v1/namespaces/default/configmaps", {})[0] == 405
        assert many.ask("GET", "/clusters/*/apis/example.com/v1/foos")[0] == 404


def test_a_type_of_another_workspace_takes_the_right_to_use_it_whether_or_not_that_one_is_awake() -> None:
    with Many() as many:
        rbac = "/apis/rbac.authorization.k8s.io/v1"

        def grant(where: str, role: dict[str, object]) -> None:
            meta = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "g"}}
            many.must("POST", f"{where}{rbac}/clusterroles", {**meta, "kind": "ClusterRole", "rules": [role]})
            group = {"apiGroup": "rbac.authorization.k8s.io"}
            subjects = [{**group, "kind": "User", "name": "ann"}]
            binding = {**meta, "kind": "ClusterRoleBinding", "subjects": subjects}
            binding["roleRef"] = {**group, "kind": "ClusterRole", "name": "g"}
            many.must("POST", f"{where}{rbac}/clusterrolebindings", binding)

        grant("", {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspaces"], "verbs": ["create"]})
        cluster = many.make("root:lib")
        place = "/clusters/root:lib"
        kind = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType", "metadata": {"name": "own"}}
        many.must("POST", f"{place}/apis/tenancy.kcp.io/v1alpha1/workspacetypes", {**kind, "spec": {}})
        spec = {"type": {"name": "own", "path": "root:lib"}}
        body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "x"}, "spec": spec}
        status, answer = many.ask("POST", WORKSPACES, body, user=somebody("ann"))
        assert (status, "missing verb='use' permission" in answer["message"]) == (403, True)
        use = {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspacetypes"], "verbs": ["use"]}
        grant(place, use)
        status, _ = many.ask("POST", WORKSPACES, body, user=somebody("ann"))
        assert status == 403  # the right to enter the other workspace is missing
        path = f"{place}{rbac}/clusterroles/g"
        role = many.must("GET", path)
        role["rules"].append({"nonResourceURLs": ["/"], "verbs": ["access"]})
        many.must("PUT", path, role)
        many.run(many.workspaces.front.forget(cluster))  # asleep
        assert many.ask("POST", WORKSPACES, body, user=somebody("ann"))[0] == 201
