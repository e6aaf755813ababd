"""Which rule of an audit policy matches what, and which policies are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wherry.access.audit.policy import Level, PolicyError, load, parse
from wherry.access.user import Attributes, User

ANN = User("ann", groups=("devs", "system:authenticated"))


def policy(*rules: dict[str, Any], **more: Any) -> Any:
    return parse({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more})


def asked(verb: str = "get", path: str = "", **more: str) -> Attributes:
    resource = more.get("resource", "")
    return Attributes(ANN, verb, path, bool(resource), **more)  # type: ignore[arg-type]


def level(found: Any, question: Attributes) -> str:
    return str(found.evaluate(question).level.word)


def test_the_first_rule_that_matches_counts() -> None:
    rules = policy({"level": "Metadata", "verbs": ["get"]}, {"level": "Request", "users": ["ann"]})
    assert level(rules, asked("get", resource="pods")) == "Metadata"
    assert level(rules, asked("list", resource="pods")) == "Request"
    assert level(policy({"level": "Request", "users": ["bob"]}), asked("get", resource="pods")) == "None"


@pytest.mark.parametrize(
    ("entry", "question", "matches"),
    [
        ({"group": ""}, {"resource": "pods"}, True),
        ({"group": ""}, {"resource": "deployments", "group": "apps"}, False),
        ({"group": "*"}, {"resource": "deployments", "group": "apps"}, True),
        ({"resources": ["pods"]}, {"resource": "pods", "subresource": "log"}, False),
        ({"resources": ["pods/log"]}, {"resource": "pods", "subresource": "log"}, True),
        ({"resources": ["pods/*"]}, {"resource": "pods", "subresource": "log"}, True),
        ({"resources": ["*/log"]}, {"resource": "pods", "subresource": "log"}, True),
        ({"resources": ["*/log"]}, {"resource": "log"}, False),
        ({"resources": ["*"]}, {"resource": "pods", "subresource": "log"}, True),
        ({"resources": ["pods"], "resourceNames": ["a"]}, {"resource": "pods", "name": "a"}, True),
        ({"resources": ["pods"], "resourceNames": ["a"]}, {"resource": "pods", "name": "b"}, False),
    ],
)
def test_resources(entry: dict[str, Any], question: dict[str, str], matches: bool) -> None:
    found = policy({"level": "Metadata", "resources": [entry]})
    for _ in range(2):  # the second answer is the remembered one
        assert (level(found, asked(**question)) == "Metadata") is matches


def test_names_are_told_apart_by_what_is_remembered() -> None:
    found = policy({"level": "Metadata", "resources": [{"resources": ["pods"], "resourceNames": ["a"]}]})
    assert [level(found, asked(resource="pods", name=n)) for n in "abab"] == ["Metadata", "None"] * 2


def test_namespaces_groups_and_paths() -> None:
    found = policy(
        {"level": "Metadata", "namespaces": [""]},
        {"level": "Request", "namespaces": ["a"], "userGroups": ["devs"]},
        {"level": "Metadata", "nonResourceURLs": ["/healthz*", "/version"]},
    )
    assert level(found, asked(resource="nodes")) == "Metadata"
    assert level(found, asked(resource="pods", namespace="a")) == "Request"
    assert level(found, asked(resource="pods", namespace="b")) == "None"
    assert [level(found, asked(path=p)) for p in ("/healthz/ping", "/version", "/versions", "/api")] == [
        "Metadata", "Metadata", "None", "None",
    ]  # fmt: skip


def test_stages_and_managed_fields_of_rule_and_policy() -> None:
    found = policy(
        {"level": "Request", "verbs": ["get"], "omitStages": ["Panic"], "omitManagedFields": False},
        {"level": "Request"},
        omitStages=["RequestReceived"],
        omitManagedFields=True,
    )
    got, other = found.evaluate(asked("get", "/x")), found.evaluate(asked("put", "/x"))
    assert got.omit == {"Panic", "RequestReceived"}
    assert other.omit == {"RequestReceived"}
    assert (got.omit_managed_fields, other.omit_managed_fields) == (False, True)
    assert got.level is Level.REQUEST


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({}, "rules[0].level: Required value"),
        ({"level": "Loud"}, 'rules[0].level: Unsupported value: "Loud"'),
        ({"level": "None", "nonResourceURLs": ["x"]}, "must begin with a '/' character"),
        ({"level": "None", "nonResourceURLs": ["/a*b"]}, "must be the final character of the rule"),
        ({"level": "None", "nonResourceURLs": ["/a"], "namespaces": ["b"]}, "cannot apply to both"),
        ({"level": "None", "resources": [{"resourceNames": ["a"]}]}, "requires at least one resource"),
        ({"level": "None", "omitStages": ["Never"]}, "allowed stages are RequestReceived,"),
        ({"level": "None", "user": ["a"]}, "unknown field 'user'"),
        ({"level": "None", "users": "a"}, "users must be a list"),
    ],
)
def test_what_is_refused(rule: dict[str, Any], text: str) -> None:
    with pytest.raises(PolicyError) as refused:
        policy(rule)
    assert text in str(refused.value)


def test_files_that_hold_no_policy(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    for text in ("", "a: [", "kind: Policy\n", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []\n"):
        file.write_text(text)
        with pytest.raises(PolicyError, match=r"policy\.yaml"):
            load(file)
    with pytest.raises(PolicyError, match="failed to read"):
        load(tmp_path / "none.yaml")
