"""The in-memory core of every backend: the present in key order, and a bounded log of events to look back through.

Only durable changes get here, so every read is of what is durable. A snapshot of the past is the present with the
younger events undone; that is why an event carries the version it replaced. The log is bounded by count, by bytes and
by age, and trimmed a few events per write, so that no write pays for a long clean-up.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wherry.storage.api import Compacted, Event, FutureRevision, Page, Record
from wherry.storage.bucket import Bucket

_LONGER = 20  # times as many events and bytes, where somebody asks for more time than usual
_NO_NAME = "\ud800"  # starts no key: backends refuse what UTF-8 cannot write


@dataclass(frozen=True, slots=True)
class Keep:
    """How much history to keep. The newest `least` events are kept whatever their age, as long as the bytes allow."""

    events: int = 100_000
    bytes: int = 32 << 20  # of the versions that only history needs
    seconds: float = 300.0  # what etcd under kube-apiserver keeps
    least: int = 1_000

    def lasting(self, seconds: float) -> Keep:
        """For so long; what a longer history takes up may grow, but not for ever."""
        more = _LONGER if seconds > self.seconds else 1
        return Keep(self.events * more, self.bytes * more, seconds, self.least)


def bucket_name(key: str) -> str:
    """`/<workspace>/<group>/<resource>/`, the part of a key (or of a prefix) that names its collection.

    A shorter key belongs to what stands before its last slash.
    """
    end = key.find("/", key.find("/", key.find("/", key.find("/") + 1) + 1) + 1) + 1
    # A key with fewer slashes made one of the searches start over from 0; then the end is not the fourth slash.
    if key.count("/", 0, end) == 4:
        return key[:end]
    return key[: key.rfind("/") + 1]


def after_prefix(prefix: str) -> str | None:
    """The least string greater than every string with this prefix; None when there is none."""
    prefix = prefix.rstrip("\U0010ffff")
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else None


def cost(event: Event) -> int:
    """The bytes that only history needs: the replaced version and a deletion's last words."""
    size = 200
    if event.previous is not None:
        size += len(event.previous.value)
    if event.final is not None:
        size += len(event.final.value)
    return size


class Index:
    """Current records, their order, and the event log."""

    def __init__(self, keep: Keep | None = None, now: Callable[[], float] = time.monotonic):
        self.keep = keep or Keep()
        self.current: dict[str, Record] = {}
        self.revision = 1
        self.oldest = 1
        self.log: deque[Event] = deque()
        self.history_bytes = 0
        # Called with each event that leaves the log: a backend then frees the versions that only this event needed.
        self.on_trimmed: Callable[[Event], None] | None = None
        self._buckets: dict[str, Bucket] = {}
        self._inherited = 0  # buckets last changed at or before this revision came with a fork
        self._names: list[str] | None = []  # sorted bucket names, None when stale
        self._recent_name, self._recent = _NO_NAME, Bucket("")
        self._ages: deque[tuple[float, int]] = deque()  # (time, revision) of batches, for the bound by age
        self._now = now

    # --- writing ------------------------------------------------------------------------------------------------

    def load(self, current: dict[str, Record], revision: int, oldest: int, events: Iterable[Event] = ()) -> None:
        """Take over the state that a backend read from disk. `events` are those after `oldest`, in order.

        Neighbours mostly share a collection; asking that first keeps the opening of large storages short.
        """
        self.revision, self.oldest = revision, oldest
        self.current = current
        groups: dict[str, list[Record]] = {}
        name, group = "", groups.setdefault("", [])
        for key in sorted(current):
            if not name or not key.startswith(name):
                name = bucket_name(key)
                group = groups.setdefault(name, [])
                name = name if name.count("/") == 4 else ""  # a short name may start keys of other collections
            group.append(current[key])
        for name, group in groups.items():
            if group:
                bucket = self._bucket(name)
                bucket.fill(group)
                bucket.changed = oldest  # or before; the history's own events follow below
        for event in events:
            self._remember(event, self._bucket_of(event.key))
        self._ages.append((self._now(), revision))

    def apply(self, events: list[Event]) -> None:
        """Make a durable batch visible, in order."""
        current = self.current
        for event in events:
            key, record = event.key, event.record
            bucket = self._bucket_of(key)
            if record is not None:
                current[key] = record
                bucket.set(record)
            else:
                del current[key]
                bucket.remove(key)
            self._remember(event, bucket)
        self.revision = events[-1].revision
        self._ages.append((self._now(), self.revision))
        self.trim(2 * len(events) + 8)

    def fork(self, revision: int, keep: Keep | None = None) -> Index:
        """The present as the beginning of another index, which has no history before `revision`.

        Costs a copy of the table of keys: records are shared, and so are collections until either side changes one.
        """
        other = Index(keep or self.keep, self._now)
        other.current = dict(self.current)
        other.revision = other.oldest = other._inherited = revision
        for name, bucket in self._buckets.items():
            if bucket.size:
                bucket.owner = None
                other._buckets[name] = bucket
        other._names = None
        self._recent_name = _NO_NAME  # the next write must look whether its collection is shared
        return other

    def _bucket(self, name: str) -> Bucket:
        """A bucket to change: a shared one is copied first."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(name, self)
            self._names = None
        elif bucket.owner is not self:
            own_history = bucket.changed > self._inherited
            bucket = self._buckets[name] = bucket.copy(self, history=own_history)
        return bucket

    def _bucket_of(self, key: str) -> Bucket:
        """The bucket of a key; neighbours in time mostly share it, so the last one is tried first."""
        if key.startswith(self._recent_name):
            return self._recent
        name = bucket_name(key)
        bucket = self._bucket(name)
        if name.count("/") == 4:  # a shorter name may start keys of other buckets
            self._recent_name, self._recent = name, bucket
        return bucket

    def _remember(self, event: Event, bucket: Bucket) -> None:
        self.log.append(event)
        bucket.log.append(event)
        bucket.changed = event.revision
        self.history_bytes += cost(event)

    # --- forgetting ---------------------------------------------------------------------------------------------

    def trim(self, steps: int) -> None:
        """Drop events that are beyond the bounds, at most `steps` of them."""
        keep, log, ages = self.keep, self.log, self._ages
        horizon = self._now() - keep.seconds
        while log and steps:
            first = log[0].revision
            while ages and ages[0][1] < first:
                ages.popleft()
            too_old = len(log) > keep.least and bool(ages) and ages[0][0] < horizon
            if not too_old and len(log) <= keep.events and self.history_bytes <= keep.bytes:
                return
            self._drop_first()
            steps -= 1

    def forget(self, revision: int, steps: int) -> bool:
        """Drop up to `steps` events that are not younger than `revision`; true when none is left.

        From the first call on, reads older than `revision` are refused.
        """
        self.oldest = max(self.oldest, min(revision, self.revision))
        log = self.log
        while log and log[0].revision <= self.oldest:
            if not steps:
                return False
            self._drop_first()
            steps -= 1
        return True

    def _drop_first(self) -> None:
        event = self.log.popleft()
        bucket = self._bucket_of(event.key)
        bucket.log.popleft()
        if not bucket.log and not bucket.size:
            del self._buckets[bucket.name]
            self._names, self._recent_name = None, _NO_NAME
        self.oldest = max(self.oldest, event.revision)
        self.history_bytes -= cost(event)
        if self.on_trimmed is not None:
            self.on_trimmed(event)

    # --- reading ------------------------------------------------------------------------------------------------

    def count(self, prefix: str) -> int:
        high = after_prefix(prefix)
        total = 0
        for bucket in self._matching(prefix):
            start, end = (0, bucket.size) if bucket.name == prefix else bucket.span(prefix, high)
            total += end - start
        return total

    def range(self, prefix: str, *, after: str = "", limit: int = 0, revision: int = 0) -> Page:
        buckets = self._matching(prefix)
        if revision:
            self._check(revision)
            if any(bucket.changed > revision for bucket in buckets):
                return self._snapshot(buckets, prefix, after, limit, revision)
        else:
            revision = self.revision
        low = after + "\0" if after >= prefix else prefix  # the least key greater than `after`
        high = after_prefix(prefix)
        if len(buckets) == 1:
            start, end = buckets[0].span(low, high)
            stop = min(end, start + limit) if limit else end
            return Page(buckets[0].slice(start, stop), revision, end - stop)
        return _page(self._gather(buckets, low, high), limit, revision)

    def events_since(self, revision: int, prefix: str = "") -> list[Event]:
        self._check(revision)
        if prefix and bucket_name(prefix).count("/") == 4:
            bucket = self._buckets.get(bucket_name(prefix))
            inherited = bucket is None or bucket.changed <= self._inherited
            log = deque[Event]() if bucket is None or inherited else bucket.log
        else:
            log = self.log
        out: list[Event] = []
        for event in reversed(log):  # a watcher that resumes wants the last few of many
            if event.revision <= revision:
                break
            if event.key.startswith(prefix):
                out.append(event)
        out.reverse()
        return out

    def remembers(self, record: Record) -> bool:
        """Whether the history still has the event that replaced this version."""
        bucket = self._buckets.get(bucket_name(record.key))
        if bucket is None or bucket.changed <= self._inherited:
            return False
        return any(event.previous is record for event in bucket.log)

    def _check(self, revision: int) -> None:
        if revision < self.oldest:
            raise Compacted(revision, self.oldest)
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)

    def _snapshot(self, buckets: list[Bucket], prefix: str, after: str, limit: int, revision: int) -> Page:
        """The present with every younger event undone; the oldest of them knows what stood there."""
        high = after_prefix(prefix)
        low = after + "\0" if after >= prefix else prefix
        stood: dict[str, Record | None] = {}
        for bucket in buckets:
            for event in reversed(bucket.log):
                if event.revision <= revision:
                    break
                if event.key >= low and (high is None or event.key < high):
                    stood[event.key] = event.previous
        records = [record for record in self._gather(buckets, low, high) if record.key not in stood]
        records += [record for record in stood.values() if record is not None]
        records.sort(key=lambda record: record.key)
        return _page(records, limit, revision)

    def _gather(self, buckets: list[Bucket], low: str, high: str | None) -> list[Record]:
        out: list[Record] = []
        for bucket in buckets:
            out += bucket.slice(*bucket.span(low, high))
        if len(buckets) > 1:  # buckets of short keys may enclose others
            out.sort(key=lambda record: record.key)
        return out

    def _matching(self, prefix: str) -> list[Bucket]:
        name = bucket_name(prefix)
        if name.count("/") == 4:
            bucket = self._buckets.get(name)
            return [bucket] if bucket is not None else []
        if self._names is None:
            self._names = sorted(self._buckets)
        return [self._buckets[n] for n in self._names if n.startswith(prefix) or prefix.startswith(n)]


def _page(records: list[Record], limit: int, revision: int) -> Page:
    if limit and len(records) > limit:
        return Page(records[:limit], revision, len(records) - limit)
    return Page(records, revision, 0)
