"""Built-in kinds in two versions: who owns a field is known in each version's own words."""

from __future__ import annotations

from typing import Any

from .api import MERGE, Api, run

APPLY = "application/apply-patch+yaml"
V1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/h"
V2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/h"
TARGET = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}


def scaler(version: str, **spec: Any) -> dict[str, Any]:
    spec = {"maxReplicas": 5, "scaleTargetRef": TARGET, **spec}
    head = {"kind": "HorizontalPodAutoscaler", "apiVersion": f"autoscaling/{version}"}
    return {**head, "metadata": {"name": "h"}, "spec": spec}


def test_a_field_of_one_version_conflicts_with_its_form_in_another() -> None:
    async def test(api: Api) -> None:
        made = await api.call("PATCH", V1 + "?fieldManager=one", scaler("v1", targetCPUUtilizationPercentage=50), APPLY)
        assert made["spec"]["targetCPUUtilizationPercentage"] == 50
        clash = await api.call("PATCH", V2 + "?fieldManager=two", scaler("v2", metrics=[CPU]), APPLY)
        assert [c["field"] for c in clash["details"]["causes"]] == [".spec.targetCPUUtilizationPercentage"]
        forced = await api.call("PATCH", V2 + "?fieldManager=two&force=true", scaler("v2", metrics=[CPU]), APPLY)
        owners = {m["manager"]: (m["apiVersion"], m["fieldsV1"]["f:spec"]) for m in forced["metadata"]["managedFields"]}
        assert owners["one"] == ("autoscaling/v1", {"f:maxReplicas": {}, "f:scaleTargetRef": {}})
        reference = {"f:apiVersion": {}, "f:kind": {}, "f:name": {}}  # atomic in the old version only
        fields = {"f:maxReplicas": {}, "f:metrics": {}, "f:scaleTargetRef": reference}
        assert owners["two"] == ("autoscaling/v2", fields)

    run(test)


def test_an_update_in_one_version_takes_from_owners_in_another() -> None:
    async def test(api: Api) -> None:
        await api.call("PATCH", V2 + "?fieldManager=one", scaler("v2", metrics=[CPU]), APPLY)
        change = {"spec": {"targetCPUUtilizationPercentage": 10}}
        shown = await api.call("PATCH", V1 + "?fieldManager=two", change, MERGE)
        owners = {m["manager"]: m["fieldsV1"]["f:spec"] for m in shown["metadata"]["managedFields"]}
        assert owners["two"] == {"f:targetCPUUtilizationPercentage": {}}
        assert "f:metrics" not in owners["one"]

    run(test)


def test_owners_in_a_version_that_there_is_not_are_forgotten() -> None:
    async def test(api: Api) -> None:
        entry = {
            "manager": "old",
            "operation": "Update",
            "apiVersion": "v9",
            "time": "2020-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}},
        }
        await api.make("c", managedFields=[entry])
        shown = await api.call("PATCH", "/api/v1/namespaces/default/configmaps/c", {"data": {"b": "1"}}, MERGE)
        assert [m["manager"] for m in shown["metadata"]["managedFields"]] == ["test"]

    run(test)
