"""Kill a writing process again and again; after each time check that every acknowledged write is there.

python tools/crash_loop.py [times]        # 100 by default; prints one line at the end, fails on the first loss
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "storage"))

from storage_crash import check_after_crash, crash


def main(times: int) -> None:
    with tempfile.TemporaryDirectory(prefix="crash-loop-") as folder:
        acknowledged: list[tuple[str, str, int]] = []
        for number in range(times):
            if number % 20 == 0:  # mostly folders with a past, sometimes a fresh one
                data, acknowledged = Path(folder) / str(number), []
            acknowledged += crash(data, random.randrange(1, 600))
            check_after_crash(data, acknowledged)
            acknowledged = [(verb, key, revision) for key, (verb, revision) in _newest(acknowledged).items()]
    print(f"{times} kills, no acknowledged write lost")


def _newest(acknowledged: list[tuple[str, str, int]]) -> dict[str, tuple[str, int]]:
    ordered = sorted(acknowledged, key=lambda line: line[2])
    return {key: (verb, revision) for verb, key, revision in ordered}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
