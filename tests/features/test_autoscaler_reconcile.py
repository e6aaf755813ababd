"""How many replicas an autoscaler wants, with a metrics source that the test sets."""

from __future__ import annotations

from typing import Any

import pytest
from tests.features.objects import NOW, pod

from wherry.features.workloads.autoscaler_reconcile import Decision, Memory, decide

Obj = dict[str, Any]


class Usage:
    """Every pod uses the same, or nothing is known."""

    def __init__(self, cpu: int | None):
        self.cpu = cpu

    def usage(self, pod: Obj, resource: str) -> int | None:
        return self.cpu if resource == "cpu" else None


def hpa(target: Obj | None = None, **spec: Any) -> Obj:
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": target or {"type": "Utilization", "averageUtilization": 50}},
    }
    base = {"minReplicas": 1, "maxReplicas": 10, "metrics": [metric]}
    return {"metadata": {"uid": "h", "generation": 1}, "spec": {**base, **spec}}


def pods(count: int) -> list[Obj]:
    made = [pod(f"p{n}") for n in range(count)]
    for each in made:
        each["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m"}}
    return made


def look(owner: Obj, current: int, cpu: int | None, memory: Memory | None = None, now: float = NOW) -> Decision:
    return decide(owner, pods(current), current, Usage(cpu), memory or Memory(), now)


def word(made: Decision, type_: str) -> tuple[str, str]:
    return next((c["status"], c["reason"]) for c in made.status["conditions"] if c["type"] == type_)


@pytest.mark.parametrize(
    ("current", "cpu", "wanted"),
    [(2, 50, 2), (2, 54, 2), (2, 100, 4), (2, 60, 3), (4, 25, 2), (3, 1000, 7), (6, 1000, 10), (12, 50, 10)],
)
def test_replicas_follow_utilization_within_tolerance_speed_and_bounds(current: int, cpu: int, wanted: int) -> None:
    assert look(hpa(), current, cpu).desired == wanted


def test_average_values_count_without_requests() -> None:
    owner = hpa({"type": "AverageValue", "averageValue": "40m"})
    assert look(owner, 2, 80).desired == 4


def test_why_is_told() -> None:
    grown = look(hpa(), 2, 100)
    assert word(grown, "AbleToScale") == ("True", "SucceededRescale")
    assert word(grown, "ScalingActive") == ("True", "ValidMetricFound")
    assert word(grown, "ScalingLimited") == ("False", "DesiredWithinRange")
    assert grown.status["currentMetrics"][0]["resource"]["current"] == {
        "averageUtilization": 100,
        "averageValue": "100m",
    }
    assert word(look(hpa(), 3, 1000), "ScalingLimited") == ("True", "ScaleUpLimit")
    assert word(look(hpa(), 6, 1000), "ScalingLimited") == ("True", "TooManyReplicas")
    unknown = look(hpa(), 3, None)
    assert (unknown.desired, word(unknown, "ScalingActive")) == (3, ("False", "FailedGetResourceMetric"))
    assert word(look(hpa(), 0, 50), "ScalingActive") == ("False", "ScalingDisabled")
    other = hpa(metrics=[{"type": "External", "external": {}}])
    assert word(look(other, 3, 50), "ScalingActive") == ("False", "FailedGetExternalMetric")


def test_it_shrinks_only_when_it_was_quiet_for_the_window() -> None:
    memory = Memory()
    assert look(hpa(), 4, 50, memory).desired == 4
    held = look(hpa(), 4, 10, memory, NOW + 60)
    assert (held.desired, word(held, "AbleToScale")) == (4, ("True", "ScaleDownStabilized"))
    assert look(hpa(), 4, 10, memory, NOW + 301).desired == 1


def test_policies_limit_the_speed_and_can_forbid() -> None:
    slow = {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}
    memory = Memory(changes=[(NOW - 30, 1)])
    assert look(hpa(behavior=slow), 3, 200, memory).desired == 3
    assert look(hpa(behavior=slow), 3, 200, Memory()).desired == 4
    assert look(hpa(behavior={"scaleUp": {"selectPolicy": "Disabled"}}), 3, 200).desired == 3
