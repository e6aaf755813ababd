"""The records of one collection in key order: the part of the in-memory index that answers lists.

Two parallel lists per chunk (keys to search in, records to give out) instead of one sorted mapping, because a full
LIST then is a copy of lists of records, and an update replaces one slot. Chunks keep the insertion of a key in the
middle of a large collection short.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from wherry.storage.api import Event, Record

CHUNK = 1024  # split at twice this; a memmove of some kilobytes


class Bucket:
    """Sorted records plus the collection's own part of the event log (`log`), so that a watch need not filter all."""

    __slots__ = ("_keys", "_last", "_rows", "changed", "log", "name", "owner", "size")

    def __init__(self, name: str, owner: object = None):
        self.name = name
        self.owner = owner  # the one index that may change it; None when several share it since a fork
        self.size = 0
        self.changed = 0  # revision of the newest change: a snapshot at or after it is the present
        self.log: deque[Event] = deque()
        self._keys: list[list[str]] = []
        self._rows: list[list[Record]] = []
        self._last: list[str] = []  # the greatest key of each chunk

    def fill(self, records: list[Record]) -> None:
        """Replace everything by records that are sorted already (opening a storage)."""
        self.size = len(records)
        self._rows = [records[i : i + CHUNK] for i in range(0, len(records), CHUNK)]
        self._keys = [[record.key for record in rows] for rows in self._rows]
        self._last = [keys[-1] for keys in self._keys]

    def copy(self, owner: object, *, history: bool) -> Bucket:
        """The same records, to be changed by `owner`; lists are copied, records and their bytes are shared."""
        other = Bucket(self.name, owner)
        other.size, other.changed = self.size, self.changed
        other._keys = [list(keys) for keys in self._keys]
        other._rows = [list(rows) for rows in self._rows]
        other._last = list(self._last)
        if history:
            other.log = self.log.copy()
        return other

    def set(self, record: Record) -> None:
        """Insert a record or replace the one with its key."""
        key = record.key
        last = self._last
        at = bisect_left(last, key)
        if at == len(last):
            if not last:
                self._keys.append([key])
                self._rows.append([record])
                last.append(key)
                self.size = 1
                return
            at -= 1
            last[at] = key
        keys = self._keys[at]
        spot = bisect_left(keys, key)
        if spot < len(keys) and keys[spot] == key:
            self._rows[at][spot] = record
            return
        keys.insert(spot, key)
        self._rows[at].insert(spot, record)
        self.size += 1
        if len(keys) > 2 * CHUNK:
            self._split(at)

    def remove(self, key: str) -> None:
        """Take out a key that is there."""
        at = bisect_left(self._last, key)
        keys = self._keys[at]
        spot = bisect_left(keys, key)
        del keys[spot], self._rows[at][spot]
        self.size -= 1
        if not keys:
            del self._keys[at], self._rows[at], self._last[at]
        elif spot == len(keys):
            self._last[at] = keys[-1]

    def span(self, low: str, high: str | None) -> tuple[int, int]:
        """The positions of the keys from `low` (included) to `high` (excluded; None: the end)."""
        start = self._position(low)
        end = self.size if high is None else self._position(high)
        return start, max(start, end)

    def slice(self, start: int, end: int) -> list[Record]:
        """The records from position `start` to before `end`."""
        out: list[Record] = []
        for rows in self._rows:
            length = len(rows)
            if start < length:
                out += rows if start <= 0 and end >= length else rows[max(start, 0) : end]
            start -= length
            end -= length
            if end <= 0:
                break
        return out

    def _position(self, key: str) -> int:
        """How many keys are less than `key`."""
        at = bisect_left(self._last, key)
        if at == len(self._last):
            return self.size
        return sum(map(len, self._keys[:at])) + bisect_left(self._keys[at], key)

    def _split(self, at: int) -> None:
        keys, rows = self._keys[at], self._rows[at]
        half = len(keys) // 2
        self._keys[at : at + 1] = [keys[:half], keys[half:]]
        self._rows[at : at + 1] = [rows[:half], rows[half:]]
        insort(self._last, keys[half - 1])
