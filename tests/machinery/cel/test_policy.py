"""Admission policies: compile errors as the validation of policies shows them, and decisions."""

from __future__ import annotations

from typing import Any

from wherry.machinery.builtin.policy.admission_rules import Scope
from wherry.machinery.cel.library.authz import Authorizer, Request
from wherry.machinery.cel.policy import Denial, Input, Policy, compile_expression, evaluate


def _policy(**spec: Any) -> Policy:
    return Policy({"metadata": {"name": "p"}, "spec": spec})


def _input(data: dict[str, str], authorizer: Authorizer | None = None) -> Input:
    request = {"operation": "CREATE", "name": "a", "resource": {"group": "", "version": "v1", "resource": "configmaps"}}
    return Input({"data": data}, None, request, authorizer=authorizer)


def test_result_type() -> None:
    assert compile_expression("1+1", Scope("bool")) == "must evaluate to bool but got int"
    assert compile_expression("1", Scope("audit")) == "must evaluate to one of [string null_type] but got int"
    assert "undeclared reference to 'params'" in compile_expression("params.x", Scope("bool"))
    assert compile_expression("params.x == 1", Scope("bool", params=True)) == ""
    assert compile_expression("object.x", Scope("bool")) == "must evaluate to bool but got dyn"


def test_variables_and_messages() -> None:
    policy = _policy(
        variables=[{"name": "n", "expression": "size(object.data)"}, {"name": "ok", "expression": "variables.n < 2"}],
        validations=[{"expression": "variables.ok", "messageExpression": "string(variables.n) + ' keys'"}],
    )
    assert evaluate(policy, _input({"a": ""})).denials == []
    assert evaluate(policy, _input({"a": "", "b": ""})).denials == [Denial("2 keys", "Invalid")]


def test_failure_policy() -> None:
    rule = [{"expression": "object.data.x == 'y'"}]
    text = "expression 'object.data.x == 'y'' resulted in error: no such key: x"
    assert evaluate(_policy(validations=rule), _input({})).denials == [Denial(text)]
    assert evaluate(_policy(validations=rule, failurePolicy="Ignore"), _input({})).denials == []


def test_match_conditions_and_audit_annotations() -> None:
    policy = _policy(
        matchConditions=[{"name": "c", "expression": "request.operation == 'DELETE'"}],
        validations=[{"expression": "false"}],
    )
    assert evaluate(policy, _input({})).denials == []
    noted = _policy(auditAnnotations=[{"key": "k", "valueExpression": "'v ' + request.name"}])
    assert evaluate(noted, _input({})).annotations == {"k": "v a"}


def test_authorizer_is_asked() -> None:
    asked: list[Request] = []

    def decide(request: Request) -> tuple[bool, str, str]:
        asked.append(request)
        return request.verb == "get", "", ""

    rule = "authorizer.group('apps').resource('deployments').namespace('n').check('get').allowed()"
    policy = _policy(
        validations=[{"expression": rule}, {"expression": "authorizer.requestResource.check('x').allowed()"}]
    )
    found = evaluate(policy, _input({}, Authorizer(decide)))
    assert [d.message for d in found.denials] == ["failed expression: authorizer.requestResource.check('x').allowed()"]
    assert (asked[0].group, asked[0].resource, asked[0].namespace) == ("apps", "deployments", "n")
    assert (asked[1].resource, asked[1].name, asked[1].verb) == ("configmaps", "a", "x")
