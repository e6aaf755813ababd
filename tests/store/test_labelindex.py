"""The label index against a plain scan, over random histories."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.storage import open_storage
from wherry.store.definition import labels_of
from wherry.store.labelindex import LabelIndex

COLLECTION = "/root/core/configmaps/"
NAMES = st.sampled_from(["a", "b", "c", "d"])
LABELS = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"]))
STEPS = st.lists(st.tuples(NAMES, st.sampled_from(["ns1", "ns2"]), st.none() | LABELS), max_size=30)


@settings(max_examples=60, deadline=None)
@given(STEPS, STEPS)
def test_the_index_selects_what_a_scan_selects(before: Any, after: Any) -> None:
    async def main() -> None:
        storage = open_storage("memory:")
        index = LabelIndex(storage)
        await _play(storage, before)
        index._build(COLLECTION)  # in the middle: from here on it must follow
        await _play(storage, after)
        for prefix in (COLLECTION, COLLECTION + "ns1/"):
            for pair in (("x", "1"), ("y", "2"), ("z", "1")):
                found = index.select(COLLECTION, prefix, pair, "")
                wanted = [r for r in storage.range(prefix).records if labels_of(r).get(pair[0]) == pair[1]]
                assert found is not None
                assert [r.key for r in found] == [r.key for r in wanted]
        await storage.close()

    asyncio.run(main())


async def _play(storage: Any, steps: Any) -> None:
    for name, namespace, labels in steps:
        key = f"{COLLECTION}{namespace}/{name}"
        if labels is None:
            if storage.newest(key) is not None:
                await storage.delete(key, lambda revision: b'{"metadata":{}}')
            continue
        data = orjson.dumps({"metadata": {"name": name, **({"labels": labels} if labels else {})}})
        await storage.put(key, lambda revision, data=data: data)
