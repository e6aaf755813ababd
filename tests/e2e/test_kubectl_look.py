"""kubectl's commands that look: discovery, explain, every form of get, watch, events, who may do what."""

from __future__ import annotations

import json
import re
import subprocess

import yaml

from .conftest import Kubectl


def test_version_and_cluster_info(kubectl: Kubectl) -> None:
    shown = json.loads(kubectl("version", "-o", "json"))
    assert shown["clientVersion"]["minor"] == "37"
    assert shown["serverVersion"]["major"] == "1"
    assert "Kubernetes control plane" in kubectl("cluster-info")
    assert "current-context:" in kubectl("config", "view")
    assert kubectl("get", "--raw", "/readyz") == "ok"


def test_discovery(kubectl: Kubectl) -> None:
    rows = {line.split()[0]: line.split() for line in kubectl("api-resources").splitlines()[1:]}
    assert rows["configmaps"] == ["configmaps", "cm", "v1", "true", "ConfigMap"]
    assert rows["deployments"] == ["deployments", "deploy", "apps/v1", "true", "Deployment"]
    assert rows["nodes"] == ["nodes", "no", "v1", "false", "Node"]
    versions = kubectl("api-versions").split()
    assert {"v1", "apps/v1", "batch/v1", "rbac.authorization.k8s.io/v1", "apiextensions.k8s.io/v1"} <= set(versions)
    assert "deployments.apps" in kubectl("api-resources", "--categories", "all", "-o", "name").split()


def test_explain(kubectl: Kubectl) -> None:
    shown = kubectl("explain", "deployment.spec.replicas")
    assert "KIND:       Deployment" in shown
    assert "FIELD: replicas <integer>" in shown
    assert "containers\t<[]Container> -required-" in kubectl("explain", "pod.spec", "--recursive")


def test_every_form_of_get(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a", "--from-literal=x=1", "--from-literal=y=2")
    kubectl("create", "configmap", "b")
    assert kubectl("get", "configmaps", "-o", "name") == "configmap/a\nconfigmap/b\n"
    header, first, _ = kubectl("get", "cm").splitlines()
    assert header.split() == ["NAME", "DATA", "AGE"]
    assert first.split()[:2] == ["a", "2"]
    assert kubectl("get", "cm", "a", "-o", "jsonpath={.data.x}") == "1"
    columns = kubectl("get", "cm", "-o", "custom-columns=N:.metadata.name,X:.data.x")
    assert [line.split() for line in columns.splitlines()] == [["N", "X"], ["a", "1"], ["b", "<none>"]]
    assert yaml.safe_load(kubectl("get", "cm", "a", "-o", "yaml"))["data"] == {"x": "1", "y": "2"}
    assert json.loads(kubectl("get", "cm", "-o", "json"))["kind"] == "List"
    assert kubectl("get", "cm", "-A", "-o", "wide").splitlines()[0].split() == ["NAMESPACE", "NAME", "DATA", "AGE"]
    assert "No resources found" in kubectl.run("get", "secrets", "-o", "wide").stderr
    assert 'configmaps "nope" not found' in kubectl.refused("get", "cm", "nope")
    assert "the server doesn't have a resource type" in kubectl.refused("get", "nonsense")


def test_pages_give_the_same_as_one_list(kubectl: Kubectl) -> None:
    names = [f"page-{number:02}" for number in range(7)]
    items = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} for name in names]
    kubectl("create", "-f", "-", stdin=yaml.safe_dump_all(items))
    shown = kubectl.run("get", "cm", "--chunk-size=3", "-o", "name", "-v=6")
    assert shown.stdout.split() == [f"configmap/{name}" for name in names]
    assert shown.stderr.count("limit=3") == 3
    assert kubectl("get", "cm", "--field-selector=metadata.name=page-03", "-o", "name") == "configmap/page-03\n"


def test_watch(kubectl: Kubectl) -> None:
    command = [kubectl.binary, "--kubeconfig", str(kubectl.kubeconfig), "-n", kubectl.namespace]
    watch = ["get", "cm", "-w", "-o", "name", "--request-timeout=30s"]
    kubectl("create", "configmap", "first")
    watching = subprocess.Popen([*command, *watch], stdout=subprocess.PIPE, text=True)
    try:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "configmap/first\n"
        kubectl("create", "configmap", "second")
        assert watching.stdout.readline() == "configmap/second\n"
        kubectl("label", "configmap", "first", "a=b")
        assert watching.stdout.readline() == "configmap/first\n"
    finally:
        watching.kill()
        watching.communicate()


def test_who_may_do_what(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert kubectl.run("auth", "can-i", "create", "pods", "--as", "nobody").stdout == "no\n"
    assert "system:masters" in kubectl("auth", "whoami")
    assert "*.*" in kubectl("auth", "can-i", "--list")


def test_describe_and_events(kubectl: Kubectl) -> None:
    kubectl("run", "web", "--image=nginx", "--port=80")
    shown = kubectl("describe", "pod", "web")
    assert re.search(r"Image: +nginx\n", shown)
    assert re.search(r"Status: +Pending\n", shown)
    kubectl("create", "deployment", "front", "--image=nginx", "--replicas=2")
    assert "2 desired | 0 updated | 0 total" in kubectl("describe", "deployment", "front")
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "reason": "Tested", "message": "it was seen",
        "type": "Normal",
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": kubectl.namespace},
    }  # fmt: skip
    kubectl("create", "-f", "-", stdin=json.dumps(event))
    assert re.search(r"Pod/web +it was seen", kubectl("events"))
    assert "it was seen" in kubectl("events", "--for", "pod/web")
