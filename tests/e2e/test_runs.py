"""Short versions of the long runs in tools/: operators under churn, and kill -9 under write load."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import churn
import kill_loop


@pytest.mark.parametrize("framework", sorted(churn.COMMANDS))
def test_an_operator_sees_every_change_once(framework: str, tmp_path: Path) -> None:
    said = asyncio.run(churn.Churn(framework, tmp_path).run(5))
    assert "each event once" in said


def test_no_answered_write_is_lost_by_kill_9(tmp_path: Path) -> None:
    assert "3 kills, " in asyncio.run(kill_loop.loop(3, 7, tmp_path))
