"""What a set of processes has used so far, as Linux counts it."""

from __future__ import annotations

import os
from pathlib import Path

_TICK = 1.0 / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of the processes with all their threads and the children they have waited for.

    `stat` counts in ticks of ten milliseconds and includes threads that have ended; `schedstat` counts the living
    threads in nanoseconds. The larger of the two is the better one.
    """
    return sum(max(_stat(pid), _schedstat(pid)) for pid in pids)


def _stat(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    numbers = text.rpartition(")")[2].split()
    return sum(int(number) for number in numbers[11:15]) * _TICK  # utime, stime, cutime, cstime


def _schedstat(pid: int) -> float:
    total = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except (OSError, IndexError):
        return 0.0
    return total / 1e9


def memory_mib(pids: list[int]) -> dict[str, float]:
    """Resident memory now and at its peak."""
    now = peak = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    now += int(line.split()[1])
                elif line.startswith("VmHWM:"):
                    peak += int(line.split()[1])
        except OSError:
            continue
    return {"now": now / 1024, "peak": peak / 1024}
