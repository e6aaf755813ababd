"""/metrics in the Prometheus text format; names are kube-apiserver's where the meaning is the same."""

from __future__ import annotations

import os
import resource as rusage
import time
from collections import Counter

from wherry.server.handler import Call
from wherry.server.http import Response

_BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_STARTED = time.time()


class Recorder:
    """Counts of finished requests. One dictionary update per request: this is on the hot path."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str, str, int]] = Counter()
        self.seconds: dict[tuple[str, str, str, str], list[float]] = {}

    def count(self, verb: str, group: str, version: str, resource: str, code: int, seconds: float) -> None:
        self.requests[(verb, group, version, resource, code)] += 1
        key = (verb, group, version, resource)
        row = self.seconds.get(key)
        if row is None:
            row = self.seconds[key] = [0.0] * (len(_BUCKETS) + 2)
        for index, bound in enumerate(_BUCKETS):
            if seconds <= bound:
                row[index] += 1
                break
        row[-2] += 1
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
    family("apiserver_request_duration_seconds", "histogram", "Response latency in seconds, watches left out.")
    for (verb, group, version, res), row in sorted(api.recorder.seconds.items()):
        labels = f'group="{group}",resource="{res}",verb="{verb.upper()}",version="{version}"'
        total = 0.0
        for bound, count in zip(_BUCKETS, row, strict=False):
            total += count
            lines.append(f'apiserver_request_duration_seconds_bucket{{{labels},le="{bound}"}} {int(total)}')
        lines.append(f'apiserver_request_duration_seconds_bucket{{{labels},le="+Inf"}} {int(row[-2])}')
        lines.append(f"apiserver_request_duration_seconds_sum{{{labels}}} {row[-1]:.6f}")
        lines.append(f"apiserver_request_duration_seconds_count{{{labels}}} {int(row[-2])}")
    family("apiserver_longrunning_requests", "gauge", "Open watches.")
    lines.append(f'apiserver_longrunning_requests{{verb="WATCH"}} {len(api.hub)}')
    family("apiserver_resource_objects", "gauge", "Stored objects by resource.")
    for d in api.registry.collections("root"):
        number = api.store.storage.count(d.prefix)
        if number:
            res, group = d.resource.name, d.resource.group
            lines.append(f'apiserver_resource_objects{{group="{group}",resource="{res}"}} {number}')
    family("wherry_storage_revision", "gauge", "The newest durable revision.")
    lines.append(f"wherry_storage_revision {api.store.storage.revision}")
    _process(lines, family)
    return Response(
        200, [("content-type", "text/plain; version=0.0.4; charset=utf-8")], "\n".join(lines).encode() + b"\n"
    )


def _process(lines: list[str], family: object) -> None:
    assert callable(family)
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
