"""Access reviews over the handler: what they answer, refuse, and which paths there are for them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from wherry.access.authorization.selectors import Selectors
from wherry.access.user import User
from wherry.server.build import build_handler
from wherry.server.http import Request
from wherry.storage import open_storage

API = "/apis/authorization.k8s.io/v1"
ADMIN = User("root", groups=("system:masters",))
EVE = User("eve", groups=("system:authenticated",))
Call = tuple[User, str, str, dict[str, Any] | None]


def answers(*calls: Call) -> list[tuple[int, dict[str, Any]]]:
    """The answers of one fresh control plane, in order."""

    async def run() -> list[tuple[int, dict[str, Any]]]:
        storage = open_storage("memory:")
        handler = await build_handler(storage)
        found = []
        for user, method, path, body in calls:
            sent = json.dumps(body).encode() if body is not None else b""
            request = Request(method, path, path, "", [("content-type", "application/json")], sent, user=user)
            answer = await handler(request)
            assert isinstance(answer.body, bytes)
            found.append((answer.status, json.loads(answer.body)))
        await handler.close()
        await storage.close()
        return found

    return asyncio.run(run())


def review(user: User, kind: str, spec: dict[str, Any], namespace: str = "") -> Call:
    where = f"/namespaces/{namespace}" if namespace else ""
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    return user, "POST", f"{API}{where}/{kind.lower()}s", body


def role_binding(role: str, user: str) -> Call:
    body = {
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    return ADMIN, "POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", body


def test_a_review_of_oneself_and_of_others_says_why() -> None:
    role = {
        "metadata": {"name": "r"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["a"]}],
    }
    asked = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default", "name": "a"}}
    other = {"user": "eve", "resourceAttributes": {**asked["resourceAttributes"], "name": "b"}}
    found = answers(
        (ADMIN, "POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", role),
        role_binding("r", "eve"),
        review(EVE, "SelfSubjectAccessReview", asked),
        review(ADMIN, "SubjectAccessReview", other),
        review(ADMIN, "LocalSubjectAccessReview", {**asked, "user": "eve"}, "default"),
        review(EVE, "SubjectAccessReview", other),
        review(EVE, "SelfSubjectRulesReview", {"namespace": "default"}),
        review(EVE, "SelfSubjectRulesReview", {}),
    )
    why = 'RBAC: allowed by RoleBinding "b/default" of Role "r" to User "eve"'
    assert [status for status, _ in found] == [201, 201, 201, 201, 201, 403, 201, 400]
    assert found[2][1]["status"] == {"allowed": True, "reason": why}
    assert found[3][1]["status"] == {"allowed": False}
    assert found[4][1]["status"] == {"allowed": True, "reason": why}
    assert found[6][1]["status"]["resourceRules"][-1] == {
        "verbs": ["get"],
        "apiGroups": [""],
        "resources": ["pods"],
        "resourceNames": ["a"],
    }
    assert found[7][1]["message"] == "no namespace on request"


def test_rules_of_a_role_that_is_not_there_are_an_evaluation_error() -> None:
    missing = 'role.rbac.authorization.k8s.io "gone" not found'
    pods = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
    found = answers(
        role_binding("gone", "eve"),
        review(EVE, "SelfSubjectRulesReview", {"namespace": "default"}),
        review(EVE, "SelfSubjectRulesReview", {"namespace": "other"}),
        review(EVE, "SelfSubjectAccessReview", pods),
        (EVE, "GET", "/api/v1/namespaces/default/pods", None),
    )
    assert found[1][1]["status"]["evaluationError"] == missing
    assert found[1][1]["status"]["incomplete"] is False
    assert "evaluationError" not in found[2][1]["status"]
    assert found[3][1]["status"] == {"allowed": False, "reason": f"RBAC: {missing}"}
    assert found[4][1]["message"].endswith(f'in the namespace "default": RBAC: {missing}')


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{API}/subjectaccessreviews", 405),
        ("DELETE", f"{API}/subjectaccessreviews", 405),
        ("POST", f"{API}/subjectaccessreviews/x", 404),
        ("DELETE", f"{API}/subjectaccessreviews/x", 404),
        ("GET", f"{API}/watch/subjectaccessreviews", 404),
        ("POST", f"{API}/namespaces/default/subjectaccessreviews", 404),
        ("POST", f"{API}/localsubjectaccessreviews", 404),
        ("GET", f"{API}/namespaces/default/localsubjectaccessreviews", 405),
        ("POST", f"{API}/namespaces/default/localsubjectaccessreviews/x", 404),
    ],
)
def test_there_is_one_path_to_create_at(method: str, path: str, status: int) -> None:
    assert answers((ADMIN, method, path, {}))[0][0] == status


@pytest.mark.parametrize(
    ("selectors", "error"),
    [
        ({}, ""),
        ({"fieldSelector": {"rawSelector": "a=b,c!=d"}, "labelSelector": {"rawSelector": "a in (b)"}}, ""),
        ({"fieldSelector": {"requirements": [{"key": "a", "operator": "In", "values": ["x"]}]}}, ""),
        ({"fieldSelector": {"rawSelector": "!!"}}, "fieldSelector ignored"),
        ({"fieldSelector": {"requirements": [{"key": "a", "operator": "Exists"}]}}, "fieldSelector ignored"),
        (
            {
                "fieldSelector": {
                    "requirements": [
                        {"key": "a", "operator": "In", "values": ["x"]},
                        {"key": "b", "operator": "NotIn", "values": ["x", "y"]},
                    ]
                }
            },
            "fieldSelector partially ignored",
        ),
        ({"labelSelector": {"requirements": [{"key": "a b", "operator": "Exists"}]}}, "labelSelector ignored"),
        (
            {"labelSelector": {"requirements": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Nix"}]}},
            "labelSelector partially ignored",
        ),
    ],
)
def test_selectors_that_nobody_can_read_are_said(selectors: dict[str, Any], error: str) -> None:
    assert Selectors(given=selectors).unread() == (
        f"spec.resourceAttributes.{error} due to parse error" if error else ""
    )
    if "fieldSelector" in selectors:
        both = Selectors(given={**selectors, "labelSelector": {"rawSelector": "a b c"}}).unread()
        assert both.endswith("spec.resourceAttributes.labelSelector ignored due to parse error")


def test_a_refused_grant_tells_what_could_not_be_resolved() -> None:
    own = {
        "metadata": {"name": "writer"},
        "rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]}],
    }
    roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
    bound = role_binding("writer", "eve")
    gone = role_binding("gone", "eve")
    assert gone[3] is not None
    gone[3]["metadata"]["name"] = "c"
    more = {"metadata": {"name": "x"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
    *_, (status, answer) = answers((ADMIN, "POST", roles, own), bound, gone, (EVE, "POST", roles, more))
    assert status == 403
    assert answer["message"].endswith(
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'
        '; resolution errors: [role.rbac.authorization.k8s.io "gone" not found]'
    )


def test_what_is_made_anew_forgets_what_was_sent() -> None:
    _, _, path, body = review(EVE, "SelfSubjectRulesReview", {"namespace": "default"})
    sent = {**(body or {}), "metadata": {"labels": {"a": "b"}}}
    who = {"metadata": {"labels": {"a": "b"}}}
    found = answers(
        (EVE, "POST", path, sent),
        (EVE, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", who),
        review(EVE, "SelfSubjectAccessReview", {"nonResourceAttributes": {"path": "/version", "verb": "get"}}),
    )
    assert (found[0][1]["metadata"], found[0][1]["spec"]) == ({}, {})
    assert list(found[1][1]["metadata"]) == ["creationTimestamp"]
    assert found[2][1]["spec"] == {"nonResourceAttributes": {"path": "/version", "verb": "get"}}
