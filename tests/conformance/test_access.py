"""Who may do what: refusals, reviews, impersonation, roles."""

from __future__ import annotations

from typing import Any

from tests.conformance.api import Api, config_map, made, ok, refused, unique
from tests.conformance.behaviours import Area, row

area = Area("access", "Access: RBAC, reviews, impersonation")

RBAC = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/"
FORBIDDEN = "apiserver/pkg/endpoints/handlers/responsewriters/errors.go ForbiddenStatusError"
IMPERSONATION = "apiserver/pkg/endpoints/filters/impersonation/impersonation.go"
REVIEWS = "/apis/authorization.k8s.io/v1"


def acting(user: str = "nobody", group: str = "system:authenticated") -> dict[str, str]:
    return {"impersonate_user": user, "impersonate_group": group}


@area.table(
    FORBIDDEN,
    row("list-forbidden", "A refusal names user, verb, resource, group and namespace.", "GET", "configmaps", 'configmaps is forbidden: User "nobody" cannot list resource "configmaps" in API group "" in the namespace "{ns}"'),
    row("get-forbidden", "A refusal of one object names it.", "GET", "configmaps/a", 'configmaps "a" is forbidden: User "nobody" cannot get resource "configmaps" in API group "" in the namespace "{ns}"'),
    row("cluster-forbidden", "A refusal in the whole cluster says so.", "GET", "/api/v1/nodes", 'nodes is forbidden: User "nobody" cannot list resource "nodes" in API group "" at the cluster scope'),
    row("subresource-forbidden", "A refusal of a subresource names it.", "GET", "apps/deployments/d/scale", 'deployments.apps "d" is forbidden: User "nobody" cannot get resource "deployments/scale" in API group "apps" in the namespace "{ns}"'),
    row("path-forbidden", "A refusal of a path names it.", "GET", "/metrics", 'forbidden: User "nobody" cannot get path "/metrics"'),
)  # fmt: skip
def test_forbidden(api: Api, method: str, path: str, text: str) -> None:
    answer = api.send(method, path, **acting())
    refused(answer, 403, "Forbidden", text.format(ns=api.namespace))


@area("Who may not is told so before he learns whether it is there.", FORBIDDEN)
def test_forbidden_first(api: Api) -> None:
    refused(api.get("configmaps/none", **acting()), 403, "Forbidden")


@area("A wrong token is 401.", "apiserver/pkg/endpoints/filters/authentication.go")
def test_unauthorized(api: Api) -> None:
    refused(api.get("configmaps", authorization="Bearer wrong"), 401, "Unauthorized", "Unauthorized")


@area("Everyone who is known may read discovery.", f"{RBAC}#discovery-roles")
def test_discovery(api: Api) -> None:
    ok(api.get("/apis", **acting()))


@area("A group without a user cannot be impersonated.", IMPERSONATION)
def test_group_alone(api: Api) -> None:
    answer = api.get("configmaps", impersonate_group="g")
    refused(answer, 400, "BadRequest", "without impersonating a user name")


@area("Who may not impersonate is refused by the user's name.", IMPERSONATION)
def test_no_impersonation(api: Api) -> None:
    answer = api.get("configmaps", authorization=f"Bearer {account(api)}", impersonate_user="x")
    refused(answer, 403, "Forbidden", 'User "system:serviceaccount:', "cannot impersonate")


def account(api: Api) -> str:
    """The token of a new service account."""
    if api.get("serviceaccounts/s").status == 404:
        made(api.post("serviceaccounts", {"metadata": {"name": "s"}}))
    token: str = made(api.post("serviceaccounts/s/token", {"spec": {}}))["status"]["token"]
    return token


@area(
    "A service account is a user of its name, in its groups.",
    "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens",
)
def test_account(api: Api) -> None:
    review = api.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, authorization=f"Bearer {account(api)}")
    user = made(review)["status"]["userInfo"]
    assert user["username"] == f"system:serviceaccount:{api.namespace}:s"
    assert user["groups"] == [
        "system:serviceaccounts",
        f"system:serviceaccounts:{api.namespace}",
        "system:authenticated",
    ]


@area(
    "A token review says whose a token is.",
    "https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/",
)
def test_token_review(api: Api) -> None:
    body = {"spec": {"token": account(api)}}
    status = made(api.post("/apis/authentication.k8s.io/v1/tokenreviews", body))["status"]
    assert status["authenticated"] is True
    assert status["user"]["username"] == f"system:serviceaccount:{api.namespace}:s"


@area(
    "A token review of a wrong token says that it is none.",
    "https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/",
)
def test_bad_token_review(api: Api) -> None:
    status = made(api.post("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "x"}}))["status"]
    assert not status.get("authenticated")
    assert status["error"]


@area("A token stops with its service account.", "kubernetes/pkg/serviceaccount/claims.go")
def test_token_of_gone_account(api: Api) -> None:
    token = account(api)
    ok(api.delete("serviceaccounts/s"))
    assert api.eventually(lambda: api.get("configmaps", authorization=f"Bearer {token}").status == 401, 15)


def allow(
    api: Api, verbs: Any, resources: Any, *, names: Any = None, groups: Any = ("",), user: str = "nobody"
) -> None:
    rule = {"apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs)}
    if names:
        rule["resourceNames"] = names
    made(api.post("rbac/roles", {"metadata": {"name": "r"}, "rules": [rule]}))
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    role = {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}
    made(api.post("rbac/rolebindings", {"metadata": {"name": "r"}, "roleRef": role, "subjects": [subject]}))


def may(api: Api, **attributes: Any) -> bool:
    spec = {"user": "nobody", "resourceAttributes": {"namespace": api.namespace, **attributes}}
    found: bool = made(api.post(f"{REVIEWS}/subjectaccessreviews", {"spec": spec}))["status"]["allowed"]
    return found


@area.table(
    RBAC,
    row("role-verb", "A role allows what it names.", {"verb": "get", "resource": "configmaps"}, True),
    row("role-other-verb", "A role does not allow other verbs.", {"verb": "delete", "resource": "configmaps"}, False),
    row("role-other-resource", "A role does not allow other resources.", {"verb": "get", "resource": "secrets"}, False),
    row(
        "role-subresource",
        "A role for a resource is none for its subresources.",
        {"verb": "get", "resource": "configmaps", "subresource": "status"},
        False,
    ),
    row(
        "role-other-namespace",
        "A role allows nothing in other namespaces.",
        {"verb": "get", "resource": "configmaps", "namespace": "default"},
        False,
    ),
)
def test_roles(api: Api, attributes: Any, allowed: bool) -> None:
    allow(api, ["get"], ["configmaps"])
    assert api.eventually(lambda: may(api, **attributes) == allowed, 5)


@area("A role may name single objects.", f"{RBAC}#referring-to-resources")
def test_names(api: Api) -> None:
    allow(api, ["get"], ["configmaps"], names=["a"])
    assert api.eventually(lambda: may(api, verb="get", resource="configmaps", name="a"), 5)
    assert not may(api, verb="get", resource="configmaps", name="b")


@area("A star stands for all.", f"{RBAC}#referring-to-resources")
def test_star(api: Api) -> None:
    allow(api, ["*"], ["*"], groups=["*"])
    assert api.eventually(lambda: may(api, verb="delete", resource="deployments", group="apps"), 5)


@area("A `*/scale` stands for a subresource of all.", f"{RBAC}#referring-to-resources")
def test_star_subresource(api: Api) -> None:
    allow(api, ["get"], ["*/scale"], groups=["*"])
    assert api.eventually(lambda: may(api, verb="get", resource="deployments", group="apps", subresource="scale"), 5)


@area("A role counts as soon as it is bound.", RBAC)
def test_bound(api: Api) -> None:
    allow(api, ["list"], ["configmaps"])
    assert api.eventually(lambda: api.get("configmaps", **acting()).status == 200, 5)


@area("Nobody gives rights that he has not.", f"{RBAC}#privilege-escalation-prevention-and-bootstrapping")
def test_escalation(api: Api) -> None:
    allow(api, ["create", "update"], ["roles"], groups=["rbac.authorization.k8s.io"])
    body = {"metadata": {"name": "more"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}
    assert api.eventually(lambda: api.post("rbac/roles", body, **acting()).status == 403, 5)
    text = "is attempting to grant RBAC permissions not currently held"
    assert api.eventually(lambda: text in api.post("rbac/roles", body, **acting()).doc["message"], 5)


@area(
    "The role of a binding does not change.",
    "kubernetes/pkg/apis/rbac/validation/validation.go ValidateRoleBindingUpdate",
)
def test_role_ref_stays(api: Api) -> None:
    allow(api, ["get"], ["configmaps"])
    refused(
        api.merge("rbac/rolebindings/r", {"roleRef": {"name": "other"}}),
        422,
        "Invalid",
        "roleRef: Invalid value:",
        "cannot change roleRef",
    )


@area(
    "A self access review speaks of the caller.",
    "https://kubernetes.io/docs/reference/access-authn-authz/authorization/",
)
def test_self_review(api: Api) -> None:
    spec = {"resourceAttributes": {"namespace": api.namespace, "verb": "get", "resource": "pods"}}
    assert made(api.post(f"{REVIEWS}/selfsubjectaccessreviews", {"spec": spec}))["status"]["allowed"]
    assert not made(api.post(f"{REVIEWS}/selfsubjectaccessreviews", {"spec": spec}, **acting()))["status"]["allowed"]


@area(
    "A local access review speaks of its namespace only.",
    "kubernetes/pkg/registry/authorization/localsubjectaccessreview/rest.go",
)
def test_local_review(api: Api) -> None:
    path = f"{REVIEWS}/namespaces/{api.namespace}/localsubjectaccessreviews"
    spec = {"user": "x", "resourceAttributes": {"namespace": "other", "verb": "get", "resource": "pods"}}
    assert api.post(path, {"spec": spec}).status in (400, 422)


@area(
    "A rules review lists what the caller may.",
    "https://kubernetes.io/docs/reference/access-authn-authz/authorization/",
)
def test_rules(api: Api) -> None:
    allow(api, ["get"], ["configmaps"])
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"]}

    def listed() -> bool:
        answer = api.post(f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": api.namespace}}, **acting())
        return rule in made(answer)["status"]["resourceRules"]

    assert api.eventually(listed, 5)


@area(
    "A review needs a user or a group.",
    "kubernetes/pkg/apis/authorization/validation/validation.go ValidateSubjectAccessReviewSpec",
)
def test_empty_review(api: Api) -> None:
    spec = {"resourceAttributes": {"verb": "get", "resource": "pods"}}
    refused(
        api.post(f"{REVIEWS}/subjectaccessreviews", {"spec": spec}),
        422,
        "Invalid",
        "at least one of user or group must be specified",
    )


@area(
    "A review asks for a resource or a path, not both.",
    "kubernetes/pkg/apis/authorization/validation/validation.go ValidateSubjectAccessReviewSpec",
)
def test_both_review(api: Api) -> None:
    spec = {"user": "x", "resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"verb": "get", "path": "/x"}}
    refused(
        api.post(f"{REVIEWS}/subjectaccessreviews", {"spec": spec}),
        422,
        "Invalid",
        "cannot be specified in combination with resourceAttributes",
    )


@area("The default roles are there.", f"{RBAC}#user-facing-roles")
def test_default_roles(api: Api) -> None:
    for name in ("cluster-admin", "admin", "edit", "view", "system:discovery"):
        ok(api.get(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}"))


@area("A write by an impersonated user is his.", IMPERSONATION)
def test_impersonated_write(api: Api) -> None:
    ok(api.get("configmaps", **acting("someone", "system:masters")))
    made(api.post("configmaps", config_map(), **acting("someone", "system:masters")))


@area(
    "An aggregated role takes the rules of those with its labels.", f"{RBAC}#aggregated-clusterroles", controllers=True
)
def test_aggregated(api: Api) -> None:
    name, path = unique("aggregate"), "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    made(
        api.post(
            path,
            {
                "metadata": {"name": name},
                "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {name: "true"}}]},
            },
        )
    )
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    made(api.post(path, {"metadata": {"name": f"{name}-part", "labels": {name: "true"}}, "rules": [rule]}))
    assert api.eventually(lambda: ok(api.get(f"{path}/{name}"))["rules"] == [rule])
