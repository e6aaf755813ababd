"""Recorded answers of a real API server, held against a control plane in memory, file by file.

The recordings are not part of the project: WHERRY_CORPORA says where they are. `floors.json` has the number of answers
per file that have been the same before; fewer is a step back. A better number belongs into that file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from replay_server import Server, recorder

FLOORS: dict[str, int] = json.loads(Path(__file__).with_name("floors.json").read_text())

pytestmark = pytest.mark.skipif("WHERRY_CORPORA" not in os.environ, reason="WHERRY_CORPORA is not set: no recordings")


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize("name", sorted(FLOORS))
def test_answers_are_the_same_as_recorded(name: str, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    corpora = Path(os.environ["WHERRY_CORPORA"])
    module = recorder(corpora, server)
    same, total, worse = 0, 0, []
    with open(corpora / "transcripts" / f"{name}.jsonl") as lines:
        for number, line in enumerate(lines):
            scenario = json.loads(line)
            variables, answers = module.run(server, scenario, number)
            for index, (step, answer) in enumerate(zip(scenario["steps"], answers, strict=True)):
                masked = json.loads(json.dumps(module.mask(answer, module.names_of(variables))))
                differences = module.differences(step["answer"], masked)
                total += 1
                same += not differences
                if differences:
                    worse.append(f"{scenario['scenario']} #{index} {step['request']} {differences}")
    with capsys.disabled():
        print(f"\n{name}: {same} of {total} answers as recorded ({same / total:.2%})")
    assert same >= FLOORS[name], "\n".join(worse)
