"""After the ready line: import what the first requests would otherwise wait for.

A start imports only what it needs (law 4), so the first definition, patch or apply would pay for its modules, a hundred
milliseconds in the worst case. One module at a time, with room for requests in between.
"""

from __future__ import annotations

import asyncio
from importlib import import_module

# In the order in which clients usually ask: discovery and reads, writes, patches, definitions and their objects.
MODULES = (
    "wherry.server.resources",
    "wherry.machinery.tables",
    "wherry.machinery.typed",
    "wherry.machinery.bodies",
    "wherry.machinery.fields.managed",
    "wherry.machinery.fields.apply",
    "wherry.server.applying",
    "wherry.machinery.crd.conditions",
    "wherry.machinery.crd.validate",
    "wherry.machinery.crd.strategy",
    "wherry.machinery.crd.versions",
    "wherry.store.custom",
    "wherry.store.delete",
    "wherry.server.watching",
)
_PAUSE = 0.01  # seconds between two modules


async def warm() -> None:
    """Import them all; a module that fails will say so to whoever needs it."""
    for name in MODULES:
        await asyncio.sleep(_PAUSE)
        try:
            import_module(name)
        except ImportError:
            continue
