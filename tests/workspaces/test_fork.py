"""A workspace that begins as a copy of another one."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from tests.workspaces.many import WORKSPACES, Many

from wherry.access.user import User

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
SECRETS = "/api/v1/namespaces/default/secrets"
MAPS = "/api/v1/namespaces/default/configmaps"
ANNA, BEN = (User(name, groups=("system:authenticated", "makers")) for name in ("anna", "ben"))
WORKSPACE = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}


@pytest.fixture
def many() -> Iterator[Many]:
    with Many() as many:
        many.make("root:source")
        many.config_map("root:source", "kept", a="1")
        yield many


def fork(name: str, source: str = "root:source", **more: str) -> dict[str, Any]:
    annotations = {"fork.wherry.dev/source": source, **{f"fork.wherry.dev/{k}": v for k, v in more.items()}}
    return {**WORKSPACE, "metadata": {"name": name, "annotations": annotations}}


def read(many: Many, where: str, name: str) -> Any:
    return many.must("GET", f"/clusters/{where}{MAPS}/{name}")


def test_everything_is_there_uids_and_revisions_included(many: Many) -> None:
    many.must("POST", WORKSPACES, fork("copy"))
    assert read(many, "root:copy", "kept") == read(many, "root:source", "kept")
    made = many.must("GET", f"{WORKSPACES}/copy")
    assert made["status"]["phase"] == "Ready"
    assert int(made["metadata"]["annotations"]["fork.wherry.dev/revision"]) > 0


def test_what_is_written_later_is_seen_on_one_side_alone(many: Many) -> None:
    many.must("POST", WORKSPACES, fork("copy"))
    many.config_map("root:source", "later")
    many.must("DELETE", f"/clusters/root:copy{MAPS}/kept")
    assert many.ask("GET", f"/clusters/root:copy{MAPS}/later")[0] == 404
    assert read(many, "root:source", "kept")["data"] == {"a": "1"}


def test_a_copy_can_be_of_the_past(many: Many) -> None:
    before = read(many, "root:source", "kept")["metadata"]["resourceVersion"]
    many.must("DELETE", f"/clusters/root:source{MAPS}/kept")
    many.must("POST", WORKSPACES, fork("copy", revision=before))
    assert read(many, "root:copy", "kept")["data"] == {"a": "1"}
    assert many.must("GET", f"{WORKSPACES}/copy")["metadata"]["annotations"]["fork.wherry.dev/revision"] == before


def test_fresh_objects_have_uids_of_their_own_and_owners_are_still_owners(many: Many) -> None:
    owner = read(many, "root:source", "kept")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kept", "uid": owner["metadata"]["uid"]}
    owned = {"metadata": {"name": "owned", "ownerReferences": [reference]}}
    many.must("POST", f"/clusters/root:source{MAPS}", owned)
    many.must("POST", WORKSPACES, fork("copy", fresh="true"))
    there = read(many, "root:copy", "kept")["metadata"]["uid"]
    assert there != owner["metadata"]["uid"]
    assert read(many, "root:copy", "owned")["metadata"]["ownerReferences"][0]["uid"] == there


def test_what_is_below_the_source_stays_there(many: Many) -> None:
    many.make("root:source:below")
    many.config_map("root:source:below", "deep")
    many.must("POST", WORKSPACES, fork("copy"))
    assert many.must("GET", f"/clusters/root:copy{WORKSPACES}")["items"] == []
    assert many.ask("GET", f"/clusters/root:copy:below{MAPS}")[0] == 404
    many.must("DELETE", f"{WORKSPACES}/copy")
    assert read(many, "root:source:below", "deep")


def test_a_copy_of_a_copy_and_of_the_root(many: Many) -> None:
    many.must("POST", WORKSPACES, fork("copy"))
    many.must("POST", WORKSPACES, fork("again", "root:copy"))
    assert read(many, "root:again", "kept")["data"] == {"a": "1"}
    many.config_map("root", "mine")
    many.must("POST", WORKSPACES, fork("whole", "root"))
    assert read(many, "root:whole", "mine")
    assert many.must("GET", f"/clusters/root:whole{WORKSPACES}")["items"] == []


@pytest.fixture
def makers(many: Many) -> Many:
    """A group may make workspaces below the root."""
    group, version = "rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1"
    rules = [
        {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspaces"], "verbs": ["create", "get"]},
        {"nonResourceURLs": ["/"], "verbs": ["access"]},
        {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspacetypes"], "verbs": ["use"]},
    ]
    role = {"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": "makers"}, "rules": rules}
    subjects = [{"kind": "Group", "apiGroup": group, "name": "makers"}]
    binding = {
        "apiVersion": version,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "makers"},
        "subjects": subjects,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "makers"},
    }
    many.must("POST", f"/apis/{version}/clusterroles", role)
    many.must("POST", f"/apis/{version}/clusterrolebindings", binding)
    return many


def test_it_belongs_to_whoever_makes_it(makers: Many) -> None:
    makers.make("root:hers", user=ANNA)
    makers.must("POST", WORKSPACES, fork("copy", "root:hers"))
    assert makers.ask("GET", f"/clusters/root:copy{MAPS}", user=ANNA)[0] == 403


def test_who_may_not_copy_a_workspace_does_not_learn_whether_it_is_there(makers: Many) -> None:
    makers.make("root:hers", user=ANNA)
    answers = [makers.ask("POST", WORKSPACES, fork("copy", source), user=BEN) for source in ("root:hers", "root:none")]
    assert [status for status, _ in answers] == [403, 403]
    texts = [answer["message"].replace("root:hers", "X").replace("root:none", "X") for _, answer in answers]
    assert texts[0] == texts[1]
    assert "missing verb='fork' permission" in texts[0]
    made = makers.must("POST", WORKSPACES, fork("copy", "root:hers"), user=ANNA)
    assert made["spec"]["type"] == {"name": "universal", "path": "root"}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (fork("copy", "root:none"), "there is no workspace root:none"),
        (fork("copy", "root:source", revision="x"), "must be a revision, a whole number"),
        (fork("copy", "root:source", revision="-1"), "must be a revision, a whole number"),
        (fork("copy", "root:source", revision="99999999"), "revision 99999999 is not there yet"),
        (fork("copy", "root:source", revision="1"), "is gone; the oldest is"),
        (fork("copy", "root:source", fresh="yes"), "must be true or false"),
        ({**fork("copy"), "spec": {"type": {"name": "team"}}}, "a fork has the type of its source"),
        (
            {**WORKSPACE, "metadata": {"name": "copy", "annotations": {"fork.wherry.dev/fresh": "true"}}},
            "means nothing without fork.wherry.dev/source",
        ),
    ],
)
def test_what_cannot_be_copied_says_why_and_leaves_nothing(many: Many, body: dict[str, Any], text: str) -> None:
    status, answer = many.ask("POST", WORKSPACES, body)
    assert status == 403
    assert text in answer["message"]
    assert many.ask("GET", f"{WORKSPACES}/copy")[0] == 404


def test_a_workspace_that_is_being_deleted_is_not_copied(many: Many) -> None:
    held = {"metadata": {"finalizers": ["core.kcp.io/logicalcluster", "example.dev/hold"]}}
    media = "application/merge-patch+json"
    many.must("PATCH", "/clusters/root:source/apis/core.kcp.io/v1alpha1/logicalclusters/cluster", held, media=media)
    many.must("DELETE", f"{WORKSPACES}/source")
    status, answer = many.ask("POST", WORKSPACES, fork("copy"))
    assert status == 403
    assert "workspace root:source is being deleted" in answer["message"]


def test_what_a_workspace_is_a_copy_of_cannot_be_rewritten(many: Many) -> None:
    many.must("POST", WORKSPACES, fork("copy"))
    patch = {"metadata": {"annotations": {"fork.wherry.dev/source": "root:other"}}}
    status, answer = many.ask("PATCH", f"{WORKSPACES}/copy", patch, media="application/merge-patch+json")
    assert status == 403
    assert "annotation fork.wherry.dev/source is immutable" in answer["message"]


def test_tokens_of_accounts_are_not_copied(many: Many) -> None:
    many.must("POST", f"/clusters/root:source{ACCOUNTS}", {"metadata": {"name": "robot"}})
    annotations = {"kubernetes.io/service-account.name": "robot"}
    token = base64.b64encode(b"of the source").decode()
    secret = {
        "metadata": {"name": "s", "annotations": annotations},
        "type": "kubernetes.io/service-account-token",
        "data": {"token": token, "namespace": base64.b64encode(b"default").decode()},
    }
    many.must("POST", f"/clusters/root:source{SECRETS}", secret)
    many.must("POST", WORKSPACES, fork("copy"))
    assert many.must("GET", f"/clusters/root:copy{SECRETS}/s")["data"].keys() == {"namespace"}
    assert many.must("GET", f"/clusters/root:source{SECRETS}/s")["data"]["token"] == token


# --- the kind ---------------------------------------------------------------------------------------------------------
FORKS = "/apis/fork.wherry.dev/v1alpha1/forks"


def declared(name: str, source: str = "root:source", **spec: Any) -> dict[str, Any]:
    meta = {"apiVersion": "fork.wherry.dev/v1alpha1", "kind": "Fork", "metadata": {"name": name}}
    return {**meta, "spec": {"source": source, **spec}}


def test_a_fork_can_be_declared_and_goes_with_its_object(many: Many) -> None:
    many.must("POST", FORKS, declared("copy"))
    made = many.must("GET", f"{FORKS}/copy")
    assert made["status"]["phase"] == "Ready"
    assert made["status"]["URL"] == "https://here/clusters/root:copy"
    assert made["status"]["revision"] > 0
    assert read(many, "root:copy", "kept")["data"] == {"a": "1"}
    many.must("DELETE", f"{FORKS}/copy")
    many.until(lambda: many.ask("GET", f"{WORKSPACES}/copy")[0] == 404)


def test_a_copy_that_was_deleted_is_not_made_again(many: Many) -> None:
    many.must("POST", FORKS, declared("copy"))
    many.must("DELETE", f"{WORKSPACES}/copy")
    many.until(lambda: many.must("GET", f"{FORKS}/copy")["status"]["phase"] == "Gone")
    assert many.ask("GET", f"{WORKSPACES}/copy")[0] == 404


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (declared("copy", "root:none"), 403, "there is no workspace root:none"),
        (declared("source"), 403, "workspace root:source is there already"),
        (declared("copy", revision=99999999), 403, "is not there yet"),
        (declared("copy", revision=0), 422, "spec.revision"),
    ],
)
def test_a_declared_fork_is_refused_as_the_workspace_would_be(
    many: Many, body: dict[str, Any], status: int, text: str
) -> None:
    code, answer = many.ask("POST", FORKS, body)
    assert code == status
    assert text in answer["message"]
    assert many.must("GET", FORKS)["items"] == []


def test_who_may_declare_forks_needs_the_right_to_make_workspaces_and_to_copy(makers: Many) -> None:
    makers.make("root:hers", user=ANNA)
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "forkers"},
        "rules": [
            {"apiGroups": ["fork.wherry.dev"], "resources": ["forks"], "verbs": ["create"]},
            {"nonResourceURLs": ["/"], "verbs": ["access"]},
        ],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "forkers"},
        "subjects": [
            {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": group} for group in ("makers", "others")
        ],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "forkers"},
    }
    makers.must("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
    makers.must("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    status, answer = makers.ask("POST", FORKS, declared("copy", "root:hers"), user=BEN)
    assert status == 403
    assert "missing verb='fork' permission" in answer["message"]
    stranger = User("carl", groups=("system:authenticated", "others"))
    status, answer = makers.ask("POST", FORKS, declared("copy", "root:hers"), user=stranger)
    assert "missing verb='create' on workspaces" in answer["message"]
    makers.must("POST", FORKS, declared("copy", "root:hers"), user=ANNA)
    assert makers.ask("GET", f"/clusters/root:copy{MAPS}", user=ANNA)[0] == 200
