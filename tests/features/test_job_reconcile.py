"""Jobs: what is started, how they end, and that every pod is counted once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.features.objects import NOW, pod, workload

from wherry.features.workloads.common import stamp
from wherry.features.workloads.job_indexes import FAILURES, INDEX, format_indexes, parse_indexes
from wherry.features.workloads.job_reconcile import (
    FINALIZER,
    backoff,
    decide,
    expires_in,
    finished,
    flushed,
    settled,
    strippable,
)

Obj = dict[str, Any]


def job(**spec: Any) -> Obj:
    status = spec.pop("status", {})
    return workload("Job", **{"completions": 1, "parallelism": 1, "backoffLimit": 6, **spec}, status=status)


def member(name: str, phase: str, *, index: int | None = None, code: int = 1, tries: int = 0, **meta: Any) -> Obj:
    notes = {} if index is None else {INDEX: str(index), FAILURES: str(tries)}
    made = pod(name, phase=phase, ready=phase == "Running", finalizers=[FINALIZER], annotations=notes, **meta)
    if phase in ("Failed", "Succeeded"):
        ended = {"exitCode": code if phase == "Failed" else 0, "finishedAt": stamp(NOW - 5)}
        made["status"]["containerStatuses"] = [{"name": "c", "state": {"terminated": ended}}]
    return made


def settle(owner: Obj, pods: list[Obj]) -> Obj:
    """One look, as the controller does it: decide, flush, take finalizers off, settle."""
    made = decide(owner, pods, NOW)
    gone = {p["metadata"]["name"] for p in made.delete}
    left = [p for p in pods if p["metadata"]["name"] not in gone]
    stripped = strippable(owner, left, made)
    owner = {**owner, "status": flushed(owner, left, made, stripped, NOW)}
    for each in stripped:
        each["metadata"]["finalizers"] = []
    return {**owner, "status": settled(owner, left, made, NOW)}


@pytest.mark.parametrize(
    ("spec", "phases", "started"),
    [
        ({"completions": 5, "parallelism": 2}, [], 2),
        ({"completions": 5, "parallelism": 2}, ["Running"], 1),
        ({"completions": 3, "parallelism": 2}, ["Succeeded", "Succeeded"], 1),
        ({"completions": None, "parallelism": 3}, [], 3),
        ({"completions": None, "parallelism": 3}, ["Succeeded", "Running"], 0),
        ({"completions": 3, "suspend": True}, [], 0),
    ],
)
def test_as_many_pods_as_needed_are_started(spec: Obj, phases: list[str], started: int) -> None:
    pods = [member(f"p{n}", phase) for n, phase in enumerate(phases)]
    made = decide(job(**spec), pods, NOW)
    assert len(made.create) == started
    assert all(FINALIZER in p["metadata"]["finalizers"] for p in made.create)


def test_suspension_deletes_what_runs() -> None:
    made = decide(job(suspend=True), [member("a", "Running")], NOW)
    assert [p["metadata"]["name"] for p in made.delete] == ["a"]
    status = flushed(job(suspend=True), [], made, [], NOW)
    assert [(c["type"], c["reason"]) for c in status["conditions"]] == [("Suspended", "JobSuspended")]
    assert "startTime" not in status


def test_a_job_completes_and_counts_every_pod_once() -> None:
    owner = job(completions=2, parallelism=2)
    pods = [member("a", "Succeeded"), member("b", "Succeeded")]
    owner = settle(owner, pods)
    assert owner["status"]["succeeded"] == 2
    assert [c["type"] for c in owner["status"]["conditions"]] == ["SuccessCriteriaMet", "Complete"]
    assert owner["status"]["uncountedTerminatedPods"] == {}
    assert owner["status"]["completionTime"] == stamp(NOW)


def test_a_crash_between_the_writes_counts_no_pod_twice() -> None:
    owner, pods = job(completions=2, parallelism=1), [member("a", "Succeeded")]
    made = decide(owner, pods, NOW)
    owner = {**owner, "status": flushed(owner, pods, made, strippable(owner, pods, made), NOW)}
    assert owner["status"]["uncountedTerminatedPods"] == {"succeeded": ["uid-a"]}
    owner = settle(owner, pods)  # a new controller finds the uid written down and the finalizer still there
    assert owner["status"]["succeeded"] == 1
    assert finished(owner) is None


@pytest.mark.parametrize(
    ("spec", "pods", "reason"),
    [
        ({"backoffLimit": 0}, [member("a", "Failed")], "BackoffLimitExceeded"),
        ({"activeDeadlineSeconds": 60, "status": {"startTime": stamp(NOW - 61)}}, [], "DeadlineExceeded"),
        (
            {"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}},
            [member("a", "Failed", code=42)],
            "PodFailurePolicy",
        ),
    ],
)
def test_a_job_fails_with_a_reason(spec: Obj, pods: list[Obj], reason: str) -> None:
    owner = settle(job(**spec), pods)
    end = finished(owner)
    assert end is not None
    assert (end["type"], end["reason"]) == ("Failed", reason)
    assert [c["type"] for c in owner["status"]["conditions"]] == ["FailureTarget", "Failed"]


def test_an_ignored_failure_does_not_count() -> None:
    rule = {"action": "Ignore", "onExitCodes": {"operator": "NotIn", "values": [1]}}
    owner = job(backoffLimit=0, podFailurePolicy={"rules": [rule]})
    assert finished(settle(owner, [member("a", "Failed", code=9)])) is None
    assert finished(settle(owner, [member("a", "Failed", code=1)])) is not None


def test_the_pause_doubles_with_every_failure_since_a_success() -> None:
    failed = [member(f"p{n}", "Failed") for n in range(3)]
    assert backoff(failed[:1], job(), NOW) == 5
    assert backoff(failed, job(), NOW) == 35
    assert backoff(failed, job(), NOW + 100) == 0
    made = decide(job(), failed[:1], NOW)
    assert (made.create, made.after) == ([], 5)


def test_indexes_are_filled_in_order_and_given_up_one_by_one() -> None:
    spec = {"completions": 3, "parallelism": 3, "completionMode": "Indexed"}
    pods = [member("a", "Succeeded", index=1), member("b", "Running", index=0)]
    made = decide(job(**spec), pods, NOW)
    new = made.create[0]
    assert new["metadata"]["annotations"][INDEX] == "2"
    assert new["metadata"]["generateName"] == "web-2-"
    assert new["spec"]["hostname"] == "web-2"
    assert new["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    failing = [member("a", "Succeeded", index=1), member("b", "Failed", index=0), member("c", "Succeeded", index=2)]
    owner = settle(job(**spec, backoffLimitPerIndex=0), failing)
    assert (owner["status"]["completedIndexes"], owner["status"]["failedIndexes"]) == ("1,2", "0")
    assert finished(owner)["reason"] == "FailedIndexes"  # type: ignore[index]


def test_a_failed_index_is_tried_again_with_its_count() -> None:
    owner = job(completions=1, completionMode="Indexed", backoffLimitPerIndex=2)
    failed = [member("a", "Failed", index=0, tries=1)]
    assert decide(owner, failed, NOW).create == []  # it waits 20 seconds after the second failure
    made = decide(owner, failed, NOW + 30)
    assert made.create[0]["metadata"]["annotations"][FAILURES] == "2"
    assert strippable(owner, failed, made) == []  # until the next pod has taken the count over


def test_a_success_policy_ends_a_job_early() -> None:
    rules = {"rules": [{"succeededIndexes": "0"}]}
    owner = job(completions=3, parallelism=3, completionMode="Indexed", successPolicy=rules)
    pods = [member("a", "Succeeded", index=0), member("b", "Running", index=1)]
    made = decide(owner, pods, NOW)
    assert made.verdict is not None
    assert (made.verdict.type, made.verdict.message) == ("SuccessCriteriaMet", "Matched rules at index 0")
    assert [p["metadata"]["name"] for p in made.delete] == ["b"]


@pytest.mark.parametrize("text", ["", "0", "1,2", "0-2", "0-2,4,5,7-9"])
def test_indexes_are_written_as_they_are_read(text: str) -> None:
    assert format_indexes(parse_indexes(text, 100)) == text


def test_a_finished_job_lives_as_long_as_it_was_given() -> None:
    owner = settle(job(ttlSecondsAfterFinished=30), [member("a", "Succeeded")])
    assert expires_in(owner, NOW + 10) == 20
    assert expires_in(owner, NOW + 40) == 0
    assert expires_in(job(ttlSecondsAfterFinished=30), NOW) is None
