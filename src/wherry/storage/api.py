"""The storage contract: keys, bytes, revisions, watch. A log that knows no JSON and no kinds.

One event loop owns a storage; every method is called on it. Reads are synchronous and answer from memory: they see
only what is durable. Writes are checked and numbered at once, synchronously, against the newest version including
those still on their way to disk, then awaited: many writes share one commit and one fsync (law 2).

Keys are strings, ordered by their UTF-8 bytes as in etcd:
`/<workspace>/<group or "core">/<resource>/<namespace>/<name>` (cluster-scoped kinds have no namespace segment).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol


class StorageError(Exception):
    """A storage that cannot be opened or written: says what, where and how to mend it."""


class DataFolderInUse(StorageError):
    """Another process holds the data folder."""


class NewerFormat(StorageError):
    """The data was written by a newer version."""


class RevisionConflict(Exception):
    """A write expected another revision of the key than the newest; `current` is the newest record or None."""

    def __init__(self, key: str, current: Record | None):
        super().__init__(key)
        self.key = key
        self.current = current


class Compacted(Exception):
    """The revision asked for is older than what compaction kept; `oldest` is the first revision still readable."""

    def __init__(self, revision: int, oldest: int):
        super().__init__(f"revision {revision} is compacted; the oldest is {oldest}")
        self.revision = revision
        self.oldest = oldest


class FutureRevision(Exception):
    """The revision asked for does not exist yet."""

    def __init__(self, revision: int, current: int):
        super().__init__(f"revision {revision} is not there yet; the newest is {current}")
        self.revision = revision
        self.current = current


class SpaceExists(Exception):
    """A space of this name is there, or is being made."""


class Record:
    """One version of one key. Immutable, but for `cache`, in which upper rooms keep what they derived from it."""

    __slots__ = ("cache", "created", "key", "revision", "value")

    def __init__(self, key: str, value: bytes, revision: int, created: int):
        self.key = key
        self.value = value
        self.revision = revision  # of the commit that wrote this version
        self.created = created  # revision at which the key came to be
        self.cache: Any = None


class Event(NamedTuple):
    """One durable change. `record` is the new version, or None when the key was deleted; `previous` what stood there.

    For a deletion `final` carries the last bytes to show to watchers (they embed the deletion's revision)."""

    revision: int
    key: str
    record: Record | None
    previous: Record | None
    final: Record | None


class Page(NamedTuple):
    """A range read at `revision`. `remaining` counts the keys after the last one given (0 when complete)."""

    records: Sequence[Record]
    revision: int
    remaining: int


# Builds the bytes of a version once its revision is known, so that they can embed it (law 1: encode once).
Encoder = Callable[[int], bytes]


Guard = Callable[[Event], None]


SEALED = b"k8s:enc:"  # what sealed values begin with, and no others


class Sealer(Protocol):
    """Encryption at rest. Keys are those of the log. `seal` is called by the thread that writes."""

    def form(self, key: str) -> bytes:
        """What values of this key begin with as they are written now; empty for plain ones."""

    def seal(self, key: str, value: bytes) -> tuple[bytes, bytes]:
        """(form, what is stored)."""

    def unseal(self, key: str, stored: bytes) -> tuple[bytes, bytes]:
        """(form, the value) of something sealed. Raises StorageError that names the key it would need."""

    def plain_allowed(self, key: str) -> bool:
        """Whether a value of this key may stand on disk as it is."""


class Storage(Protocol):
    """One space of keys: what `memory`, `sqlite` (and later `etcd`) provide; chosen by URL scheme in
    `wherry.storage.open_storage`."""

    guard: Guard | None
    """Asked about every write of this space before it is in line; what it raises, the writer gets."""

    @property
    def name(self) -> str:
        """Of this space; `root` is the first one."""

    @property
    def made(self) -> int:
        """The revision at which the space began: 1 for the first."""

    @property
    def revision(self) -> int:
        """The newest durable revision (at least 1)."""

    @property
    def oldest(self) -> int:
        """The oldest revision that `range(revision=...)` and `events_since` can still answer."""

    def get(self, key: str) -> Record | None:
        """The durable version of a key."""

    def newest(self, key: str) -> Record | None:
        """The newest version of a key, including writes that are not durable yet: the base for read-modify-write."""

    def range(self, prefix: str, *, after: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Records whose key starts with `prefix` and is greater than `after`, in key order; all when limit is 0.

        `revision` 0 reads the present; otherwise that snapshot. Raises Compacted, FutureRevision.
        """

    def count(self, prefix: str) -> int:
        """How many keys start with the prefix now."""

    async def put(self, key: str, encode: Encoder, *, expect: int | None = None) -> Record:
        """Write a version; returns when it is durable.

        `expect` None: whatever is there; 0: the key must not exist; N: its newest version must be N.
        Raises RevisionConflict synchronously, before the first await of the commit, and StorageError if the commit
        failed, in which case nothing was written.
        """

    async def delete(self, key: str, encode: Encoder, *, expect: int | None = None) -> Record:
        """Remove a key; the returned record holds the final bytes (`encode(revision)`) and the deletion's revision.

        RevisionConflict (current None) when the key does not exist.
        """

    def events_since(self, revision: int, prefix: str = "") -> Sequence[Event]:
        """All durable events with a greater revision whose key starts with the prefix, oldest first.

        Costs as much as the events of the prefix's collection since then. Raises Compacted, FutureRevision.
        """

    def subscribe(self, on_events: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Call `on_events` on the loop with each durable batch, in order, once. Returns the unsubscriber.

        A subscriber must not block nor raise. Batches carry several revisions when writes were grouped.
        """

    async def barrier(self) -> int:
        """Wait until reads see every write answered before now, by this or another replica; the revision then."""

    def compact(self, revision: int) -> None:
        """Forget versions and events older than `revision`, in the background, in small steps; never stalls writers."""

    def stale(self, record: Record) -> bool:
        """Whether the record lies on disk in another form (encrypted otherwise, or not) than it would be written now:
        a write that changes nothing is worth its while then."""

    def records(self) -> Iterator[Record]:
        """Everything that stands here now, in no order."""

    def coming(self) -> Iterator[Event]:
        """Writes in line that are not durable yet, the newest of each key."""

    async def close(self) -> None:
        """Finish pending commits, release files and locks. Idempotent."""


class Follower(Protocol):
    """Who wants to know of all spaces. Called on the loop, in the order of the log; must not block nor raise."""

    def events(self, space: Storage, events: Sequence[Event]) -> None:
        """Durable events of one space."""

    def made(self, space: Storage) -> None:
        """A space began; a fork already shows what it began with."""

    def dropped(self, space: Storage) -> None:
        """A space is gone; it still shows what it held."""


class Spaces(Storage, Protocol):
    """A storage with further spaces beside the first one. They share its log, its commits and its revisions."""

    def space(self, name: str) -> Storage | None:
        """The space of this name."""

    def spaces(self) -> Sequence[str]:
        """The names of all spaces, the first one included, in the order in which they were made."""

    async def make(self, name: str, *, source: str = "", revision: int = 0) -> Storage:
        """A new space: empty, or an exact copy of `source`, of now or as it stood at `revision`.

        Names are never used twice. Raises SpaceExists, Compacted, FutureRevision, StorageError.
        """

    async def drop(self, name: str) -> None:
        """Forget a space and everything in it, at once; its disk space comes back in the background."""

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Tell a follower of everything from now on. Returns how to stop."""

    def last(self) -> int:
        """The newest durable revision of all spaces."""

    def all_since(self, revision: int) -> Sequence[tuple[Storage, Event]]:
        """All events of all spaces after a revision, in order; a space that began since then gives what it began with
        as additions. Raises Compacted when some of it is gone, FutureRevision."""
