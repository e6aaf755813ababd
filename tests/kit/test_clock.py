"""The clock that tests set."""

from __future__ import annotations

from wherry.kit.clock import SetClock


def test_a_set_clock_moves_only_when_told() -> None:
    clock = SetClock(100.0)
    assert (clock.time(), clock.time(), clock.monotonic()) == (100.0, 100.0, 0.0)
    clock.advance(2.5)
    assert (clock.time(), clock.monotonic()) == (102.5, 2.5)
