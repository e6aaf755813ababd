"""Policies say which of their expressions do not fit the kinds that they match."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.features.served import served

from wherry.client import Kind
from wherry.features.admissionpolicies.types_controller import GROUP, POLICIES, TypesController
from wherry.features.admissionpolicies.types_reconcile import first_kinds
from wherry.machinery.kinds import GroupVersionKind

Obj = dict[str, Any]
CRDS = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)


def policy(group: str, resource: str, *validations: Obj, **spec: Any) -> Obj:
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["*"], "resources": [resource]}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "p"},
        "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": list(validations), **spec},
    }


def definition() -> Obj:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"replicas": {"type": "integer"}}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "crontabs.stable.example.com"},
        "spec": {
            "group": "stable.example.com",
            "names": {"plural": "crontabs", "kind": "CronTab"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def warnings_of(*objects: tuple[Kind, Obj]) -> list[Obj]:
    """What the policy, the last of the objects, says of itself when its turn has come."""

    async def scenario() -> list[Obj]:
        async with served(TypesController) as (client, _):
            for kind, obj in objects:
                await client.create(kind, obj)
            async with asyncio.timeout(5):
                async for _, found in client.watch(POLICIES):
                    status = found.get("status") or {}
                    if "typeChecking" in status:
                        break
        warnings: list[Obj] = status["typeChecking"].get("expressionWarnings") or []
        return warnings

    return asyncio.run(scenario())


def test_expressions_that_fit_bring_no_warning() -> None:
    fits = {"expression": "object.spec.replicas > 1 && variables.names.all(n, n != '')"}
    variables = [{"name": "names", "expression": "object.spec.template.spec.containers.map(c, c.name)"}]
    assert warnings_of((POLICIES, policy("apps", "deployments", fits, variables=variables))) == []


def test_what_does_not_fit_a_built_in_kind_is_told_field_by_field() -> None:
    confused = {"expression": "object.spec.replicas > '1'", "messageExpression": "'got ' + object.spec.replicas"}
    first, second = warnings_of((POLICIES, policy("apps", "deployments", confused)))
    assert first["fieldRef"] == "spec.validations[0].expression"
    overload = "found no matching overload for '_>_' applied to '(int, string)'"
    assert first["warning"] == (
        f"apps/v1, Kind=Deployment: ERROR: <input>:1:22: {overload}\n"
        " | object.spec.replicas > '1'\n"
        " | .....................^\n"
    )
    assert second["fieldRef"] == "spec.validations[0].messageExpression"
    assert "found no matching overload for '_+_' applied to '(string, int)'" in second["warning"]


def test_what_does_not_fit_a_custom_kind() -> None:
    missing = {"expression": "object.spec.maxRetries < 10"}
    found = warnings_of((CRDS, definition()), (POLICIES, policy("stable.example.com", "crontabs", missing)))
    assert ["undefined field 'maxRetries'" in warning["warning"] for warning in found] == [True]


def test_kinds_that_are_not_named_one_by_one_are_not_checked() -> None:
    served = {("apps", "v1"): {"deployments": "Deployment", "daemonsets": "DaemonSet"}}
    asked = policy("apps", "deployments")
    rules = asked["spec"]["matchConstraints"]["resourceRules"]
    assert first_kinds(asked, served) == [GroupVersionKind("apps", "v1", "Deployment")]
    rules[0]["resources"] = ["*", "deployments/scale", "daemonsets", "deployments"]
    assert [kind.kind for kind in first_kinds(asked, served)] == ["DaemonSet", "Deployment"]
    rules[0]["apiVersions"] = ["*"]
    assert first_kinds(asked, served) == []
