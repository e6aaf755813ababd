"""/metrics in the Prometheus text format; names are kube-apiserver's where the meaning is the same."""

from __future__ import annotations

import os
import resource as rusage
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from wherry.access.fairness.fairness import WAITS
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.server.requestinfo import RequestInfo

if TYPE_CHECKING:
    from wherry.access.audit.auditor import Auditor
    from wherry.access.fairness.fairness import Fairness

_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
MAX_ROWS = 5000  # of verb, group, version and resource
_RELOADS = {
    "authentication": "apiserver_authentication_config_controller_automatic_reloads_total",
    "authorization": "apiserver_authorization_config_controller_automatic_reloads_total",
}
_STARTED = time.time()


class Recorder:
    """Counts of finished requests. Two dictionary look-ups and a search per request: this is on the hot path."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str, str, int]] = Counter()
        self.seconds: dict[tuple[str, str, str, str], list[float]] = {}
        self.overruns: Counter[tuple[str, str]] = Counter()  # watches whose readers did not keep up

    def count(self, info: RequestInfo, method: str, code: int, seconds: float, *, known: bool = True) -> None:
        """One answered request; a watch counts when it begins and has no latency. What is not served shares one row,
        so that nobody can fill the memory with names."""
        if not known:
            key = ("other", "", "", "")
        else:
            resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
            key = (
                info.verb if info.is_resource else "other" if method not in _METHODS else method,
                info.group,
                info.version,
                resource,
            )
        if len(self.seconds) >= MAX_ROWS and key not in self.seconds:
            key = ("other", "", "", "")
        self.requests[(*key, code)] += 1
        row = self.seconds.get(key)
        if row is None:
            row = self.seconds[key] = [0.0] * (len(_BUCKETS) + 2)
        if info.verb == "watch":
            return
        row[bisect_left(_BUCKETS, seconds)] += 1
        row[-1] += seconds


def respond(call: Call) -> Response:
    """The whole page."""
    api = call.api
    lines: list[str] = []

    def family(name: str, kind: str, text: str) -> None:
        lines.append(f"# HELP {name} {text}")
        lines.append(f"# TYPE {name} {kind}")

    family("apiserver_request_total", "counter", "Requests by verb, group, version, resource and HTTP code.")
    for (verb, group, version, res, code), number in sorted(api.recorder.requests.items()):
        labels = f'code="{code}",group="{group}",resource="{res}",verb="{verb.upper()}",version="{version}"'
        lines.append(f"apiserver_request_total{{{labels}}} {number}")
    _access(api.recorder, api.reloads, lines, family)
    family("apiserver_request_duration_seconds", "histogram", "Response latency in seconds, watches left out.")
    for (verb, group, version, res), row in sorted(api.recorder.seconds.items()):
        if verb == "watch":
            continue
        labels = f'group="{group}",resource="{res}",verb="{verb.upper()}",version="{version}"'
        total = 0.0
        for bound, count in zip(_BUCKETS, row, strict=False):
            total += count
            lines.append(f'apiserver_request_duration_seconds_bucket{{{labels},le="{bound}"}} {int(total)}')
        total += row[len(_BUCKETS)]
        lines.append(f'apiserver_request_duration_seconds_bucket{{{labels},le="+Inf"}} {int(total)}')
        lines.append(f"apiserver_request_duration_seconds_sum{{{labels}}} {row[-1]:.6f}")
        lines.append(f"apiserver_request_duration_seconds_count{{{labels}}} {int(total)}")
    family("apiserver_longrunning_requests", "gauge", "Open watches.")
    lines.append(f'apiserver_longrunning_requests{{verb="WATCH"}} {len(api.hub)}')
    if api.recorder.overruns:
        family("apiserver_terminated_watchers_total", "counter", "Watches ended as their readers did not keep up.")
        for (group, res), number in sorted(api.recorder.overruns.items()):
            lines.append(f'apiserver_terminated_watchers_total{{group="{group}",resource="{res}"}} {number}')
    family("apiserver_resource_objects", "gauge", "Stored objects by resource.")
    for d in api.registry.collections("root"):
        number = api.store.storage.count(d.prefix)
        if number:
            res, group = d.resource.name, d.resource.group
            lines.append(f'apiserver_resource_objects{{group="{group}",resource="{res}"}} {number}')
    family("wherry_storage_revision", "gauge", "The newest durable revision.")
    lines.append(f"wherry_storage_revision {api.store.storage.revision}")
    if call.api.fairness is not None:
        _fairness(call.api.fairness, lines, family)
    if call.api.auditor is not None:
        _audit(call.api.auditor, lines, family)
    _process(lines, family)
    return Response(
        200, [("content-type", "text/plain; version=0.0.4; charset=utf-8")], "\n".join(lines).encode() + b"\n"
    )


def _access(
    recorder: Recorder, reloads: Counter[tuple[str, str]], lines: list[str], family: Callable[[str, str, str], None]
) -> None:
    """Nothing is counted for these while requests are answered: whoever is not let in has got a 401."""
    failed = sum(number for key, number in recorder.requests.items() if key[-1] == 401)
    family("authentication_attempts", "counter", "Requests by whether their credentials were accepted.")
    lines.append(f'authentication_attempts{{result="success"}} {recorder.requests.total() - failed}')
    lines.append(f'authentication_attempts{{result="failure"}} {failed}')
    for which, name in _RELOADS.items():
        outcomes = [(outcome, reloads[which, outcome]) for outcome in ("success", "failure")]
        if any(number for _, number in outcomes):
            family(name, "counter", f"How often a changed {which} configuration was taken over, or was not.")
            lines += [f'{name}{{status="{outcome}"}} {number}' for outcome, number in outcomes]


def _audit(auditor: Auditor, lines: list[str], family: Callable[[str, str, str], None]) -> None:
    family("apiserver_audit_event_total", "counter", "Audit events made.")
    lines.append(f"apiserver_audit_event_total {auditor.events}")
    family("apiserver_audit_error_total", "counter", "Audit events lost, by who could not take them.")
    for name, number in sorted(auditor.losses().items()):
        lines.append(f'apiserver_audit_error_total{{plugin="{name}"}} {number}')
    family("apiserver_audit_level_total", "counter", "Requests by the level of their policy rule.")
    for level, number in sorted(auditor.levels.items()):
        lines.append(f'apiserver_audit_level_total{{level="{level}"}} {number}')
    family("apiserver_audit_requests_rejected_total", "counter", "Requests refused as they could not be audited.")
    lines.append(f"apiserver_audit_requests_rejected_total {auditor.rejected}")


def _fairness(fairness: Fairness, lines: list[str], family: Callable[[str, str, str], None]) -> None:
    family("apiserver_flowcontrol_dispatched_requests_total", "counter", "Requests that got their seats.")
    for (level, schema), number in sorted((fairness.dispatched + fairness.counts()).items()):
        labels = f'priority_level="{level}",flow_schema="{schema}"'
        lines.append(f"apiserver_flowcontrol_dispatched_requests_total{{{labels}}} {number}")
    family("apiserver_flowcontrol_rejected_requests_total", "counter", "Requests refused with 429.")
    for (level, schema, reason), number in sorted(fairness.rejected.items()):
        labels = f'priority_level="{level}",flow_schema="{schema}",reason="{reason}"'
        lines.append(f"apiserver_flowcontrol_rejected_requests_total{{{labels}}} {number}")
    for name, text, value in (
        ("apiserver_flowcontrol_current_inqueue_requests", "Requests that wait.", "inqueue"),
        ("apiserver_flowcontrol_current_executing_requests", "Requests that have their seats.", "executing"),
        ("apiserver_flowcontrol_current_executing_seats", "Seats in use.", "seats"),
        ("apiserver_flowcontrol_nominal_limit_seats", "Seats of the level.", "limit"),
    ):
        family(name, "gauge", text)
        for level, found in sorted(fairness.levels.items()):
            lines.append(f'{name}{{priority_level="{level}"}} {getattr(found, value)}')
    name = "apiserver_flowcontrol_request_wait_duration_seconds"
    family(name, "histogram", "How long requests waited that had to.")
    for (level, schema), row in sorted(fairness.waits.items()):
        labels, total = f'priority_level="{level}",flow_schema="{schema}"', 0.0
        for bound, count in zip(WAITS, row, strict=False):
            total += count
            lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {int(total)}')
        total += row[len(WAITS)]
        lines.append(f'{name}_bucket{{{labels},le="+Inf"}} {int(total)}')
        lines.append(f"{name}_sum{{{labels}}} {row[-1]:.6f}")
        lines.append(f"{name}_count{{{labels}}} {int(total)}")


def _process(lines: list[str], family: Callable[[str, str, str], None]) -> None:
    used = rusage.getrusage(rusage.RUSAGE_SELF)
    family("process_cpu_seconds_total", "counter", "User and system CPU time spent in seconds.")
    lines.append(f"process_cpu_seconds_total {used.ru_utime + used.ru_stime:.2f}")
    family("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.")
    lines.append(f"process_start_time_seconds {_STARTED:.2f}")
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            pages = int(statm.read().split()[1])
    except OSError:
        return
    family("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.")
    lines.append(f"process_resident_memory_bytes {pages * os.sysconf('SC_PAGE_SIZE')}")
