"""An index from label pairs to objects, so that a list by selector reads what it selects and not the collection.

Made for a collection when it is first asked by an equality, then kept from the storage stream; bounded in collections.
"""

from __future__ import annotations

from collections.abc import Sequence

from wherry.storage.api import Event, Record, Storage
from wherry.store.definition import labels_of
from wherry.store.watch import collection_of

MAX_COLLECTIONS = 64
_SMALL = 64  # collections of fewer objects are read through faster than looked up

Pair = tuple[str, str]


class LabelIndex:
    """One per storage."""

    def __init__(self, storage: Storage):
        self._storage = storage
        self._indexes: dict[str, dict[Pair, set[str]]] = {}
        storage.subscribe(self._on_events)

    def select(self, collection: str, prefix: str, pair: Pair, after: str) -> list[Record] | None:
        """The records below `prefix` that carry the pair, in key order, after a key; None where a scan is as good."""
        index = self._indexes.get(collection)
        if index is None:
            if self._storage.count(collection) < _SMALL:
                return None
            index = self._build(collection)
        get = self._storage.get
        keys = sorted(key for key in index.get(pair, ()) if key > after and key.startswith(prefix))
        return [record for key in keys if (record := get(key)) is not None]

    def _build(self, collection: str) -> dict[Pair, set[str]]:
        while len(self._indexes) >= MAX_COLLECTIONS:
            del self._indexes[next(iter(self._indexes))]
        index: dict[Pair, set[str]] = {}
        for record in self._storage.range(collection).records:
            for pair in labels_of(record).items():
                index.setdefault(pair, set()).add(record.key)
        self._indexes[collection] = index
        return index

    def _on_events(self, events: Sequence[Event]) -> None:
        if not self._indexes:
            return
        for event in events:
            index = self._indexes.get(collection_of(event.key))
            if index is None:
                continue
            old = labels_of(event.previous).items() if event.previous is not None else ()
            new = labels_of(event.record).items() if event.record is not None else ()
            if old == new:
                continue
            for pair in old:
                found = index.get(pair)
                if found is not None:
                    found.discard(event.key)
                    if not found:
                        del index[pair]
            for pair in new:
                index.setdefault(pair, set()).add(event.key)
