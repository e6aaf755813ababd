"""`wherry clone` and `wherry export`: from one control plane into another, from a folder, and out again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.pages import session
from tests.cli.test_up import up
from tests.cli.ws.test_command import Shell

SOURCE = """\
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
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: owner, namespace: shop}
data: {a: "1"}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: shop}
stringData: {password: tea}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}], selector: {app: web}, type: NodePort}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: i}]}
"""


@pytest.fixture(scope="module")
def kubeconfigs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Those of a source and of a target."""
    folders = [tmp_path_factory.mktemp(name) for name in ("source", "target")]
    with up(folders[0], "--in-memory", "--controllers"), up(folders[1], "--in-memory"):
        configs = [yaml.safe_load((folder / ".wherry/kubeconfig").read_text()) for folder in folders]
        yield configs[0], configs[1]


@pytest.fixture
def shell(
    kubeconfigs: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """In the target, with a context `source`."""
    source, target = kubeconfigs
    for part, key in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
        entry = json.loads(json.dumps(source[part][0]))
        entry["name"] = "source"
        if part == "contexts":
            entry[key] = {"cluster": "source", "user": "source"}
        target = {**target, part: [*target[part], entry]}
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(target))
    return Shell(path, capsys)


@pytest.fixture(scope="module", autouse=True)
def filled(kubeconfigs: tuple[dict[str, Any], dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("filling")
    (folder / "config").write_text(yaml.safe_dump(kubeconfigs[0]))
    source = Shell(folder / "config", None)  # type: ignore[arg-type]
    (folder / "all.yaml").write_text(SOURCE)
    source.kubectl("create", "-f", "all.yaml")
    source.kubectl("wait", "--for=condition=established", "crd/teas.example.com")
    uid = source.kubectl("get", "configmap", "owner", "-n", "shop", "-o", "jsonpath={.metadata.uid}")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    tea = {"apiVersion": "example.com/v1", "kind": "Tea", "metadata": {"name": "assam", "namespace": "shop"}}
    tea["metadata"]["ownerReferences"] = [owner]  # type: ignore[index]
    (folder / "tea.json").write_text(json.dumps(tea))
    source.kubectl("create", "-f", "tea.json")
    source.kubectl("wait", "--for=create", "pod", "-l", "app=web", "-n", "shop", "--timeout=20s")


_OWNER = "{.metadata.ownerReferences[0].uid}"


def field(shell: Shell, kind: str, name: str, path: str) -> str:
    return shell.kubectl("get", kind, name, "-n", "shop", "-o", f"jsonpath={path}")


def test_a_cluster_comes_over_definitions_first_and_owners_stay_owners(shell: Shell) -> None:
    told = json.loads(shell.run("clone", "whole", "--context", "source", "-o", "json"))
    assert told["refused"] == []
    assert told["created"] > 6
    assert told["leftOut"]["is in every cluster"] > 0
    shell.ws("whole")
    assert field(shell, "secret", "key", "{.data.password}") == "dGVh"
    owner = field(shell, "configmap", "owner", "{.metadata.uid}")
    assert field(shell, "tea", "assam", _OWNER) == owner
    replicas = shell.kubectl("get", "replicasets", "-n", "shop", "-o", "name").strip().partition("/")[2]
    assert field(shell, "replicaset", replicas, _OWNER) == field(shell, "deployment", "web", "{.metadata.uid}")
    shell.ws(":root")
    again = json.loads(shell.run("clone", "whole", "--context", "source", "-o", "json"))
    assert (again["created"], again["changed"], again["refused"]) == (0, 0, [])
    assert again["kept"] == told["created"] + told["kept"]


def test_a_cluster_and_its_copy_are_compared(shell: Shell) -> None:
    shell.run("clone", "alike", "--context", "source")
    assert shell.run("diff", "context:source", "alike") == ""
    shell.ws("alike")
    shell.kubectl("delete", "configmap", "owner", "-n", "shop", "--cascade=orphan")
    shell.kubectl("patch", "secret", "key", "-n", "shop", "--patch", '{"stringData": {"password": "x"}}')
    shell.ws(":root")
    assert shell.run_any("diff", "context:source", "alike").splitlines() == [
        "- configmaps shop/owner",
        "~ secrets shop/key",
        "    data.password: (hidden) -> (hidden)",
    ]


def test_one_chooses_kinds_and_namespaces_and_leaves_secrets_out(shell: Shell) -> None:
    words = ("--kinds", "namespaces,secrets", "--namespaces", "shop", "--redact-secrets")
    told = shell.run("clone", "some", "--context", "source", *words)
    assert told.splitlines()[0] == '"root:some": 2 created, 0 changed, 0 as they were'
    shell.ws("some")
    assert field(shell, "secret", "key", "{.data.password}") == "UkVEQUNURUQ="
    assert shell.kubectl("get", "configmaps", "-n", "shop", "-o", "name") == ""
    shell.ws(":root")


def test_what_is_exported_fills_another_workspace_alike(shell: Shell) -> None:
    shell.run("clone", "first", "--context", "source")
    folder = shell.path.parent / "out"
    assert f"objects were written to {folder}." in shell.run("export", "first", "--folder", str(folder))
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.yaml")}
    assert {
        "shop/deployments.apps/web.yaml",
        "cluster/namespaces/shop.yaml",
        "shop/teas.example.com/assam.yaml",
    } <= files
    assert not any("replicasets" in name for name in files)
    service = yaml.safe_load((folder / "shop/services/web.yaml").read_text())
    assert "clusterIP" not in service["spec"]
    shell.run("clone", "second", "--from", str(folder))
    lines = shell.run_any("diff", "first", "second").splitlines()
    assert [line for line in lines if line[0] in "+-~" and not re.match("- (pods|replicasets)", line)] == [
        "~ services shop/web",  # with another address
        "~ teas.example.com shop/assam",  # without its owner
    ]
    assert "is not empty" in shell.refused_of("export", "first", "--folder", str(folder))
    stream = list(yaml.safe_load_all(shell.run("export", "first", "--redact-secrets")))
    assert stream[0]["kind"] == "CustomResourceDefinition"
    assert next(each for each in stream if each["kind"] == "Secret")["data"] == {"password": "UkVEQUNURUQ="}


def test_what_the_target_refuses_is_told_and_the_rest_comes(shell: Shell) -> None:
    folder = shell.path.parent / "in"
    folder.mkdir()
    good = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "good"}}
    bad = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Not_A_Name"}}
    (folder / "a.yaml").write_text(yaml.safe_dump_all([good, bad]))
    told = json.loads(shell.run_any("clone", "half", "--from", str(folder), "-o", "json", code=1))
    assert told["created"] == 1
    (refused,) = told["refused"]
    assert refused["object"] == "configmaps Not_A_Name"
    assert "Invalid value" in refused["why"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: b: c", "a.yaml"),
        ("kind: ConfigMap", "a document without kind and apiVersion is no manifest"),
        ("{apiVersion: no.example/v1, kind: Nothing, metadata: {name: x}}", "nobody knows the kind Nothing"),
    ],
)
def test_a_folder_that_cannot_be_read_is_refused_before_anything_is_written(shell: Shell, text: str, why: str) -> None:
    folder = shell.path.parent / "in"
    folder.mkdir()
    (folder / "a.yaml").write_text(text)
    assert why in shell.refused_of("clone", "none", "--from", str(folder))


def test_what_cannot_be_is_said_in_one_line(shell: Shell) -> None:
    assert "context 'nowhere' not found" in shell.refused_of("clone", "x", "--context", "nowhere")
    assert "serves no unicorns" in shell.refused_of("clone", "x", "--context", "source", "--kinds", "unicorns")
    assert "name a workspace below it" in shell.refused_of("clone", ":root", "--context", "source")


def test_the_guide_does_what_it_says(shell: Shell) -> None:
    folder = shell.path.parent / "here"
    folder.mkdir()
    out = session("how-to/clone.md", folder, shell.path)
    assert "objects were written to ../manifests." in out
    assert out.splitlines()[-1].startswith('"root:again": ')  # and no difference behind it
