"""Who changed what and when, as far as the history of a workspace reaches back.

The log knows each version that it still keeps; managers and times are what objects tell of themselves
(`metadata.managedFields`, whole seconds), so nothing further is stored for this.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from wherry.machinery.difference import fields, hidden, meant
from wherry.machinery.kinds import Obj
from wherry.storage.api import Event, Record, Storage
from wherry.workspaces.difference import shown


class TooOld(Exception):
    """The history does not reach back so far."""


def history(space: Storage, key: str, *, secrets: bool = False) -> Iterator[Obj]:
    """The changes of one object, the newest first: `{revision, change: created | changed | deleted, time, manager,
    operation, subresource, fields: [{path, before, after}]}`, and at the end what stood before all of them as
    `{revision, change: earlier, managers: [{manager, operation, time}]}`."""
    events = [event for event in space.events_since(space.oldest, key) if event.key == key]
    hide = key.startswith("/root/core/secrets/") and not secrets
    for event in reversed(events):
        yield _change(event, hide)
    first = events[0].previous if events else space.get(key)
    if first is not None:
        entries = _managed(orjson.loads(first.value))
        managers = [{name: e[name] for name in ("manager", "operation", "time") if e.get(name)} for e in entries]
        yield {"revision": first.revision, "change": "earlier", "managers": managers}


def _change(event: Event, hide: bool) -> Obj:
    old, new = _read(event.previous), _read(event.record)
    change = "created" if old is None else "deleted" if new is None else "changed"
    found: Obj = {"revision": event.revision, "change": change, **_who(old, new)}
    if "time" not in found and (time := time_of(event)):
        found["time"] = time
    if old is not None and new is not None:
        different = list(fields(meant(old, status=True), meant(new, status=True)))
        found["fields"] = [shown(hidden(f) if hide and f.path.startswith("data") else f) for f in different]
    return found


def _who(old: Obj | None, new: Obj | None) -> Obj:
    """The manager whose entry is new or newer."""
    if new is None:
        return {}
    before = {_name(entry): entry for entry in _managed(old or {"metadata": {}})}
    touched = [entry for entry in _managed(new) if before.get(_name(entry)) != entry]
    if not touched:
        return {}
    # Who only lost fields to another keeps its time.
    acted = [entry for entry in touched if before.get(_name(entry), {}).get("time") != entry.get("time")]
    entry = max(acted or touched, key=lambda each: str(each.get("time", "")))
    return {name: entry[name] for name in ("time", "manager", "operation", "subresource") if entry.get(name)}


def _managed(obj: Obj) -> list[Obj]:
    found: list[Obj] = obj["metadata"].get("managedFields") or []
    return found


def _name(entry: Obj) -> tuple[Any, ...]:
    return tuple(entry.get(name, "") for name in ("manager", "operation", "subresource"))


def time_of(event: Event) -> str:
    """When an event was, as its object tells; empty where it does not."""
    obj = _read(event.record or event.final)
    meta = obj["metadata"] if obj is not None else {}
    times = [str(entry.get("time", "")) for entry in meta.get("managedFields") or ()]
    known = (meta.get("creationTimestamp") if event.previous is None else "", meta.get("deletionTimestamp"))
    return max([*times, *(str(time or "") for time in known)])


def revision_at(space: Storage, when: datetime) -> int:
    """The revision that a workspace had at a moment (aware). Raises TooOld."""
    earliest = ""
    for event in reversed(space.events_since(space.oldest)):
        time = time_of(event)
        if time and datetime.fromisoformat(time) <= when:
            return event.revision
        earliest = time or earliest
    since = f"; it reaches back to {earliest}, revision {space.oldest}" if earliest else f" (revision {space.oldest})"
    raise TooOld(f"what was at {when.isoformat()} is not kept any more{since}")


def _read(record: Record | None) -> Obj | None:
    found: Obj | None = orjson.loads(record.value) if record is not None else None
    return found
