"""What a start imports and what it costs: `python tools/import_budget.py [MODULE]`, the dearest modules first.

Times are those of `python -X importtime` and vary with the machine; compare runs on the same one. The default is what
`wherry up` imports before it is ready, apart from the built-in kinds that the first requests need.
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict

DEFAULT = "import wherry.cli.up, wherry.controlplane, wherry.server.build, uvloop"


def measure(program: str) -> dict[str, int]:
    """Module -> microseconds of its own, without what it imports."""
    command = [sys.executable, "-X", "importtime", "-c", program]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    found = {}
    for line in lines:
        own, _, name = line.removeprefix("import time:").rpartition("|")
        first = own.split("|")[0].strip()
        if first.isdigit():
            found[name.strip()] = int(first)
    return found


def main() -> None:
    program = f"import {sys.argv[1]}" if len(sys.argv) > 1 else DEFAULT
    measure(program)  # fills the caches of the file system and of compiled files
    found = measure(program)
    packages: dict[str, int] = defaultdict(int)
    for name, own in found.items():
        packages[name.split(".")[0]] += own
    print(f"{sum(found.values()) / 1000:.1f} ms in {len(found)} modules")
    for title, table in (("packages", packages), ("modules", found)):
        print(f"\n{title}:")
        for name, own in sorted(table.items(), key=lambda item: -item[1])[:15]:
            print(f"{own / 1000:8.1f} ms  {name}")


if __name__ == "__main__":
    main()
