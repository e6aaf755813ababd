"""`wherry version`."""

from __future__ import annotations

import platform

from wherry import __version__


def version() -> int:
    print(f"wherry {__version__} (Python {platform.python_version()})")
    return 0
