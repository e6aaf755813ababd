"""From many rounds to one table: medians, with the peer beside them."""

from __future__ import annotations

import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

_NUMBERS = ("operations", "errors", "seconds", "rate", "p50", "p90", "p99", "cpu_ms")


def medians(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per server, scenario and concurrency, in the order in which they first came."""
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for result in rounds:
        groups.setdefault((result["server"], result["scenario"], result["concurrency"]), []).append(result)
    out = []
    for (server, scenario, concurrency), results in groups.items():
        entry: dict[str, Any] = {"server": server, "scenario": scenario, "concurrency": concurrency}
        for name in _NUMBERS:
            values = [result[name] for result in results if result[name] is not None]
            entry[name] = statistics.median(values) if values else None
        entry["errors"] = max(result["errors"] for result in results)
        entry["rounds"] = len(results)
        entry["note"] = next((result["note"] for result in results if result["note"]), "")
        out.append(entry)
    return out


def machine() -> dict[str, Any]:
    """Where the figures come from, as far as it matters for comparing them."""
    import os

    model = ""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def write_json(path: Path, rounds: list[dict[str, Any]]) -> None:
    document = {"machine": machine(), "medians": medians(rounds), "rounds": rounds}
    path.write_text(json.dumps(document, indent=1) + "\n")


def table(rounds: list[dict[str, Any]]) -> str:
    """Markdown: one row per scenario; per server rate, p50, p99 and CPU; the ratio of CPU when there are two."""
    entries = medians(rounds)
    servers = list(dict.fromkeys(entry["server"] for entry in entries))
    rows = list(dict.fromkeys((entry["scenario"], entry["concurrency"]) for entry in entries))
    by_key = {(entry["server"], entry["scenario"], entry["concurrency"]): entry for entry in entries}
    head = ["scenario", "at once"]
    for server in servers:
        head += [f"{server}: per s", "p50 ms", "p99 ms", "CPU ms"]
    if len(servers) == 2:
        head.append(f"CPU: {servers[1]} / {servers[0]}")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for scenario, concurrency in rows:
        cells = [scenario, str(concurrency)]
        found = [by_key.get((server, scenario, concurrency)) for server in servers]
        for entry in found:
            if entry is None:
                cells += ["", "", "", ""]
                continue
            broken = f" ({entry['errors']} failed)" if entry["errors"] else ""
            rate = _short(entry["rate"]) if entry["rate"] else ""  # start and memory have none
            cells += [
                rate + broken,
                _short(entry["p50"]),
                _short(entry["p99"]),
                _short(entry["cpu_ms"]),
            ]
        if len(servers) == 2:
            ours, theirs = ((entry or {}).get("cpu_ms") for entry in found)
            cells.append(f"{theirs / ours:.1f}" if ours and theirs else "")
        lines.append("| " + " | ".join(cells) + " |")
    where = machine()
    rounds_run = max((entry["rounds"] for entry in entries), default=0)
    lines += [
        "",
        f"Medians of {rounds_run}; {where['cores']} cores, {where['cpu']}, {where['system']}, {where['date']}.",
    ]
    return "\n".join(lines) + "\n"


def _short(value: float | None) -> str:
    """Three digits that matter."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
