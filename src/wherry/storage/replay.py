"""From the rows of a log back to the spaces that they make up.

Rows come in the order of their revisions. A fork shows what its source held at one revision, so when the rows up to
there are through, its copy is taken; a drop empties its space. Every row that no space needs in the end is dead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from wherry.storage.api import Event, Record
from wherry.storage.space import HERE, ROOT


class SpaceRow(NamedTuple):
    """A space as the disk knows it: made from `source` as of revision `at` (itself empty for none)."""

    name: str
    made: int
    source: str
    at: int
    dropped: int


class Loaded(NamedTuple):
    """What a log says. `spaces` are those that are there, and those that are gone but have heirs; nothing is left of
    the `forgotten`."""

    spaces: list[SpaceRow]
    forgotten: list[str]
    records: dict[str, dict[str, Record]]
    events: dict[str, list[Event]]
    dead: list[int]
    revision: int
    oldest: int


class Replay:
    """One reading of a log; histories are kept from after `oldest`."""

    def __init__(self, spaces: list[SpaceRow], oldest: int):
        self._spaces = {row.name: row for row in spaces}
        self._oldest = oldest
        self._current: dict[str, dict[str, Record]] = {ROOT: {}}
        self._events: dict[str, list[Event]] = {ROOT: []}
        self._dead: list[int] = []
        self._seen: list[tuple[Record, Record | None, bool]] = []  # (version, what it replaced, whether it deleted)
        self._last = 0
        # Copies and drops, last first. A drop comes after the copies that were taken before it.
        acts = [(row.at if row.source else row.made, 0, row) for row in spaces]
        acts += [(row.dropped, 1, row) for row in spaces if row.dropped]
        self._acts = sorted(acts, key=lambda act: (*act[:2], act[2].made), reverse=True)

    def run(self, rows: Iterable[tuple[int, int, str, bytes]]) -> None:
        """Rows of (revision, created or 0 for a deletion, key, value)."""
        current, events, name, start = self._current[ROOT], self._events[ROOT], ROOT, HERE + "/"
        acts, oldest, dead, alone = self._acts, self._oldest, self._dead, not self._spaces
        spaces = self._spaces
        number = 0
        for number, created, key, value in rows:
            while acts and acts[-1][0] < number:
                self._act(acts.pop())
                current, events = self._current.get(name, {}), self._events.get(name, [])
            if not (alone or key.startswith(start)):
                name = key[1 : key.find("/", 1)]
                start = f"/{name}/"
                name = name if name in spaces else ROOT
                current, events = self._current.get(name, {}), self._events.get(name, [])
            if name != ROOT:
                key = HERE + key[len(start) - 1 :]
            record = Record(key, value, number, created)
            previous = current.get(key)
            if created:
                current[key] = record
            elif previous is not None:
                record.created = previous.created
                del current[key]
            if not alone:
                self._seen.append((record, previous, not created))
            if number > oldest:
                new, final = (record, None) if created else (None, record)
                events.append(Event(number, key, new, previous, final))
            elif alone:
                if previous is not None:
                    dead.append(previous.revision)
                if not created:
                    dead.append(number)
        self._last = number
        while acts:
            self._act(acts.pop())

    def _act(self, act: tuple[int, int, SpaceRow]) -> None:
        _, drop, row = act
        if drop:
            self._current[row.name] = {}
            self._events[row.name] = []
            return
        self._current[row.name] = dict(self._current.get(row.source, {}))
        self._events[row.name] = []

    def result(self, revision: int) -> Loaded:
        """`revision` is the greatest number that the disk remembers to have given out."""
        made = max((max(row.made, row.dropped) for row in self._spaces.values()), default=0)
        if self._spaces:
            self._bury()
        kept = self._kept()
        last = max(revision, self._last, made)
        forgotten = [name for name in self._spaces if name not in {row.name for row in kept}]
        return Loaded(kept, forgotten, self._current, self._events, self._dead, last, self._oldest)

    def _kept(self) -> list[SpaceRow]:
        """Spaces that are there, and the ancestors of those."""
        wanted: set[str] = set()
        for row in self._spaces.values():
            name = "" if row.dropped else row.name
            while name and name not in wanted and name in self._spaces:
                wanted.add(name)
                name = self._spaces[name].source
        return sorted((self._spaces[name] for name in wanted), key=lambda row: row.made)

    def _bury(self) -> None:
        """With relatives about, a row is dead when nobody shows it and no history speaks of it."""
        needed = {id(record) for records in self._current.values() for record in records.values()}
        for events in self._events.values():
            for event in events:
                needed.update(id(r) for r in (event.record, event.previous, event.final) if r is not None)
        dead = self._dead
        for record, previous, deleted in self._seen:
            if id(record) in needed:
                continue
            # A deletion stays as long as the row that it hides: a relative may need that one.
            if not deleted or previous is None or id(previous) not in needed:
                dead.append(record.revision)
