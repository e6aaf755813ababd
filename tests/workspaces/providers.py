"""A provider and its consumers: an export of widgets, and workspaces that bind it."""

from __future__ import annotations

from typing import Any

from tests.workspaces.many import ADMIN, Many

from wherry.access.user import User

APIS = "/apis/apis.kcp.io/v1alpha2"
SCHEMAS = "/apis/apis.kcp.io/v1alpha1/apiresourceschemas"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MERGE = "application/merge-patch+json"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
NAMES = {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"}


def schema(prefix: str = "v1", *, names: Any = NAMES, group: str = "example.com", **properties: Any) -> Any:
    """An APIResourceSchema; `properties` are those of the objects' spec."""
    spec = {"type": "object", "properties": {"size": {"type": "integer"}, **properties}}
    whole = {"type": "object", "properties": {"spec": spec, "status": {"type": "object", **_OPEN}}}
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": whole}
    return {
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIResourceSchema",
        "metadata": {"name": f"{prefix}.{names['plural']}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }


_OPEN = {"x-kubernetes-preserve-unknown-fields": True}


def export(name: str = "widgets", prefix: str = "v1", **spec: Any) -> Any:
    offer = {"group": "example.com", "name": "widgets", "schema": f"{prefix}.widgets.example.com"}
    whole = {"resources": [offer], **spec}
    return {"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIExport", "metadata": {"name": name}, "spec": whole}


def binding(path: str, name: str = "widgets", called: str = "", claims: Any = ()) -> Any:
    reference = {"export": {"name": name, **({"path": path} if path else {})}}
    spec = {"reference": reference, **({"permissionClaims": list(claims)} if claims else {})}
    metadata = {"name": called or name}
    return {"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIBinding", "metadata": metadata, "spec": spec}


def widget(name: str, **spec: Any) -> Any:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def claim(resource: str = "configmaps", *verbs: str, group: str = "", **more: Any) -> Any:
    return {"group": group, "resource": resource, "verbs": list(verbs or ("*",)), **more}


def accepted(resource: str = "configmaps", *verbs: str, state: str = "Accepted", **selector: Any) -> Any:
    return claim(resource, *verbs, state=state, selector=selector or {"matchAll": True})


def provide(many: Many, path: str = "root:provider", user: User | None = ADMIN, **spec: Any) -> str:
    """A workspace that exports widgets; gives its cluster id."""
    cluster = many.make(path, user=user)
    many.must("POST", f"/clusters/{path}{SCHEMAS}", schema(), user=user)
    many.must("POST", f"/clusters/{path}{APIS}/apiexports", export(**spec), user=user)
    return cluster


def consume(many: Many, path: str, claims: Any = (), provider: str = "root:provider", user: User | None = ADMIN) -> str:
    """A workspace that binds them."""
    cluster = many.make(path, user=user)
    many.must("POST", f"/clusters/{path}{APIS}/apibindings", binding(provider, claims=claims), user=user)
    return cluster


def bound(many: Many, path: str, name: str = "widgets") -> Any:
    """A binding as it stands."""
    return many.must("GET", f"/clusters/{path}{APIS}/apibindings/{name}")


def conditions(obj: Any) -> dict[str, tuple[str, str]]:
    """type -> (status, reason)"""
    return {c["type"]: (c["status"], c.get("reason", "")) for c in obj["status"].get("conditions") or ()}


def definition_of(described: Any) -> Any:
    """The CustomResourceDefinition of the same kind as an APIResourceSchema."""
    spec = described["spec"]
    versions = [{**v, "schema": {"openAPIV3Schema": v["schema"]}} for v in spec["versions"]]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{spec['names']['plural']}.{spec['group']}"},
        "spec": {**spec, "versions": versions},
    }


def role(many: Many, where: str, name: str, *rules: Any) -> str:
    """A ClusterRole; gives its name. A rule is (group, resource, verbs...), or (path, verb) of no resource."""
    made = [
        {"apiGroups": [rule[0]], "resources": [rule[1]], "verbs": list(rule[2:])}
        if len(rule) > 2
        else {"nonResourceURLs": [rule[0]], "verbs": [rule[1]]}
        for rule in rules
    ]
    body = {"apiVersion": RBAC[6:], "kind": "ClusterRole", "metadata": {"name": name}, "rules": made}
    many.must("POST", f"/clusters/{where}{RBAC}/clusterroles", body)
    return name


def grant(many: Many, where: str, user: str, named: str, kind: str = "User") -> None:
    """Bind a ClusterRole to a user or group."""
    group = "rbac.authorization.k8s.io"
    body = {
        "apiVersion": RBAC[6:],
        "kind": "ClusterRoleBinding",
        "metadata": {"generateName": "grant-"},
        "subjects": [{"kind": kind, "apiGroup": group, "name": user}],
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": named},
    }
    many.must("POST", f"/clusters/{where}{RBAC}/clusterrolebindings", body)


def binder(many: Many, where: str) -> str:
    """A role of those who may bind what a workspace exports."""
    return role(many, where, "binder", ("apis.kcp.io", "apiexports", "bind", "get"), ("/", "access"))
