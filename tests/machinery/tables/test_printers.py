"""Tables of built-in kinds: durations, the cells of each kind's states, split rows, the envelope."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import BadRequest
from wherry.machinery import builtins
from wherry.machinery.tables import (
    RowTemplate,
    include_object,
    table_document,
    table_event,
    table_for,
    table_row,
)
from wherry.machinery.tables.cells import Since, human_duration, seconds_of, short_duration

NOW = seconds_of("2026-01-01T00:02:00Z") or 0.0
BORN = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1.5, "0s"),
        (-0.5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (121, "2m1s"),
        (599, "9m59s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (10860, "3h1m"),
        (28799, "7h59m"),
        (28800, "8h"),
        (172799, "47h"),
        (172800, "2d"),
        (176400, "2d1h"),
        (691199, "7d23h"),
        (691200, "8d"),
        (63071999, "729d"),
        (63072000, "2y"),
        (63158400, "2y1d"),
        (252287999, "7y364d"),
        (252288000, "8y"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_short_durations() -> None:
    assert [short_duration(s) for s in (-3, -1, 59, 60, 3600, 86400, 86400 * 365)] == [
        "<invalid>", "0s", "59s", "1m", "1h", "1d", "1y",
    ]  # fmt: skip


def test_timestamps() -> None:
    assert seconds_of("1970-01-01T00:00:01Z") == 1
    assert seconds_of("1970-01-01T01:00:00.250000+01:00") == 0.25
    assert seconds_of("") is None
    assert seconds_of("soon") is None
    assert seconds_of("1970-01-01T00:00:01") is None


def cells(api_version: str, kind: str, **members: Any) -> list[Any]:
    group = api_version.rpartition("/")[0]
    metadata = {"name": "n", "creationTimestamp": BORN, **members.pop("metadata", {})}
    obj = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **members}
    printer = table_for(group, "v1", kind)
    out = printer.cells(obj, NOW)
    assert json.loads(printer.split(obj).cells(NOW)) == out
    assert len(out) >= len(printer.columns)  # IPAddress has one cell more than columns, upstream too
    return out


def pod(status: dict[str, Any], spec: dict[str, Any] | None = None, **metadata: Any) -> list[Any]:
    return cells("v1", "Pod", metadata=metadata, spec=spec or {"containers": [{"name": "c"}]}, status=status)[1:5]


TERMINATED = {"terminated": {"exitCode": 1, "reason": "Error"}}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"phase": "Pending"}, ["0/1", "Pending", "0"]),
        ({"phase": "Failed", "reason": "Evicted"}, ["0/1", "Evicted", "0"]),
        (
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
            ["0/1", "SchedulingGated", "0"],
        ),
        (
            {"phase": "Running", "containerStatuses": [{"ready": True, "restartCount": 2, "state": {"running": {}}}]},
            ["1/1", "Running", "2"],
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    {
                        "restartCount": 3,
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"finishedAt": "2026-01-01T00:01:00Z"}},
                    }
                ],
            },
            ["0/1", "CrashLoopBackOff", "3 (60s ago)"],
        ),
        (
            {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]},
            ["0/1", "ExitCode:3", "0"],
        ),
        (
            {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"signal": 9, "exitCode": 1}}}]},
            ["0/1", "Signal:9", "0"],
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    {"state": {"terminated": {"reason": "Completed"}}},
                    {"ready": True, "state": {"running": {}}},
                ],
            },
            ["1/1", "NotReady", "0"],
        ),
        (
            {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [
                    {"state": {"terminated": {"reason": "Completed"}}},
                    {"ready": True, "state": {"running": {}}},
                ],
            },
            ["1/1", "Running", "0"],
        ),
    ],
)
def test_pods(status: dict[str, Any], expected: list[str]) -> None:
    assert pod(status) == [*expected, "2m"]


INIT = {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"state": {"running": {}}}, {}, ["0/2", "Init:0/2", "0"]),
        ({"state": TERMINATED, "restartCount": 4}, {}, ["0/2", "Init:Error", "4"]),
        ({"state": {"terminated": {"exitCode": 2}}}, {}, ["0/2", "Init:ExitCode:2", "0"]),
        ({"state": {"terminated": {"exitCode": 2, "signal": 6}}}, {}, ["0/2", "Init:Signal:6", "0"]),
        ({"state": {"waiting": {"reason": "ErrImagePull"}}}, {}, ["0/2", "Init:ErrImagePull", "0"]),
        ({"state": {"waiting": {"reason": "PodInitializing"}}}, {}, ["0/2", "Init:0/2", "0"]),
        ({"state": {"terminated": {"exitCode": 0}}}, {"started": True, "ready": True}, ["1/2", "Pending", "0"]),
        ({"state": {"terminated": {"exitCode": 0}}}, {"started": False}, ["0/2", "Init:1/2", "0"]),
    ],
)
def test_pods_that_initialize(first: dict[str, Any], second: dict[str, Any], expected: list[str]) -> None:
    state = {"phase": "Pending", "initContainerStatuses": [{"name": "i", **first}, {"name": "s", **second}]}
    assert pod(state, INIT) == [*expected, "2m"]


def test_pods_that_are_deleted() -> None:
    assert pod({"phase": "Running"}, deletionTimestamp=BORN)[1] == "Terminating"
    assert pod({"phase": "Succeeded"}, deletionTimestamp=BORN)[1] == "Succeeded"
    assert pod({"phase": "Running", "reason": "NodeLost"}, deletionTimestamp=BORN)[1] == "Unknown"


def test_pod_conditions_and_wide_cells() -> None:
    printer = table_for("", "v1", "Pod")
    done = {"metadata": {"name": "n"}, "status": {"phase": "Succeeded"}}
    assert [c["reason"] for c in printer.conditions(done) or []] == ["Succeeded"]
    assert printer.conditions({"metadata": {}, "status": {"phase": "Running"}}) is None
    spec = {"nodeName": "k", "readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]}
    status = {"podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "a", "status": "True"}]}
    assert cells("v1", "Pod", spec=spec, status=status)[5:] == ["10.0.0.1", "k", "<none>", "1/2"]


def service(**spec: Any) -> list[Any]:
    status = spec.pop("status", {})
    return cells("v1", "Service", spec=spec, status=status)[1:5]


def test_services() -> None:
    assert service(type="ClusterIP", clusterIPs=["None"]) == ["ClusterIP", "None", "<none>", "<none>"]
    ports = [{"port": 80, "protocol": "TCP", "nodePort": 30000}, {"port": 53, "protocol": "UDP"}]
    assert service(type="NodePort", ports=ports)[3] == "80:30000/TCP,53/UDP"
    assert service(type="LoadBalancer")[2] == "<pending>"
    balanced = {"loadBalancer": {"ingress": [{"hostname": "b"}, {"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}]}}
    assert service(type="LoadBalancer", status=balanced)[2] == "1.1.1.1,b"
    assert service(type="LoadBalancer", status=balanced, externalIPs=["9.9.9.9"])[2] == "1.1.1.1,b,9.9.9.9"
    assert service(type="ExternalName", externalName="db.example.com")[2] == "db.example.com"
    assert service(type="Odd")[2] == "<unknown>"


def test_autoscaler_targets() -> None:
    metrics = [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 60}}},
        {"type": "Pods", "pods": {"target": {"averageValue": "1k"}}},
        {"type": "Object", "object": {"target": {"value": "5"}}},
    ]
    current = [{"type": "Resource", "resource": {"current": {"averageUtilization": 55}}}]
    shown = cells(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        spec={"metrics": metrics, "scaleTargetRef": {"kind": "Deployment", "name": "d"}, "maxReplicas": 9},
        status={"currentMetrics": current},
    )
    assert shown[1:] == ["Deployment/d", "cpu: 55%/60%, <unknown>/1k + 1 more...", "<unset>", 9, 0, "2m"]


def test_autoscalers_of_the_old_version() -> None:
    annotation = {"autoscaling.alpha.kubernetes.io/metrics": (
        '[{"type":"Resource","resource":{"name":"memory","targetAverageValue":"1Gi"}}]'
    )}  # fmt: skip
    shown = cells(
        "autoscaling/v1",
        "HorizontalPodAutoscaler",
        metadata={"annotations": annotation},
        spec={"targetCPUUtilizationPercentage": 80, "scaleTargetRef": {"kind": "Deployment"}, "maxReplicas": 9},
        status={},
    )
    assert sorted(shown[2].split(", ")) == ["cpu: <unknown>/80%", "memory: <unknown>/1Gi"]


def test_a_few_others() -> None:
    assert cells("v1", "Node", spec={"unschedulable": True}, metadata={"labels": {"node-role.kubernetes.io/b": ""}})[
        1:3
    ] == ["Unknown,SchedulingDisabled", "b"]
    subset = {"addresses": [{"ip": "fd::1"}, {"ip": "10.0.0.1"}], "ports": [{"port": 1}, {"port": 2}]}
    assert cells("v1", "Endpoints", subsets=[subset])[1] == "[fd::1]:1,10.0.0.1:1,[fd::1]:2 + 1 more..."
    assert cells("v1", "ResourceQuota", status={"hard": {"limits.cpu": "2", "pods": "4"}, "used": {"pods": "1"}})[
        1:3
    ] == ["pods: 1/4", "limits.cpu: 0/2"]
    job = cells("batch/v1", "Job", spec={"parallelism": 3}, status={"startTime": BORN, "succeeded": 1})
    assert job[1:5] == ["Running", "1/1 of 3", "2m", "2m"]
    event = {"involvedObject": {"kind": "Pod", "name": "p"}, "eventTime": "2026-01-01T00:01:00.000000Z"}
    assert cells("v1", "Event", **event)[3] == "pod/p"
    assert cells("v1", "Event", **event)[0] == "60s"
    assert cells("rbac.authorization.k8s.io/v1", "Role") == ["n", BORN]
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s", "controller": True}
    assert cells("apps/v1", "ControllerRevision", metadata={"ownerReferences": [owner]}, revision=3)[1:3] == [
        "statefulset.apps/s",
        3,
    ]


def test_flow_schemas_are_listed_by_precedence() -> None:
    printer = table_for("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema")
    assert printer.order is not None
    objects = [{"metadata": {"name": n}, "spec": {"matchingPrecedence": p}} for n, p in (("c", 5), ("b", 9), ("a", 9))]
    assert [o["metadata"]["name"] for o in sorted(objects, key=printer.order)] == ["c", "a", "b"]  # type: ignore[index]
    assert table_for("", "v1", "Pod").order is None


FIXED = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text())


@given(st.lists(st.one_of(FIXED, st.integers(0, 10**9).map(lambda s: Since(float(s), "x (", ")"))), max_size=6))
def test_split_rows_give_the_same_cells(row: list[Any]) -> None:
    expected = [c(NOW) if callable(c) else c for c in row]
    assert orjson.loads(RowTemplate(row).cells(NOW)) == expected


def test_envelope() -> None:
    printer = table_for("", "v1", "ConfigMap")
    obj = {"metadata": {"name": "a", "creationTimestamp": BORN}, "data": {"k": "v"}}
    row = table_row(printer.split(obj), NOW, None)
    table = orjson.loads(table_document(printer, [row], resource_version="7", continue_="c", remaining=0))
    assert table["metadata"] == {"resourceVersion": "7", "continue": "c", "remainingItemCount": 0}
    assert table["rows"] == [{"cells": ["a", 1, "2m"], "object": None}]
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert orjson.loads(table_event(printer, row, resource_version="7", version="v1beta1")) == {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1beta1",
        "metadata": {"resourceVersion": "7"},
        "columnDefinitions": None,
        "rows": table["rows"],
    }
    assert orjson.loads(table_document(printer, []))["rows"] == []
    assert orjson.loads(table_document(table_for("", "v1", "LimitRange"), []))["rows"] is None
    done = {"metadata": {"name": "a"}, "status": {"phase": "Failed"}}
    assert b'"reason":"Failed"' in table_row(table_for("", "v1", "Pod").split(done), NOW, b"{}")


def test_include_object() -> None:
    assert [include_object(v) for v in ("", "None", "Object", "Metadata")] == ["Metadata", "None", "Object", "Metadata"]
    with pytest.raises(BadRequest) as caught:
        include_object("x")
    assert caught.value.message == (
        'Unable to convert to Table as requested: includeObject: Invalid value: "x": '
        "must be 'Metadata', 'Object', 'None', or empty"
    )


def recorded() -> Iterator[tuple[str, dict[str, Any]]]:
    folder = Path(os.environ["WHERRY_CORPORA"]) / "transcripts"
    for file in ("kinds.jsonl", "protocol.jsonl"):
        for line in (folder / file).read_text().splitlines():
            scenario = json.loads(line)
            for step in scenario["steps"]:
                for table in [step["answer"].get("body")]:
                    if isinstance(table, dict) and table.get("kind") == "Table":
                        yield scenario["scenario"], table


@pytest.mark.skipif("WHERRY_CORPORA" not in os.environ, reason="WHERRY_CORPORA is not set: no recorded answers")
def test_recorded_tables() -> None:
    seen = 0
    for scenario, table in recorded():
        for row in table["rows"] or []:
            obj = row["object"]
            if not obj or obj["kind"] == "PartialObjectMetadata":
                continue
            seen += 1
            printer = table_for(obj["apiVersion"].rpartition("/")[0], "v1", obj["kind"])
            assert printer.columns == table["columnDefinitions"], scenario
            mine = printer.cells(obj, NOW)
            # times are masked in the recording, so ages are compared by place only
            ages = {i for i, c in enumerate(mine) if c in ("<unknown>", "<masked>")}
            assert [c for i, c in enumerate(mine) if i not in ages] == [
                c for i, c in enumerate(row["cells"]) if i not in ages
            ], scenario
    assert seen > 20


def test_every_listed_kind_can_show_an_object_without_content() -> None:
    """Bookmarks of a watch are such objects."""
    defaults = set()
    for (group, version), resources in builtins.resources().items():
        for resource in resources:
            printer = table_for(group, version, resource.kind)
            for empty in ({"metadata": {}}, {"metadata": {"creationTimestamp": None}, "spec": None, "status": None}):
                assert orjson.loads(printer.split(empty).cells(NOW)) == printer.cells(empty, NOW)
            if "list" in resource.verbs and printer.columns[-1]["name"] == "Created At":
                defaults.add(resource.kind)
    assert defaults == {"LimitRange", "ClusterRole", "Role", "CSIStorageCapacity", "CustomResourceDefinition"}
