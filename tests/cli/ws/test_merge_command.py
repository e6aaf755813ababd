"""`wherry merge` against a running control plane: what a fork has changed comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.cli.ws.test_command import Shell, fresh, shell

__all__ = ["fresh", "shell"]
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: teas.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Tea, plural: teas, singular: tea, listKind: TeaList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""


@pytest.fixture
def forked(shell: Shell, request: pytest.FixtureRequest) -> Iterator[Shell]:
    """A workspace `shop` and its fork `trial`, in which one is."""
    shell.ws("create", "shop", "--enter")
    shell.kubectl("create", "configmap", "prices", "--from-literal=tea=3", "--from-literal=milk=1")
    shell.kubectl("create", "configmap", "old")
    shell.run("fork", ".", "../trial", "--enter")
    yield shell
    shell.ws(":root")
    for name in ("trial", "shop"):
        shell.ws("delete", name, "--recursive")


def set_price(shell: Shell, what: str, price: str) -> None:
    shell.kubectl("patch", "configmap", "prices", "--patch", json.dumps({"data": {what: price}}))


def prices(shell: Shell) -> dict[str, str]:
    found: dict[str, str] = json.loads(shell.kubectl("get", "configmap", "prices", "-o", "json"))["data"]
    return found


def test_all_that_was_changed_comes_back_definitions_and_namespaces_first(forked: Shell) -> None:
    (forked.path.parent / "tea.yaml").write_text(DEFINITION)
    forked.kubectl("apply", "-f", "tea.yaml")
    forked.kubectl("wait", "--for=condition=established", "crd/teas.example.com")
    forked.kubectl("create", "namespace", "cellar")
    tea = "apiVersion: example.com/v1\nkind: Tea\nmetadata: {name: assam, namespace: cellar}\n"
    (forked.path.parent / "assam.yaml").write_text(tea)
    forked.kubectl("apply", "-f", "assam.yaml")
    forked.kubectl("delete", "configmap", "old")
    set_price(forked, "tea", "4")
    forked.ws(":root:shop")
    set_price(forked, "milk", "2")
    told = forked.run("merge", "../trial", "--dry-run").splitlines()
    assert told[-1].startswith('Would be written to "root:shop": ')
    assert prices(forked) == {"tea": "3", "milk": "2"}
    told = forked.run("merge", "../trial").splitlines()
    assert told[:2] == ["+ customresourcedefinitions.apiextensions.k8s.io teas.example.com", "+ namespaces cellar"]
    assert {"+ teas.example.com cellar/assam", "~ configmaps default/prices"} <= set(told)
    assert told[-2] == "- configmaps default/old"
    assert prices(forked) == {"tea": "4", "milk": "2"}
    assert "assam" in forked.kubectl("get", "teas", "-n", "cellar", "-o", "name")
    assert forked.run("merge", "../trial") == 'Nothing to merge into "root:shop".\n'


def test_what_both_changed_is_told_and_nothing_is_written(forked: Shell) -> None:
    set_price(forked, "tea", "4")
    forked.kubectl("delete", "configmap", "old")
    forked.ws(":root:shop")
    set_price(forked, "tea", "5")
    lines = forked.refused_lines("merge", "../trial")
    assert lines == [
        "both sides changed the same; --force lets the fork win:",
        "! configmaps default/prices",
        "    data.tea: before 3, fork 4, target 5",
    ]
    assert "old" in forked.kubectl("get", "configmaps", "-o", "name")
    forked.run("merge", "../trial", "--force")
    assert prices(forked)["tea"] == "4"


def test_what_one_deleted_and_the_other_changed_is_a_conflict(forked: Shell) -> None:
    forked.kubectl("delete", "configmap", "prices")
    forked.kubectl("patch", "configmap", "old", "--patch", '{"data": {"a": "b"}}')
    forked.ws(":root:shop")
    set_price(forked, "tea", "5")
    forked.kubectl("delete", "configmap", "old")
    lines = forked.refused_lines("merge", "../trial")
    assert lines[1:] == [
        "! configmaps default/old",
        "    object: before (there), fork (changed), target (deleted)",
        "! configmaps default/prices",
        "    object: before (there), fork (deleted), target (changed)",
    ]


def test_it_can_go_into_another_workspace(forked: Shell) -> None:
    set_price(forked, "tea", "4")
    forked.run("fork", ":root:shop", ":root:third")
    forked.run("merge", ".", ":root:third")
    forked.ws(":root:third")
    assert prices(forked)["tea"] == "4"
    forked.ws(":root")
    forked.ws("delete", "third")


def test_what_is_no_fork_cannot_be_merged(forked: Shell) -> None:
    assert "workspace root:shop is no fork" in forked.refused_of("merge", ":root:shop")


def test_what_the_target_refuses_is_said_before_anything_is_written(forked: Shell) -> None:
    forked.kubectl("create", "configmap", "aaa")
    forked.kubectl("create", "configmap", "bbb")
    forked.ws(":root:shop")
    forked.kubectl("create", "quota", "none", "--hard=configmaps=0")
    forked.kubectl("wait", "--for=jsonpath={.status.hard.configmaps}=0", "resourcequota/none")
    assert "exceeded quota" in forked.refused_of("merge", "../trial")
    assert "aaa" not in forked.kubectl("get", "configmaps", "-o", "name")
