"""Admission policies with their bindings, put to work over HTTP."""

from __future__ import annotations

from typing import Any

from tests.server.handler_face import Face

API = "/apis/admissionregistration.k8s.io/v1"
CONFIG_MAPS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}


def put_to_work(
    face: Face,
    kind: str,
    *,
    name: str = "p",
    rule: dict[str, Any] | None = None,
    match: str = "Equivalent",
    bound: dict[str, Any] | None = None,
    **spec: Any,
) -> None:
    """Make a policy of this kind that concerns what `rule` says, config maps where it says nothing, and bind it."""
    constraints = {"matchPolicy": match, "resourceRules": [rule or CONFIG_MAPS]}
    _make(face, kind, name, {"matchConstraints": constraints, **spec})
    actions = {"validationActions": ["Deny"]} if kind.startswith("Validating") else {}
    _make(face, f"{kind}Binding", f"{name}-binding", {"policyName": name, **actions, **(bound or {})})


def _make(face: Face, kind: str, name: str, spec: dict[str, Any]) -> None:
    plural = f"{kind.lower().removesuffix('y')}ies" if kind.endswith("y") else f"{kind.lower()}s"
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}}
    made = face("POST", f"{API}/{plural}", {**head, "spec": spec})
    assert made.status == 201, made.body
