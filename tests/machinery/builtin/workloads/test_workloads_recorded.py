"""Every recorded create, update and patch of a pod or workload, against the rules alone (`replay` says how)."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from wherry.machinery.builtin.workloads import TABLE

sys.path.insert(0, str(Path(__file__).parent.parent))
import replay

# What other parts answer: scenario -> why the rules alone differ, and in how many answers.
ELSEWHERE = {
    "validation/meta-namespace": (1, "the store looks the namespace up"),
    "validation/statefulset-status": (1, "a patch warns of its own unknown fields"),
}
SKIPPED = ("decode-", "fieldvalidation")  # about the decoder, which has tests of its own

recorded = pytest.mark.skipif(replay.corpora() is None, reason="WHERRY_CORPORA names no recordings")


@recorded
@pytest.mark.parametrize("file", ["kinds", "validation"])
def test_recorded_answers(file: str) -> None:
    compare = replay.transcript()
    compared, found, shown = 0, Counter[str](), []
    for scenario in replay.scenarios(file):
        name = scenario["scenario"]
        if any(part in name for part in SKIPPED):
            continue
        run = replay.Replay(scenario, set(TABLE), compare)
        for difference in run.run():
            found[name] += 1
            if name not in ELSEWHERE:
                shown.append(f"{name} {difference.step} {difference.request}: {difference.levels}")
        compared += run.compared
    assert not shown
    assert dict(found) == {name: count for name, (count, _) in ELSEWHERE.items() if name.startswith(file)}
    assert compared > 100
