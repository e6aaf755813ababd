"""The seeds on disk are what creating them makes, and a first start gives each its own identity."""

from __future__ import annotations

import asyncio

import orjson

from wherry.storage import open_storage
from wherry.store.bootstrap import SEEDS, ensure_defaults, rendered, sow_by_creating
from wherry.store.registry import Registry
from wherry.store.store import Store

HINT = "run tools/generate_seeds.py"


def test_the_file_is_what_creating_makes() -> None:
    async def main() -> None:
        store = Store(open_storage("memory:"), lambda: 1_700_000_000.0)
        await sow_by_creating(store, Registry())
        assert orjson.loads(SEEDS.read_bytes()) == [list(seed) for seed in rendered(store)], HINT

    asyncio.run(main())


def test_seeds_get_an_identity_and_are_sown_once() -> None:
    async def main() -> None:
        store = Store(open_storage("memory:"), lambda: 1_700_000_000.0)
        await ensure_defaults(store)
        records = store.storage.range("/").records
        objects = [orjson.loads(r.value) for r in records]
        assert len({o["metadata"]["uid"] for o in objects}) == len(objects) > 100
        assert all(o["metadata"]["creationTimestamp"] == "2023-11-14T22:13:20Z" for o in objects)
        assert all(int(o["metadata"]["resourceVersion"]) == r.revision for o, r in zip(objects, records, strict=True))
        revision = store.storage.revision
        await ensure_defaults(store)
        assert store.storage.revision == revision

    asyncio.run(main())
