"""Cron times, over clock changes too, and what a cron job makes of them."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.features.objects import NOW, workload

from wherry.features.workloads.common import stamp
from wherry.features.workloads.cronjob_reconcile import decide, job_name
from wherry.features.workloads.schedule import ScheduleError, parse_schedule
from wherry.runtime.writes import Event

BERLIN = "Europe/Berlin"


def times(text: str, start: str, count: int, zone: str = "UTC") -> list[str]:
    schedule, at, found = parse_schedule(text, zone), datetime.fromisoformat(start).timestamp(), []
    for _ in range(count):
        later = schedule.next(at)
        assert later is not None
        at = later
        found.append(datetime.fromtimestamp(at, ZoneInfo(zone)).isoformat()[:16])
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/15 * * * *", ["2024-01-01T00:15", "2024-01-01T00:30"]),
        ("0 0 29 2 *", ["2024-02-29T00:00", "2028-02-29T00:00"]),
        ("0 12 * * mon-fri", ["2024-01-01T12:00", "2024-01-02T12:00"]),
        ("0 0 13 * 5", ["2024-01-05T00:00", "2024-01-12T00:00"]),
        ("@monthly", ["2024-02-01T00:00", "2024-03-01T00:00"]),
        ("@every 90m", ["2024-01-01T01:30", "2024-01-01T03:00"]),
        ("5/20 1 * jan ?", ["2024-01-01T01:05", "2024-01-01T01:25"]),
    ],
)
def test_the_next_times(text: str, expected: list[str]) -> None:
    assert times(text, "2024-01-01T00:00:00+00:00", 2) == expected


def test_a_skipped_hour_does_not_come_and_a_repeated_one_comes_twice() -> None:
    assert times("30 2 * * *", "2024-03-30T12:00:00+00:00", 2, BERLIN) == ["2024-04-01T02:30", "2024-04-02T02:30"]
    twice = times("30 2 * * *", "2024-10-26T12:00:00+00:00", 3, BERLIN)
    assert twice == ["2024-10-27T02:30", "2024-10-27T02:30", "2024-10-28T02:30"]


def test_never_is_never() -> None:
    assert parse_schedule("0 0 30 2 *").next(NOW) is None
    with pytest.raises(ScheduleError):
        parse_schedule("61 * * * *")


@given(st.integers(0, 59), st.integers(0, 23), st.integers(1_600_000_000, 1_900_000_000))
def test_times_only_grow_and_fit(minute: int, hour: int, start: int) -> None:
    schedule = parse_schedule(f"{minute} {hour} * * *", BERLIN)
    found = [float(start)]
    for _ in range(4):
        found.append(schedule.next(found[-1]) or 0)
    assert all(a < b for a, b in pairwise(found))
    for at in found[1:]:
        local = datetime.fromtimestamp(at, ZoneInfo(BERLIN))
        assert (local.hour, local.minute) == (hour, minute)


def cron(**spec: Any) -> dict[str, Any]:
    status = spec.pop("status", {"lastScheduleTime": stamp(NOW - 90)})
    base = {"schedule": "* * * * *", "jobTemplate": {"spec": {}}, "concurrencyPolicy": "Allow"}
    return workload("CronJob", "tick", **{**base, **spec}, status=status)


def job(name: str, end: str = "", at: float = NOW - 50) -> dict[str, Any]:
    conditions = [{"type": end, "status": "True", "lastTransitionTime": stamp(at)}] if end else []
    done = {"completionTime": stamp(at)} if end == "Complete" else {}
    return workload("Job", name, status={"conditions": conditions, "startTime": stamp(at), **done})


EVERY_MINUTE = parse_schedule("* * * * *")
REF = {"uid": "uid-old", "name": "old"}


def test_a_due_job_is_made_once_with_the_name_of_its_time() -> None:
    made = decide(cron(), [], EVERY_MINUTE, NOW)
    due = NOW - NOW % 60
    assert made.create is not None
    assert made.create["metadata"]["name"] == job_name(cron(), due) == f"tick-{int(due) // 60}"
    assert made.after == pytest.approx(due + 60 - NOW + 0.1)
    assert decide(cron(status={"lastScheduleTime": stamp(due)}), [], EVERY_MINUTE, NOW).create is None


@pytest.mark.parametrize(("policy", "created", "deleted"), [("Allow", 1, 0), ("Forbid", 0, 0), ("Replace", 1, 1)])
def test_what_still_runs_is_left_waited_for_or_replaced(policy: str, created: int, deleted: int) -> None:
    status = {"lastScheduleTime": stamp(NOW - 90), "active": [REF]}
    made = decide(cron(concurrencyPolicy=policy, status=status), [job("old")], EVERY_MINUTE, NOW)
    assert (made.create is not None) == bool(created)
    assert sum(type(w).__name__ == "Delete" for w in made.writes) == deleted


def test_suspended_too_late_and_far_too_late() -> None:
    assert decide(cron(suspend=True), [], EVERY_MINUTE, NOW).create is None
    late = cron(startingDeadlineSeconds=5, status={"lastScheduleTime": stamp(NOW - 3600)})
    assert decide(late, [], parse_schedule("0 * * * *"), NOW - NOW % 3600 + 30).create is None
    years = decide(cron(status={"lastScheduleTime": stamp(NOW - 1e7)}), [], EVERY_MINUTE, NOW)
    assert years.create is not None
    assert years.create["metadata"]["name"] == f"tick-{int(NOW) // 60}"
    assert [w.reason for w in years.writes if hasattr(w, "reason")] == ["TooManyMissedTimes"]


def test_a_time_that_never_comes_is_told_and_not_waited_for() -> None:
    made = decide(cron(schedule="59 23 31 2 *"), [], parse_schedule("59 23 31 2 *"), NOW)
    assert made.create is None
    assert made.after is None
    (told,) = [w for w in made.writes if isinstance(w, Event)]
    assert (told.type, told.reason) == ("Warning", "InvalidSchedule")
    assert told.message.startswith("invalid schedule: 59 23 31 2 * : ")


def test_history_is_kept_as_long_as_asked() -> None:
    jobs = [job(f"j{n}", "Complete", NOW - 100 + n) for n in range(4)] + [job("bad", "Failed")]
    made = decide(cron(suspend=True, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=0), jobs, EVERY_MINUTE, NOW)
    assert [w.obj["metadata"]["name"] for w in made.writes if hasattr(w, "propagation")] == ["j0", "bad"]
    assert made.status["lastSuccessfulTime"] == stamp(NOW - 97)
