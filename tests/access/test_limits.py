"""Limit ranges: what is filled in, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.access.plugins import limits


def _range(kind: str, **bounds: Any) -> dict[str, Any]:
    return {"spec": {"limits": [{"type": kind, **bounds}]}}


def _pod(requests: dict[str, str] | None = None, caps: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    resources = {k: v for k, v in (("requests", requests), ("limits", caps)) if v}
    return {"metadata": {}, "spec": {"containers": [{"name": "c", "resources": resources}], **spec}}


def test_defaults_fill_only_what_is_open_and_say_so() -> None:
    pod = _pod({"memory": "2Gi"}, {"memory": "3Gi"})
    limits.fill_defaults(
        pod, _range("Container", default={"cpu": "1", "memory": "1Gi"}, defaultRequest={"cpu": "500m"})
    )
    assert pod["spec"]["containers"][0]["resources"] == {
        "requests": {"memory": "2Gi", "cpu": "500m"},
        "limits": {"memory": "3Gi", "cpu": "1"},
    }
    note = "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    assert pod["metadata"]["annotations"] == {limits.ANNOTATION: note}


def test_nothing_to_fill_leaves_no_note() -> None:
    pod = _pod()
    limits.fill_defaults(pod, _range("Pod", max={"cpu": "1"}))
    assert pod == _pod()


@pytest.mark.parametrize(
    ("bounds", "requests", "caps", "problems"),
    [
        ({"min": {"cpu": "1"}}, {}, {}, ["minimum cpu usage per Container is 1.  No request is specified"]),
        ({"min": {"cpu": "1"}}, {"cpu": "500m"}, {}, ["minimum cpu usage per Container is 1, but request is 500m"]),
        ({"min": {"cpu": "1"}}, {"cpu": "1"}, {}, []),
        ({"max": {"cpu": "1"}}, {}, {}, ["maximum cpu usage per Container is 1.  No limit is specified"]),
        ({"max": {"cpu": "1"}}, {}, {"cpu": "2"}, ["maximum cpu usage per Container is 1, but limit is 2"]),
        ({"max": {"cpu": "1"}}, {}, {"cpu": "1000m"}, []),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"cpu": "1"},
            {"cpu": "3"},
            ["cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"],
        ),
        ({"maxLimitRequestRatio": {"cpu": "2"}}, {"cpu": "1"}, {"cpu": "2"}, []),
    ],
)
def test_bounds(bounds: Any, requests: Any, caps: Any, problems: list[str]) -> None:
    assert list(limits.pod_problems(_pod(requests, caps), _range("Container", **bounds))) == problems


def test_a_pod_takes_what_starting_up_takes_and_what_it_says_itself_wins() -> None:
    def init(cpu: str, **more: str) -> dict[str, Any]:
        return {"name": "i", "resources": {"requests": {"cpu": cpu}}, **more}

    spec = _pod({"cpu": "1"}, initContainers=[init("500m", restartPolicy="Always"), init("2")])["spec"]
    assert str(limits.pod_total(spec, "requests")["cpu"]) == "2500m"
    spec["resources"] = {"requests": {"cpu": "1"}}
    assert str(limits.pod_total(spec, "requests")["cpu"]) == "1"


def test_claims_are_measured_by_their_requests() -> None:
    claim = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    bound = _range("PersistentVolumeClaim", max={"storage": "1Gi"})
    text = "maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"
    assert list(limits.claim_problems(claim, bound)) == [text]
