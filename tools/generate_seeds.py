"""Write `src/wherry/store/seeds.json`: what a fresh control plane holds, as its own create makes it.

Run after a change of the default objects (`machinery/builtin/policy/bootstrap.py`) or of what creates do to them:

    .venv/bin/python tools/generate_seeds.py
"""

from __future__ import annotations

import asyncio

import orjson

from wherry.storage import open_storage
from wherry.store.bootstrap import SEEDS, rendered, sow_by_creating
from wherry.store.registry import Registry
from wherry.store.store import Store

MOMENT = 1_700_000_000.0  # any time will do: it does not stay in the file


async def made() -> bytes:
    """The bytes of the file."""
    storage = open_storage("memory:")
    store = Store(storage, lambda: MOMENT)
    await sow_by_creating(store, Registry())
    out = b"[" + b",\n".join(orjson.dumps(seed) for seed in rendered(store)) + b"]\n"
    await storage.close()
    return out


if __name__ == "__main__":
    SEEDS.write_bytes(asyncio.run(made()))
