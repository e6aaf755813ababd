"""A tenant reaches nothing of another: every verb, route, subresource, selector, token, watch, review and document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.workspaces.many import ADMIN, WORKSPACES, Many, names, parsed, somebody

from wherry.access.user import User
from wherry.server.http import Request

ANN, BOB, ANYONE = somebody("ann"), somebody("bob"), User("system:anonymous", groups=("system:unauthenticated",))
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CM = "/api/v1/namespaces/default/configmaps"
NAME, SECRET = "known-to-ann", "the-other-tenants-secret"


@pytest.fixture(scope="module")
def many() -> Iterator[Many]:
    """Ann owns root:ann, Bob root:bob; each has a kind, objects, an account. Neither is anybody in the root."""
    with Many() as found:
        rules = [{"apiGroups": ["tenancy.kcp.io"], "resources": ["workspaces"], "verbs": ["create"]}]
        found.must("POST", f"{RBAC}/clusterroles", named("ClusterRole", "maker", rules=rules))
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "maker"}
        for user in (ANN, BOB):
            subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user.name}
            binding = named("ClusterRoleBinding", f"maker-{user.name}", subjects=[subject], roleRef=ref)
            found.must("POST", f"{RBAC}/clusterrolebindings", binding)
            found.make(f"root:{user.name}", user=user)
            found.must("POST", f"/clusters/root:{user.name}{CRDS}", crd(user.name), user=user)
        assert found.config_map("root:bob", NAME, user=BOB, key=SECRET)[0] == 201
        robot = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
        found.must("POST", "/clusters/root:bob/api/v1/namespaces/default/serviceaccounts", robot, user=BOB)
        yield found


def named(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}, **more}


def crd(owner: str) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{owner}things.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": f"{owner.title()}Thing", "plural": f"{owner}things"},
            "scope": "Cluster",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def test_an_owner_can_do_everything_in_his_own(many: Many) -> None:
    assert names(many.must("GET", f"/clusters/root:bob{CM}", user=BOB)) == [NAME]
    assert many.ask("GET", "/clusters/root:ann/apis/example.com/v1/annthings", user=ANN)[0] == 200


QUERIES = ("watch=1", "limit=1", "labelSelector=a", "continue=x", "fieldSelector=metadata.name=a")


def routes(many: Many) -> list[tuple[str, str]]:
    """Every route of a workspace, resources with each of their verbs and subresources, from its discovery."""
    verbs = {"get": "GET", "list": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
    found = [("GET", p) for p in ("/", "/api", "/apis", "/version", "/healthz", "/readyz", "/metrics", "/openapi/v2")]
    found += [("GET", p) for p in ("/openapi/v3", "/.well-known/openid-configuration", "/openid/v1/jwks", "/none")]
    found += [("GET", f"/{p}?with=root:ann&into=root:ann") for p in ("difference", "merge")]
    found += [
        ("GET", f"/history?{p}")
        for p in (f"resource=configmaps&namespace=default&name={NAME}", "at=2999-01-01T00:00:00Z")
    ]
    place = "/clusters/root:bob"
    versions = ["/api/v1"]
    for group in many.must("GET", f"{place}/apis")["groups"]:
        versions += [f"/apis/{version['groupVersion']}" for version in group["versions"]]
    for root in versions:
        for resource in many.must("GET", place + root)["resources"]:
            name, _, subresource = resource["name"].partition("/")
            inside = "/namespaces/default" if resource["namespaced"] else ""
            for verb in resource["verbs"]:
                if verb in verbs:
                    one = "" if verb in ("list", "create") and not subresource else f"/{NAME}"
                    tail = f"/{subresource}" if subresource else ""
                    found.append((verbs[verb], f"{root}{inside}/{name}{one}{tail}"))
                if verb == "list":
                    found += [("GET", f"{root}/{name}?{query}") for query in QUERIES]
    return found


def test_no_route_of_a_workspace_tells_a_stranger_anything(many: Many) -> None:
    tried = 0
    for method, path in routes(many):
        for user in (ANN, ANYONE):
            status, answer = many.ask(method, f"/clusters/root:bob{path}", {} if method != "GET" else None, user=user)
            assert status == 403, (method, path, status)
            assert SECRET not in str(answer), path
            missing = many.ask(method, f"/clusters/root:nobody{path}", {} if method != "GET" else None, user=user)
            assert missing == (status, answer), (method, path)  # a workspace that is not there looks the same
            tried += 1
    assert tried > 1000


def test_by_id_by_host_and_by_crafted_paths_there_is_no_other_way_in(many: Many) -> None:
    cluster = many.workspaces.tree.resolve("root:bob")
    paths = [
        f"/clusters/{cluster}{CM}",
        f"/clusters/root:ann/../root:bob{CM}",
        f"/clusters/root:ann/clusters/root:bob{CM}",
        f"/clusters/root:ann:..:bob{CM}",
        f"/clusters//root:bob{CM}",
        f"/clusters/root:ann{CM}/../../../../clusters/root:bob{CM}",
        f"/clusters/ROOT:BOB{CM}",
        f"/clusters/root:bob;{CM}",
        f"/clusters/root::bob{CM}",
        f"/clusters/:bob{CM}",
        f"/clusters/root:bob:{CM}",
        f"/clusters/*:bob{CM}",
        f"/clusters/root:*{CM}",
        "/clusters/*/api/v1/configmaps",
        "/clusters/*/api/v1/configmaps?watch=1",
        f"/clusters/*{CM}",
        "/clusters/*/apis",
        f"/clusters/%2A{CM}",
        f"/clusters/template-0{CM}",
        *(f"/clusters/{name}{CM}" for name in many.storage.spaces() if name.startswith("template-")),
    ]
    for path in paths:
        status, answer = many.ask("GET", path, user=ANN)
        assert status in (403, 404), path
        assert "key" not in str(answer), path
    for host in ("bob.localhost", f"{cluster}.localhost", "root:bob.localhost", "bob.root.localhost", ".localhost"):
        status, answer = many.ask("GET", CM, user=ANN, host=host)
        assert status in (403, 404), host


def test_lists_counts_and_revisions_of_one_say_nothing_of_another(many: Many) -> None:
    place = f"/clusters/root:ann{CM}"
    before = many.must("GET", place, user=ANN)
    for number in range(5):
        many.config_map("root:bob", f"more-{number}", user=BOB)
    after = many.must("GET", place, user=ANN)
    assert after == before  # the revision of the list included
    many.config_map("root:ann", "mine", user=ANN)
    page = many.must("GET", "/clusters/root:ann/api/v1/namespaces?limit=1", user=ANN)
    token = page["metadata"]["continue"]
    for method, path in (("GET", f"/clusters/root:bob/api/v1/namespaces?limit=1&continue={token}"),):
        assert many.ask(method, path, user=ANN)[0] == 403
    bobs = many.must("GET", "/clusters/root:bob/api/v1/namespaces?limit=1", user=BOB)["metadata"]["continue"]
    mine = many.must("GET", f"/clusters/root:ann{CM}?limit=1&continue={bobs}", user=ANN)
    assert SECRET not in str(mine)


def test_a_watch_in_one_workspace_sees_no_event_of_another(many: Many) -> None:
    since = many.must("GET", f"/clusters/root:ann{CM}", user=ANN)["metadata"]["resourceVersion"]
    many.config_map("root:bob", "hidden", user=BOB)
    many.config_map("root:ann", "seen", user=ANN)
    events = many.lines(f"/clusters/root:ann{CM}?watch=1&resourceVersion={since}", 1, user=ANN)
    assert [name for _, _, name in events] == ["seen"]


def test_reviews_speak_of_their_own_workspace(many: Many) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    spec = {"resourceAttributes": {"verb": "list", "resource": "secrets", "namespace": "default"}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    assert many.must("POST", f"/clusters/root:ann{path}", body, user=ANN)["status"]["allowed"] is True
    assert many.ask("POST", f"/clusters/root:bob{path}", body, user=ANN)[0] == 403
    assert many.must("POST", path, body, user=ANN)["status"]["allowed"] is False


def test_documents_show_ones_own_kinds_only(many: Many) -> None:
    text = str(many.must("GET", "/clusters/root:ann/apis/example.com/v1", user=ANN))
    assert "annthings" in text
    assert "bobthings" not in text
    assert many.ask("GET", "/clusters/root:ann/apis/example.com/v1/bobthings", user=ANN)[0] == 404
    root = [group["name"] for group in many.must("GET", "/apis")["groups"]]
    assert "example.com" not in root


def test_an_account_is_known_in_its_own_workspace_alone(many: Many) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/robot/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = many.must("POST", f"/clusters/root:bob{path}", body, user=BOB)["status"]["token"]

    def with_token(where: str) -> int:
        request = Request("GET", where + CM, where + CM, "", [("authorization", f"Bearer {token}")])
        return int(many.run(many.workspaces.front(request)).status)

    assert with_token("/clusters/root:bob") == 403  # known, but without rights
    assert with_token("/clusters/root:ann") == 401
    assert with_token("") == 401


def test_an_owner_is_no_administrator_outside_even_when_he_says_so(many: Many) -> None:
    """Whoever may do everything in a workspace may impersonate anyone, there and nowhere else."""

    def as_master(path: str) -> tuple[int, Any]:
        headers = [
            ("accept", "application/json"),
            ("impersonate-user", "root"),
            ("impersonate-group", "system:masters"),
        ]
        request = replace(Request("GET", path, path, "", headers), user=ANN)
        response = many.run(many.workspaces.front(request))
        return response.status, parsed(response)

    assert as_master(f"/clusters/root:ann{CM}")[0] == 200
    for path in (f"/clusters/root:bob{CM}", CM, "/clusters/*/api/v1/configmaps"):
        status, answer = as_master(path)
        assert status == 403, path
        assert SECRET not in str(answer)


def test_a_workspace_object_cannot_be_bent_to_another_cluster(many: Many) -> None:
    bob = many.workspaces.tree.resolve("root:bob")
    place = f"/clusters/root:ann{WORKSPACES}"
    body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "trick"}}
    assert many.ask("POST", place, {**body, "spec": {"cluster": bob}}, user=ANN)[0] == 403
    many.must("POST", place, body, user=ANN)
    merge = "application/merge-patch+json"
    assert many.ask("PATCH", f"{place}/trick", {"spec": {"cluster": bob}}, user=ANN, media=merge)[0] in (403, 422)
    annotated = {"metadata": {"annotations": {"internal.tenancy.kcp.io/cluster": bob}}}
    many.must("PATCH", f"{place}/trick", annotated, user=ANN, media=merge)
    many.must("DELETE", f"{place}/trick", user=ANN)
    many.settle()
    assert bob in many.storage.spaces()
    assert names(many.must("GET", f"/clusters/root:bob{CM}", user=BOB))[0] != ""


def test_the_other_tenant_is_still_whole(many: Many) -> None:
    assert NAME in names(many.must("GET", f"/clusters/root:bob{CM}", user=BOB))
    assert many.ask("GET", f"/clusters/root:ann{CM}", user=BOB)[0] == 403
    assert many.ask("GET", f"/clusters/root:bob{CM}", user=ADMIN)[0] == 200
