"""Kubernetes' own end-to-end specs, one at a time with a bounded time each, against any API server.

    python tools/upstream_e2e.py --binary e2e.test --kubeconfig .wherry/kubeconfig specs.txt
    python tools/upstream_e2e.py --binary e2e.test --list '^\\[sig-apps\\]' > specs.txt

A file of specs has one full name a line, as `--list` prints them; `docs/how-to/upstream-e2e.md` says how the binary is
built. Every result is written to a JSON line file as soon as it is known, with the output of each spec that failed
beside it, so that a run can be stopped and taken up again (`--resume`), and two runs compared (`--compare OLD NEW`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# No provider, no nodes that anyone waits for, and no collecting of logs from machines that do not exist.
FLAGS = (
    "--provider=skeleton",
    "--allowed-not-ready-nodes=-1",
    "--minStartupPods=-1",
    "--dump-logs-on-failure=false",
    "--disable-log-dump=true",
    "--ginkgo.no-color",
    "--ginkgo.timeout=4h",
)
# What a spec's name begins with in `--list-tests`: the file that it stands in.
_LISTED = re.compile(r"^ +\S+\.go:\d+: (.*)$")
_SKIPPED = re.compile(r"S{20,}")  # a letter for each of thousands of specs that were not asked for
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")


def names(binary: str, kubeconfig: str) -> Iterator[str]:
    """The full names of all specs of a binary."""
    command = [binary, "--list-tests", *(["--kubeconfig", kubeconfig] if kubeconfig else [])]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        found = _LISTED.match(line)
        if found:
            yield found.group(1)


def slug(name: str) -> str:
    """A file name for a spec."""
    return _UNSAFE.sub("-", name).strip("-")[:150]


def run_one(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one spec; its result as it is written."""
    with tempfile.TemporaryDirectory(prefix="upstream-e2e-") as folder:
        report = Path(folder, "report.json")
        command = [
            options.binary,
            *FLAGS,
            f"--num-nodes={options.num_nodes}",
            f"--kubeconfig={options.kubeconfig}",
            f"--ginkgo.focus= {re.escape(name)}$",
            f"--ginkgo.json-report={report}",
            *options.flag,
        ]
        if options.kubectl:
            command.append(f"--kubectl-path={options.kubectl}")
        began = time.monotonic()
        output, late = _bounded(command, options.seconds)
        seconds = round(time.monotonic() - began, 1)
        specs = _ran(report)
    result: dict[str, Any] = {"spec": name, "state": "timedout" if late else "unknown", "seconds": seconds}
    if specs:
        result["state"] = "timedout" if late else specs[0]["State"]
        failure = specs[0].get("Failure") or {}
        result["message"] = str(failure.get("Message", ""))[:2000]
    elif not late:
        result["state"] = "missing" if "Ran 0 of" in output else "broken"
    if result["state"] not in ("passed", "skipped"):
        Path(options.out, f"{slug(name)}.log").write_text(_SKIPPED.sub("", output))
    return result


def _bounded(command: list[str], seconds: float) -> tuple[str, bool]:
    """Run a command; its output, and whether it had to be stopped. An interrupt lets the spec clean up first."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True
    )
    try:
        return process.communicate(timeout=seconds)[0], False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=30)[0], True
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0], True


def _ran(report: Path) -> list[dict[str, Any]]:
    """The specs that really ran, from Ginkgo's own report."""
    text = report.read_text() if report.exists() else ""
    if not text:
        return []  # the binary ended before it had anything to report
    suites = json.loads(text)
    return [
        spec
        for suite in suites
        for spec in suite.get("SpecReports") or ()
        if spec["LeafNodeType"] == "It" and (spec["State"] != "skipped" or spec.get("NumAttempts"))
    ]


def read_results(path: Path) -> dict[str, dict[str, Any]]:
    """The newest result of each spec."""
    if not path.exists():
        return {}
    return {r["spec"]: r for r in map(json.loads, path.read_text().splitlines())}


def compare(old: Path, new: Path) -> int:
    """Print what changed between two runs; the number of specs that passed before and do not now."""
    before, after = read_results(old), read_results(new)
    lost = 0
    for name in sorted(before.keys() & after.keys()):
        was, now = before[name]["state"], after[name]["state"]
        if was != now:
            lost += was == "passed"
            print(f"{was:>8} -> {now:8} {name}")
    for title, results in (("old", before), ("new", after)):
        print(title, dict(Counter(r["state"] for r in results.values())))
    return lost


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="?", type=Path, help="a file with one full spec name a line")
    parser.add_argument("--binary", default="e2e.test", help="the built test binary")
    parser.add_argument("--kubeconfig", default=os.environ.get("KUBECONFIG", ""))
    parser.add_argument("--kubectl", default="", help="the kubectl that the specs of sig-cli use")
    parser.add_argument("--num-nodes", type=int, default=0, help="how many nodes there are")
    parser.add_argument("--seconds", type=float, default=120, help="how long one spec may take")
    parser.add_argument("--out", type=Path, default=Path("upstream-e2e"), help="a folder for results and logs")
    parser.add_argument("--resume", action="store_true", help="leave out what has a result already")
    parser.add_argument("--only", default="", help="a regular expression: only specs whose name it finds")
    parser.add_argument("--flag", action="append", default=[], help="a further flag for the binary; may be repeated")
    parser.add_argument("--list", metavar="REGEX", help="print the names of the specs it finds, and end")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("OLD", "NEW"), help="two results.jsonl")
    options = parser.parse_args()
    if options.compare:
        return int(compare(*options.compare) > 0)
    if options.list is not None:
        wanted = re.compile(options.list)
        print("\n".join(name for name in names(options.binary, options.kubeconfig) if wanted.search(name)))
        return 0
    if options.specs is None:
        parser.error("a file of specs, --list or --compare")
    return run_all(options)


def run_all(options: argparse.Namespace) -> int:
    """Run the specs of the file in order; the number of those that did not pass decides how it ends."""
    options.out.mkdir(parents=True, exist_ok=True)
    results = options.out / "results.jsonl"
    known = read_results(results) if options.resume else {}
    wanted = [s for s in options.specs.read_text().splitlines() if s.strip() and re.search(options.only, s)]
    counts: Counter[str] = Counter()
    for number, name in enumerate(wanted, 1):
        if name in known:
            counts[known[name]["state"]] += 1
            continue
        result = run_one(name, options)
        counts[result["state"]] += 1
        with results.open("a") as file:
            file.write(json.dumps(result) + "\n")
        print(f"{number:4}/{len(wanted)} {result['state']:8} {result['seconds']:6.1f} s  {name}", flush=True)
    print(", ".join(f"{count} {state}" for state, count in counts.most_common()))
    return int(sum(counts.values()) > counts["passed"])


if __name__ == "__main__":
    sys.exit(main())
