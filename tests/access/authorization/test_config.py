"""AuthorizationConfiguration: what is accepted, and the words for what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from wherry.access.authorization.config import read
from wherry.access.authorization.settings import AuthorizerSettings
from wherry.errors import ConfigurationError

RBAC = {"type": "RBAC", "name": "rbac"}


def webhook(path: Path, **changes: Any) -> dict[str, Any]:
    settings = {
        "timeout": "3s",
        "subjectAccessReviewVersion": "v1",
        "matchConditionSubjectAccessReviewVersion": "v1",
        "failurePolicy": "NoOpinion",
        "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": str(path)},
        **changes,
    }
    return {"type": "Webhook", "name": "hook", "webhook": {k: v for k, v in settings.items() if v is not None}}


def config(*authorizers: Any) -> list[AuthorizerSettings]:
    whole = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthorizationConfiguration",
        "authorizers": list(authorizers),
    }
    return read(yaml.safe_dump(whole).encode())


def refused(*authorizers: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        config(*authorizers)
    return str(caught.value)


def test_order_and_defaults(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("")
    conditions = [{"expression": "request.user == 'eve'"}]
    hook, node, rbac = config(webhook(path, matchConditions=conditions), {"type": "Node", "name": "node"}, RBAC)
    assert [hook.mode, node.mode, rbac.mode] == ["Webhook", "Node", "RBAC"]
    assert hook.kubeconfig == path
    assert hook.webhook is not None
    assert (hook.webhook.authorized_ttl, hook.webhook.unauthorized_ttl, hook.webhook.timeout) == (300, 30, 3)
    assert not hook.webhook.deny_on_failure
    assert len(hook.webhook.conditions) == 1


def test_nothing_is_kept_where_that_is_switched_off(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("")
    off = {"cacheAuthorizedRequests": False, "cacheUnauthorizedRequests": False, "authorizedTTL": "1m30s"}
    (hook,) = config(webhook(tmp_path / "k", failurePolicy="Deny", **off))
    assert hook.webhook is not None
    assert (hook.webhook.authorized_ttl, hook.webhook.unauthorized_ttl, hook.webhook.deny_on_failure) == (0, 0, True)


@pytest.mark.parametrize(
    ("authorizers", "why"),
    [
        ([], "authorizers: Required value: at least one authorization mode must be defined"),
        ([{"name": "a"}], "authorizers[0].type: Required value"),
        ([{"type": "ABAC", "name": "a"}], 'authorizers[0].type: Unsupported value: "ABAC"'),
        ([{"type": "RBAC"}], "authorizers[0].name: Required value"),
        ([{"type": "RBAC", "name": "A b"}], "authorizer name is invalid: a lowercase RFC 1123 subdomain"),
        ([RBAC, {"type": "RBAC", "name": "other"}], 'authorizers[1].type: Duplicate value: "RBAC"'),
        ([RBAC, {"type": "Node", "name": "rbac"}], 'authorizers[1].name: Duplicate value: "rbac"'),
        ([{**RBAC, "webhook": {}}], "may only be specified when type=Webhook"),
        ([{"type": "Webhook", "name": "a"}], "authorizers[0].webhook: Required value: required when type=Webhook"),
        ([{**RBAC, "order": 1}], 'strict decoding error: unknown field "authorizers[0].order"'),
    ],
)
def test_what_is_wrong_is_said(authorizers: list[Any], why: str) -> None:
    assert why in refused(*authorizers)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"timeout": None}, "timeout: Required value"),
        ({"timeout": "31s"}, 'timeout: Invalid value: "31s": must be > 0s and <= 30s'),
        ({"timeout": "soon"}, 'time: invalid duration "soon"'),
        ({"authorizedTTL": "-1s"}, "authorizedTTL: Invalid value"),
        ({"subjectAccessReviewVersion": "v2"}, 'Unsupported value: "v2"'),
        ({"failurePolicy": None}, "failurePolicy: Required value"),
        ({"failurePolicy": "Allow"}, 'Unsupported value: "Allow"'),
        ({"connectionInfo": {"type": "InClusterConfig"}}, "there is no cluster around this control plane"),
        ({"connectionInfo": {"type": "KubeConfigFile"}}, "connectionInfo.kubeConfigFile: Required value"),
        ({"connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": "a"}}, "must be an absolute path"),
        ({"connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": "/nowhere/k"}}, "error loading file: stat"),
        ({"connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": "/"}}, "must be a regular file"),
        ({"matchConditions": [{"expression": " "}]}, "matchConditions[0].expression: Required value"),
        ({"matchConditions": [{"expression": "true"}] * 2}, 'matchConditions[1].expression: Duplicate value: "true"'),
        ({"matchConditions": [{"expression": "request.x"}]}, "undefined field 'x'"),
        ({"matchConditions": [{"expression": f"{n} == {n}"} for n in range(65)]}, "must have at most 64 items"),
        (
            {"matchConditions": [{"expression": "true"}], "matchConditionSubjectAccessReviewVersion": None},
            "required if match conditions are specified",
        ),
    ],
)
def test_what_is_wrong_with_a_webhook_is_said(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    (tmp_path / "k").write_text("")
    assert why in refused(webhook(tmp_path / "k", **changes), RBAC)
