"""A policy for one version of a kind is asked about writes through every other, and sees the version that it is for."""

from __future__ import annotations

from typing import Any

import pytest
from tests.access.policies import put_to_work
from tests.server.handler_face import Face

SCALERS = "/namespaces/default/horizontalpodautoscalers"
RULE = {
    "apiGroups": ["autoscaling"],
    "apiVersions": ["v2"],
    "operations": ["CREATE"],
    "resources": ["horizontalpodautoscalers"],
}


@pytest.fixture
def face() -> Any:
    found = Face()
    yield found
    found.close()


def scaler(face: Face) -> Any:
    spec = {
        "maxReplicas": 3,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
        "targetCPUUtilizationPercentage": 70,
    }
    body = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": spec,
    }
    return face("POST", f"/apis/autoscaling/v1{SCALERS}", body)


TOO_MUCH = {"expression": "object.spec.metrics[0].resource.target.averageUtilization < 50", "message": "too much"}


def test_an_equivalent_version_is_validated_as_the_one_that_matched(face: Face) -> None:
    put_to_work(face, "ValidatingAdmissionPolicy", rule=RULE, validations=[TOO_MUCH])
    made = scaler(face)
    assert made.status == 422
    assert "denied request: too much" in made.message


def test_an_exact_match_leaves_other_versions_alone(face: Face) -> None:
    put_to_work(face, "ValidatingAdmissionPolicy", rule=RULE, match="Exact", validations=[TOO_MUCH])
    assert scaler(face).status == 201


def test_a_mutation_of_an_equivalent_version_comes_back_in_the_version_of_the_write(face: Face) -> None:
    source = '[JSONPatch{op: "replace", path: "/spec/metrics/0/resource/target/averageUtilization", value: 40}]'
    mutations = [{"patchType": "JSONPatch", "jsonPatch": {"expression": source}}]
    put_to_work(face, "MutatingAdmissionPolicy", rule=RULE, mutations=mutations, reinvocationPolicy="Never")
    made = scaler(face)
    assert made.status == 201, made.body
    assert made.doc["spec"]["targetCPUUtilizationPercentage"] == 40
