"""Workload kinds: schedules, generated selectors, scaling, autoscalers, evictions."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.machinery.builtin.workloads import eviction, scale
from wherry.machinery.builtin.workloads.cron import ScheduleError, check_schedule
from wherry.machinery.builtin.workloads.daemonsets import GENERATION, DaemonSets
from wherry.machinery.builtin.workloads.hpa_conversion import to_v1, to_v2
from wherry.machinery.builtin.workloads.jobs import Jobs

Obj = dict[str, Any]
NOW = "2026-01-01T00:00:00Z"
UID = "00000000-0000-4000-8000-000000000000"


def template(**labels: str) -> Obj:
    spec = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}
    return {"metadata": {"labels": labels} if labels else {}, "spec": spec}


@pytest.mark.parametrize("text", ["* * * * *", "*/5 0-6 1,15 jan-mar MON", "@hourly", "@every 1h30m", "0 0 ? * *"])
def test_schedules_that_can_be_read(text: str) -> None:
    check_schedule(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a", "expected exactly 5 fields, found 1: [a]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("@never", "unrecognized descriptor: @never"),
        ("@every 1", 'failed to parse duration @every 1: time: missing unit in duration "1"'),
        ("@every 1µ", 'failed to parse duration @every 1µ: time: unknown unit "\\xc2\\xb5" in duration "1\\xc2\\xb5"'),
        ("@every 9999999h", 'failed to parse duration @every 9999999h: time: invalid duration "9999999h"'),
    ],
)
def test_schedules_that_cannot(text: str, why: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        check_schedule(text)
    assert str(caught.value) == why


def job(name: str, **labels: str) -> Obj:
    made: Obj = {"metadata": {"name": name, "namespace": "n", "uid": UID}, "spec": {"template": template(**labels)}}
    Jobs().default(made)
    Jobs().prepare_create(made)
    return made


def test_a_job_selects_its_pods_by_its_identity() -> None:
    made = job("j")
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": UID}}
    assert made["spec"]["template"]["metadata"]["labels"]["job-name"] == "j"
    assert Jobs().validate_create(made) == []


def test_generated_labels_become_the_jobs_own_when_it_is_stored() -> None:
    made = job("j")
    assert "labels" not in made["metadata"]
    Jobs().canonicalize(made)
    assert made["metadata"]["labels"] == made["spec"]["template"]["metadata"]["labels"]
    assert made["metadata"]["labels"] is not made["spec"]["template"]["metadata"]["labels"]


def test_labels_that_a_job_takes_from_its_template_include_the_generated_ones() -> None:
    made = job("j", app="x")
    assert made["metadata"]["labels"]["job-name"] == "j"
    assert made["metadata"]["labels"]["app"] == "x"


def test_a_daemon_set_keeps_its_generation_through_a_status_update() -> None:
    def made(**annotations: str) -> Obj:
        return {
            "metadata": {"name": "d", "annotations": annotations},
            "spec": {"template": template()},
            "status": {"numberReady": 1},
        }

    old, new = made(**{GENERATION: "3"}), made(other="x")
    DaemonSets().prepare_status_update(new, old)
    assert new["metadata"]["annotations"] == {GENERATION: "3", "other": "x"}


def test_scaling_goes_there_and_back() -> None:
    selector = {"matchLabels": {"b": "2", "a": "1"}}
    made = {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 3, "selector": selector}}
    shown = scale.to_scale(made)
    assert shown["spec"] == {"replicas": 3}
    assert shown["status"] == {"replicas": 0, "selector": "a=1,b=2"}
    scale.apply_scale(made, {"spec": {}})
    assert scale.to_scale(made)["spec"] == {}
    assert [e.field for e in scale.validate_scale({"spec": {"replicas": -1}})] == ["spec.replicas"]


@pytest.mark.parametrize(
    "metric",
    [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
        {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
        {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}}},
        {"type": "External", "external": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "2"}}},
    ],
)
def test_autoscalers_survive_the_old_version(metric: Obj) -> None:
    spec = {"maxReplicas": 3, "minReplicas": 1, "metrics": [metric], "scaleTargetRef": {"kind": "D", "name": "d"}}
    made: Obj = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": spec,
        "status": {},
    }
    back = to_v2(to_v1(made))
    assert back["spec"]["metrics"] == [metric]
    assert not back["metadata"].get("annotations")


def budget(allowed: int, **status: Any) -> Obj:
    return {
        "metadata": {"name": "b", "namespace": "n", "generation": 1},
        "spec": {"selector": {"matchLabels": {"a": "1"}}, "minAvailable": 1},
        "status": {"disruptionsAllowed": allowed, "observedGeneration": 1, "desiredHealthy": 1, **status},
    }


RUNNING: Obj = {
    "metadata": {"name": "p", "namespace": "n", "labels": {"a": "1"}},
    "spec": {},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}


def test_budgets_are_found_by_their_selector() -> None:
    other = {**budget(1), "spec": {"selector": {"matchLabels": {"a": "2"}}}}
    assert eviction.budgets_of(RUNNING, [budget(1), other]) == [budget(1)]


def test_an_eviction_spends_one_disruption() -> None:
    verdict = eviction.judge(RUNNING, budget(1, currentHealthy=2), NOW)
    assert verdict.budget["status"]["disruptionsAllowed"] == 0
    assert verdict.budget["status"]["disruptedPods"] == {"p": NOW}


def test_an_eviction_that_would_go_too_far_is_put_off() -> None:
    with pytest.raises(Exception, match="Cannot evict pod") as caught:
        eviction.judge(RUNNING, budget(0, currentHealthy=1), NOW)
    assert caught.value.code == 429  # type: ignore[attr-defined]
