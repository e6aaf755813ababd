"""kubectl's commands that change: create, apply, edit, patch, replace, delete, wait, scale and their kin."""

from __future__ import annotations

import json

import pytest
import yaml

from .conftest import Kubectl

DEPLOYMENT = ["create", "deployment", "web", "--image=nginx"]
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "labels": {"a": "b"}}, "data": {"x": "1"}}

CREATED = [
    (["configmap", "x", "--from-literal=a=b"], "configmap/x created"),
    (["secret", "generic", "x", "--from-literal=a=b"], "secret/x created"),
    (["serviceaccount", "x"], "serviceaccount/x created"),
    (["deployment", "x", "--image=nginx"], "deployment.apps/x created"),
    (["job", "x", "--image=busybox", "--", "true"], "job.batch/x created"),
    (["cronjob", "x", "--image=busybox", "--schedule=* * * * *"], "cronjob.batch/x created"),
    (["service", "clusterip", "x", "--tcp=80:8080"], "service/x created"),
    (["role", "x", "--verb=get", "--resource=pods"], "role.rbac.authorization.k8s.io/x created"),
    (["rolebinding", "x", "--role=x", "--user=u"], "rolebinding.rbac.authorization.k8s.io/x created"),
    (["quota", "x", "--hard=configmaps=100"], "resourcequota/x created"),
    (["poddisruptionbudget", "x", "--selector=a=b", "--min-available=1"], "poddisruptionbudget.policy/x created"),
    (["ingress", "x", "--rule=example.com/=svc:80"], "ingress.networking.k8s.io/x created"),
]


@pytest.mark.parametrize(("arguments", "said"), CREATED, ids=[arguments[0] for arguments, _ in CREATED])
def test_create(kubectl: Kubectl, arguments: list[str], said: str) -> None:
    assert kubectl("create", *arguments) == said + "\n"
    assert "already exists" in kubectl.refused("create", *arguments)


def test_create_token(kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "robot")
    assert kubectl("create", "token", "robot").count(".") == 2


def test_apply_twice_changes_nothing(kubectl: Kubectl) -> None:
    manifest = yaml.safe_dump(MAP)
    assert kubectl("apply", "-f", "-", stdin=manifest) == "configmap/m created\n"
    assert kubectl("apply", "-f", "-", stdin=manifest) == "configmap/m unchanged\n"
    changed = yaml.safe_dump({**MAP, "data": {"z": "2"}})
    shown = kubectl.run("diff", "-f", "-", stdin=changed)
    assert shown.returncode == 1
    assert "+  z:" in shown.stdout
    assert kubectl("apply", "-f", "-", stdin=changed) == "configmap/m configured\n"
    assert kubectl("get", "cm", "m", "-o", "jsonpath={.data}") == '{"z":"2"}'
    assert kubectl.run("diff", "-f", "-", stdin=changed).returncode == 0


def test_server_side_apply_and_its_conflict(kubectl: Kubectl) -> None:
    manifest = yaml.safe_dump(MAP)
    assert kubectl("apply", "--server-side", "-f", "-", stdin=manifest) == "configmap/m serverside-applied\n"
    other = yaml.safe_dump({**MAP, "data": {"x": "2"}})
    said = kubectl.refused("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other)
    assert 'conflict with "kubectl": .data.x' in said
    kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", stdin=other)
    assert kubectl("get", "cm", "m", "-o", "jsonpath={.data.x}") == "2"


def test_label_annotate_edit(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=yaml.safe_dump(MAP))
    assert kubectl("label", "cm", "m", "c=d") == "configmap/m labeled\n"
    assert "already has a value" in kubectl.refused("label", "cm", "m", "c=e")
    assert kubectl("annotate", "cm", "m", "note=hi") == "configmap/m annotated\n"
    assert kubectl("label", "cm", "m", "a-") == "configmap/m unlabeled\n"
    assert kubectl("get", "cm", "-l", "c=d,!a", "-o", "name") == "configmap/m\n"
    kubectl.environment["KUBE_EDITOR"] = "sed -i s/note:.hi/note:\\ edited/"
    assert kubectl("edit", "cm", "m") == "configmap/m edited\n"
    assert kubectl("get", "cm", "m", "-o", "jsonpath={.metadata.annotations.note}") == "edited"


def test_three_patches_and_replace(kubectl: Kubectl) -> None:
    kubectl(*DEPLOYMENT)
    two = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "busybox"}]}}}}
    assert kubectl("patch", "deploy", "web", "-p", json.dumps(two)) == "deployment.apps/web patched\n"
    images = "jsonpath={.spec.template.spec.containers[*].image}"
    assert sorted(kubectl("get", "deploy", "web", "-o", images).split()) == ["busybox", "nginx"]
    kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"spec":{"replicas":4}}')
    operation = '[{"op":"replace","path":"/spec/replicas","value":5}]'
    kubectl("patch", "deploy", "web", "--type=json", "-p", operation)
    assert (
        kubectl("patch", "deploy", "web", "--type=json", "-p", operation) == "deployment.apps/web patched (no change)\n"
    )
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "5"
    uid = kubectl("get", "deploy", "web", "-o", "jsonpath={.metadata.uid}")
    manifest = kubectl("create", "deployment", "web", "--image=httpd", "--dry-run=client", "-o", "yaml")
    assert "replaced" in kubectl("replace", "--force", "-f", "-", stdin=manifest)
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.metadata.uid}") != uid


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
def test_delete_with_each_cascade(kubectl: Kubectl, cascade: str) -> None:
    kubectl("create", "configmap", "owner")
    uid = kubectl("get", "cm", "owner", "-o", "jsonpath={.metadata.uid}")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "blockOwnerDeletion": True}
    child = {**MAP, "metadata": {"name": "child", "ownerReferences": [reference]}}
    kubectl("create", "-f", "-", stdin=yaml.safe_dump(child))
    assert f'configmap "owner" deleted from {kubectl.namespace} namespace' in kubectl(
        "delete", "cm", "owner", f"--cascade={cascade}"
    )
    owners = ["get", "cm", "-o", "jsonpath={.items[*].metadata.ownerReferences}"]
    if cascade == "orphan":
        kubectl.until(lambda shown: shown == "", *owners)
        assert kubectl("get", "cm", "child", "-o", "name") == "configmap/child\n"
    else:
        kubectl("wait", "--for=delete", "cm/child", "--timeout=10s")


def test_wait(kubectl: Kubectl) -> None:
    kubectl(*DEPLOYMENT)
    status = {"status": {"conditions": [{"type": "Available", "status": "True"}], "replicas": 1, "readyReplicas": 1}}
    kubectl("patch", "deploy", "web", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    assert kubectl("wait", "deploy/web", "--for=condition=Available") == "deployment.apps/web condition met\n"
    assert kubectl("wait", "deploy/web", "--for=jsonpath={.status.readyReplicas}=1").endswith("condition met\n")
    assert "timed out" in kubectl.refused("wait", "deploy/web", "--for=condition=Odd", "--timeout=100ms")
    assert kubectl("wait", "deploy/none", "--for=delete", "--timeout=1s") == ""


def test_scale_set_expose_rollout(kubectl: Kubectl) -> None:
    kubectl(*DEPLOYMENT, "--port=80")
    assert kubectl("scale", "deploy/web", "--replicas=3") == "deployment.apps/web scaled\n"
    assert kubectl("set", "image", "deploy/web", "nginx=nginx:2") == "deployment.apps/web image updated\n"
    assert kubectl("set", "env", "deploy/web", "A=b") == "deployment.apps/web env updated\n"
    assert kubectl("expose", "deploy/web") == "service/web exposed\n"
    assert kubectl("get", "service", "web", "-o", "jsonpath={.spec.ports[0].port}") == "80"
    assert kubectl("rollout", "restart", "deploy/web") == "deployment.apps/web restarted\n"
    shown = kubectl("get", "deploy", "web", "-o", "wide").splitlines()[1].split()
    assert shown[1] == "0/3"
    assert "nginx:2" in shown
    assert kubectl.run("rollout", "status", "deploy/web", "--timeout=200ms").returncode == 1


def test_nodes(kubectl: Kubectl) -> None:
    node = f"node-{kubectl.namespace}"
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}))
    assert kubectl("cordon", node) == f"node/{node} cordoned\n"
    assert "SchedulingDisabled" in kubectl("get", "node", node)
    assert kubectl("taint", "node", node, "k=v:NoSchedule") == f"node/{node} tainted\n"
    kubectl("uncordon", node)
    kubectl("delete", "node", node)
