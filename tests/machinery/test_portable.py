"""Objects as they would be written somewhere else."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.machinery.portable import by_itself, managed, portable

NOTED = {"uid": "u", "resourceVersion": "7", "creationTimestamp": "t", "generation": 2, "managedFields": []}


def obj(kind: str, spec: Any = None, api: str = "v1", **meta: Any) -> Any:
    found = {"apiVersion": api, "kind": kind, "metadata": {"name": "x", **NOTED, **meta}, "status": {"a": 1}}
    return {**found, "spec": spec} if spec is not None else found


@pytest.mark.parametrize(
    ("given", "spec"),
    [
        (
            obj(
                "Service", {"clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"], "ports": [{"port": 80, "nodePort": 3}]}
            ),
            {"ports": [{"port": 80}]},
        ),
        (obj("Service", {"clusterIP": "None", "clusterIPs": ["None"]}), {"clusterIP": "None", "clusterIPs": ["None"]}),
        (obj("Pod", {"nodeName": "n", "containers": []}), {"containers": []}),
        (obj("PersistentVolumeClaim", {"volumeName": "v", "accessModes": []}), {"accessModes": []}),
        (
            obj("Job", {"selector": {}, "template": {"metadata": {"labels": {"job-name": "x", "a": "b"}}}}),
            {"template": {"metadata": {"labels": {"a": "b"}}}},
        ),
        (obj("Job", {"selector": {}, "manualSelector": True}), {"selector": {}, "manualSelector": True}),
    ],
)
def test_what_was_given_to_it_where_it_is_stays_there(given: Any, spec: Any) -> None:
    before = repr(given)
    found = portable(given)
    assert found["spec"] == spec
    assert found["metadata"] == {"name": "x"}
    assert "status" not in found
    assert repr(given) == before


def test_what_controllers_make_is_known() -> None:
    owned = obj("Pod", ownerReferences=[{"kind": "ReplicaSet", "name": "r", "uid": "u", "controller": True}])
    assert managed(owned)
    assert not managed(obj("Pod", ownerReferences=[{"kind": "ConfigMap", "name": "c", "uid": "u"}]))
    assert by_itself({"kind": "ServiceAccount", "metadata": {"name": "default"}})
    assert not by_itself({"kind": "ServiceAccount", "metadata": {"name": "robot"}})
    slices = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
    assert by_itself(obj("EndpointSlice", labels=slices))
