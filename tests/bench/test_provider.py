"""A provider and a hundred who bind its kind."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.sharing import measure


def test_one_operator_works_for_a_hundred_consumers_until_they_revoke_its_claim() -> None:
    figures: dict[str, Any] = {}
    asyncio.run(measure(argparse.Namespace(consumers=100, objects=1), figures.__setitem__))
    assert "list of 100 objects of all consumers, ms" in figures
    assert "revoked claim is refused after, ms" in figures
