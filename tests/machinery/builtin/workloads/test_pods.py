"""Pods: defaults, admission, classes of service, and the words of refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wherry.machinery.builtin.workloads import pod_admission
from wherry.machinery.builtin.workloads.images import default_pull_policy
from wherry.machinery.builtin.workloads.internal_shapes import diff, internal
from wherry.machinery.builtin.workloads.pod_qos import compute_qos
from wherry.machinery.builtin.workloads.pods import Pods

Obj = dict[str, Any]
ACCOUNT = {"metadata": {"name": "default"}}


def pod(**spec: Any) -> Obj:
    made: Obj = {"metadata": {"name": "p", "namespace": "n"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    made["spec"].update(spec)
    Pods().default(made)
    Pods().prepare_create(made)
    return made


def admitted(**spec: Any) -> Obj:
    made = pod(**spec)
    pod_admission.admit_service_account(made, ACCOUNT, lambda: "abcde")
    pod_admission.admit_tolerations(made)
    pod_admission.admit_priority(made, lambda name: None)
    pod_admission.admit_runtime_class(made, lambda name: None)
    return made


def test_a_bare_pod_gets_its_defaults() -> None:
    made = pod()
    spec = made["spec"]
    assert spec["restartPolicy"] == "Always"
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["containers"][0]["terminationMessagePath"] == "/dev/termination-log"
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert Pods().validate_create(made) == []


def test_defaulting_twice_changes_nothing() -> None:
    made = admitted(volumes=[{"name": "v", "configMap": {"name": "m"}}], hostNetwork=True)
    before = json.dumps(made)
    Pods().default(made)
    assert json.dumps(made) == before


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1", "IfNotPresent"),
        ("host:5000/nginx", "Always"),
        ("host:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:" + "0" * 64, "IfNotPresent"),
        ("", "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert default_pull_policy(image) == policy


def test_a_grpc_probe_gets_a_service_even_if_null_was_written() -> None:
    probe = {"grpc": {"port": 3, "service": None}}
    made = pod(containers=[{"name": "c", "image": "i", "livenessProbe": probe}])
    assert made["spec"]["containers"][0]["livenessProbe"]["grpc"]["service"] == ""


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
    ],
)
def test_quality_of_service(resources: Obj, quality: str) -> None:
    assert compute_qos({"spec": {"containers": [{"name": "c", "resources": resources}]}}) == quality


def test_admission_mounts_a_token_and_is_patient_with_nodes() -> None:
    spec = admitted()["spec"]
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    assert spec["volumes"][0]["name"] == "kube-api-access-abcde"
    assert spec["containers"][0]["volumeMounts"][0]["mountPath"] == pod_admission.TOKEN_PATH
    assert [t["tolerationSeconds"] for t in spec["tolerations"]] == [300, 300]
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")


def test_no_token_where_none_is_wanted() -> None:
    assert "volumes" not in admitted(automountServiceAccountToken=False)["spec"]


def test_an_account_that_no_request_could_name() -> None:
    assert str(pod_admission.missing_account("n", "a")).endswith('serviceaccount "a" not found')
    assert str(pod_admission.missing_account("n", "..")).endswith("""invalid resource name "..": [may not be '..']""")


def test_overhead_is_only_judged_after_validation() -> None:
    made = pod(overhead={"cpu": "1"})
    pod_admission.admit_runtime_class(made, lambda name: None)
    with pytest.raises(pod_admission.Refused, match="without corresponding RuntimeClass"):
        pod_admission.check_runtime_class(made, lambda name: None)


def test_rules_without_a_policy_are_not_looked_at_in_init_containers() -> None:
    rule = {"action": "Nope", "exitCodes": {"operator": "Nope"}}
    made = pod(initContainers=[{"name": "i", "image": "i", "restartPolicyRules": [rule]}])
    assert [error.field for error in Pods().validate_create(made)] == ["spec.initContainers[0].restartPolicy"]


def test_an_update_that_may_not_be_shows_what_differs() -> None:
    old, new = admitted(), admitted(nodeName="n1")
    for made in (old, new):
        made["metadata"]["resourceVersion"] = "1"
    (error,) = Pods().validate_update(new, old)
    assert error.field == "spec"
    assert '- "NodeName": "",\n+ "NodeName": "n1",\n' in str(error)


def test_an_image_may_change() -> None:
    old, new = admitted(), admitted(containers=[{"name": "c", "image": "other"}])
    for made in (old, new):
        made["metadata"]["resourceVersion"] = "1"
    assert Pods().validate_update(new, old) == []


def test_status_that_the_server_does_not_know_yet_is_dropped() -> None:
    old, new = admitted(), admitted()
    mount = {"name": "v", "mountPath": "/v", "volumeStatus": {"image": {}}}
    new["status"]["nodeAllocatableResourceClaimStatuses"] = [{"resourceClaimName": "x"}]
    new["status"]["containerStatuses"] = [{"name": "c", "volumeMounts": [mount]}]
    Pods().prepare_status_update(new, old)
    assert "nodeAllocatableResourceClaimStatuses" not in new["status"]
    assert "volumeStatus" not in new["status"]["containerStatuses"][0]["volumeMounts"][0]


def test_internal_types_print_with_their_own_names() -> None:
    assert list(internal("core.Capabilities", {"drop": ["ALL"]}).items()) == [("Add", None), ("Drop", ["ALL"])]
    assert diff("core.TCPSocketAction", {"port": 1}, {"port": 1}) == ""
    assert diff("core.TCPSocketAction", {"port": 1}, {"port": 2}).startswith("@@ -1,4 +1,4 @@\n")
