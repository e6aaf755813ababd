"""`sqlite:` keeps everything in one SQLite file below a data folder.

One table, `log`, in which a row is a version of a key and its revision is the row's number: a write appends one row and
nothing else, whether it creates, updates or deletes (kine's idea, without its second index: all reads are answered
from memory, so disk order is write order). When an event leaves the history (see `index`), the version it had replaced
is not needed any more and its row is deleted in the next commit's transaction, some hundred at a time.

Spaces stand in a table of their own: when each was made, from which other, and as of which revision. Reading the log
back, the copies are taken again at the same points (`replay.py`), so a fork costs one row however much it holds.

A thread of its own does all disk work, one batch after the other, each with one statement: SQLite then gives up the
interpreter lock once per batch instead of once per row.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

from wherry.storage.api import SEALED, Event, NewerFormat, Record, Sealer, StorageError
from wherry.storage.commit import Act, Log, Write
from wherry.storage.folder import FolderLock
from wherry.storage.index import Index, Keep
from wherry.storage.replay import Loaded, Replay, SpaceRow
from wherry.storage.space import Space

_T = TypeVar("_T")
_Row = tuple[int, int, str, bytes]

FORMAT = 2  # 2 added the table of spaces
FILE = "wherry.db"
ROWS = 100  # rows of one INSERT; a larger batch takes several
DEAD = 128  # dead rows that are worth a place in a transaction
CHECKPOINT_PAGES = 2_000  # 8 MiB of write-ahead log, then SQLite copies it into the file
WAL_LIMIT = 32 << 20  # what a burst may leave behind as the write-ahead log's size

_TABLES = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE log (revision INTEGER PRIMARY KEY, created INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL);
INSERT INTO meta VALUES ('format', {FORMAT}), ('oldest', 1), ('revision', 1);
"""
# `at`: the revision of the source that a fork shows, its own `made` when that was the present. `dropped`: 0 or when.
_SPACES = """
CREATE TABLE IF NOT EXISTS spaces (name TEXT PRIMARY KEY, made INTEGER NOT NULL, source TEXT NOT NULL,
at INTEGER NOT NULL, dropped INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
"""


class _Job(NamedTuple):
    """What the writer thread does in one transaction."""

    batch: list[Write]
    dead: list[int]
    oldest: int
    forgotten: tuple[str, ...] = ()  # dropped spaces of which nothing is left


class SqliteStorage(Log):
    """A storage in a folder. Constructing it opens (or makes) the folder; `close` releases it."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        keep: Keep | None = None,
        sealer: Sealer | None = None,
        *,
        durable: bool = True,
    ):
        folder = Path(path)
        self._lock = FolderLock(folder)
        self._sealer = sealer
        try:
            self._db = _Database(folder / FILE, sealer, durable=durable)
            try:
                loaded = _without_collector(self._db.load)
            except BaseException:
                self._db.close()
                raise
        except BaseException:
            self._lock.release()
            raise
        index = Index(keep)
        super().__init__(index)
        _without_collector(lambda: self._restore(loaded))
        self._dead = loaded.dead  # rows that nothing needs any more
        self._oldest = loaded.oldest  # what was trimmed in any space; histories are read back from here
        self._forgotten = loaded.forgotten  # names go after the last row of theirs
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def _restore(self, loaded: Loaded) -> None:
        """The spaces as they stood, with their relatives."""
        self._numbered = self._published = loaded.revision
        known: dict[str, Space] = {self.name: self}
        for row in loaded.spaces:
            parent = known.get(row.source) if row.source else None
            space = known[row.name] = Space(self, row.name, Index(self.keep), parent, row.made)
            space.dropped = bool(row.dropped)
            if parent is not None:
                parent.children[space.name] = space
            if not space.dropped:
                self._spaces[space.name] = space
            self._dropped_at = loaded.revision
        for name, space in self._spaces.items():
            events = loaded.events.get(name, ())
            if space is not self:
                space.take(Index(self.keep))
                if events:
                    self._aging.append(space)
            space.restore(loaded.records.get(name, {}), loaded.revision, max(loaded.oldest, space.made), events)

    def trimmed(self, space: Space, event: Event) -> None:
        """An event left the history: the version that it replaced goes, and with a deletion its own row, which must not
        go as long as a relative keeps what it deleted."""
        previous = event.previous
        self._oldest = max(self._oldest, event.revision)
        if previous is not None:
            if (space.children or space.parent is not None) and space.held(previous):
                return
            self._dead.append(previous.revision)
        if event.record is None:
            self._dead.append(event.revision)

    def outdated(self, space: Space, record: Record) -> bool:
        sealer = self._sealer
        if sealer is None:
            return False
        return self._db.forms.get(record.revision, b"") != sealer.form(space.key(record.key))

    def unneeded(self, space: Space, records: Iterable[Record]) -> None:
        self._dead += [record.revision for record in records if not space.held(record)]

    def forsake(self, space: Space) -> None:
        super().forsake(space)
        self.sweep()

    def forgotten_space(self, space: Space) -> None:
        self._forgotten.append(space.name)

    def _commit(self, batch: list[Write]) -> None:
        dead: list[int] = []
        if len(self._dead) >= DEAD:
            # In small steps, yet faster than a stream of deletions makes new ones.
            step = DEAD + 4 * len(batch)
            dead, self._dead = self._dead[:step], self._dead[step:]
        self._send_job(_Job(batch, dead, self._floor()))

    def _floor(self) -> int:
        return max(self._oldest, self._index.oldest)

    def sweep(self) -> None:
        while self._dead:
            dead, self._dead = self._dead[: 4 * DEAD], self._dead[4 * DEAD :]
            self._send_job(_Job([], dead, self._floor()))
        forgotten, self._forgotten = tuple(self._forgotten), []
        self._send_job(_Job([], [], self._floor(), forgotten))

    def _send_job(self, job: _Job) -> None:
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._work, name="wherry-storage", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _work(self) -> None:
        """The writer thread."""
        assert self._loop is not None
        get, write, answer = self._jobs.get, self._db.write, self._loop.call_soon_threadsafe
        while (job := get()) is not None:
            error: StorageError | None = None
            try:
                write(job)
            except Exception as cause:
                error = StorageError(f"the write to {self._db.path} failed and nothing of it was kept: {cause}")
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                answer(self._done_with, job, error)
            del job

    def _done_with(self, job: _Job, error: StorageError | None) -> None:
        if error is not None:
            self._dead = job.dead + self._dead  # in their order: a deletion's row must not go before what it deleted
        if job.batch:
            self._done(job.batch, error)

    async def close(self) -> None:
        if self._lock.held:
            await super().close()
            if self._thread is not None:
                self._jobs.put(None)
                await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
            with contextlib.suppress(sqlite3.Error):  # only a clean-up: everything answered is durable
                self._db.write(_Job([], self._dead, self._floor(), tuple(self._forgotten)))
            self._db.close()
            self._lock.release()


class _Database:
    """The SQLite file: opening, reading everything, one transaction per job."""

    def __init__(self, path: Path, sealer: Sealer | None = None, *, durable: bool = True):
        self.path = path
        self.forms: dict[int, bytes] = {}  # of sealed values, by revision
        self._sealer = sealer
        self._durable = durable
        self._inserts: dict[int, str] = {}
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # the side files get the same permissions
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, cached_statements=ROWS + 20
            )
            try:
                self._prepare(self._connection.execute)
            except BaseException:
                self._connection.close()
                raise
        except OSError as error:
            raise _unwritable(path, str(error.strerror)) from error
        except sqlite3.DatabaseError as error:
            raise _unreadable(path, error) from error

    def _prepare(self, execute: Callable[..., sqlite3.Cursor]) -> None:
        execute("PRAGMA locking_mode = EXCLUSIVE")  # no shared-memory file, no lock calls per commit
        execute("PRAGMA journal_mode = WAL")
        execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'OFF'}")  # FULL: fsync before the answer
        execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
        execute("PRAGMA secure_delete = FAST")  # wipe deleted values where that costs no extra page
        if not execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            self._connection.executescript(f"BEGIN;{_TABLES}COMMIT;")
        found = self._meta("format")
        if found > FORMAT:
            raise NewerFormat(
                f"{self.path} has data format {found}, this version of Wherry reads up to {FORMAT}; "
                "use a newer version or another folder"
            )
        self._connection.executescript(_SPACES)
        if found < FORMAT:
            execute("UPDATE meta SET number = ? WHERE name = 'format'", (FORMAT,))

    def _meta(self, name: str) -> int:
        row = self._connection.execute("SELECT number FROM meta WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise sqlite3.DatabaseError(f"no {name!r} in table meta")
        return int(row[0])

    def load(self) -> Loaded:
        """Replay the log: what stands at its end is the present, what happened after `oldest` the history."""
        try:
            spaces = self._connection.execute("SELECT name, made, source, at, dropped FROM spaces ORDER BY made")
            replay = Replay([SpaceRow(*row) for row in spaces], self._meta("oldest"))
            rows = self._connection.execute("SELECT revision, created, key, value FROM log ORDER BY revision")
            replay.run(self._unsealed(rows))
            loaded = replay.result(self._meta("revision"))
        except sqlite3.DatabaseError as error:
            raise _unreadable(self.path, error) from error
        if self._sealer is not None:
            self._check_plain(loaded, self._sealer)
        return loaded

    def _unsealed(self, rows: Iterable[_Row]) -> Iterator[_Row]:
        """Raises StorageError for a value that no key opens."""
        sealer, length = self._sealer, len(SEALED)
        for row in rows:
            if row[3][:length] != SEALED:
                yield row
                continue
            number, created, key, stored = row
            if sealer is None:
                name = stored.split(b":", 5)[4].decode("utf-8", "replace")
                raise StorageError(
                    f"{self.path} holds encrypted values ({key}, key {name!r}); "
                    "give the encryption configuration that they were written with (--encryption-provider-config)"
                )
            self.forms[number], value = sealer.unseal(key, stored)
            yield number, created, key, value

    def _check_plain(self, loaded: Loaded, sealer: Sealer) -> None:
        """What stands now and must not lie on disk as it is. What only history shows goes by itself."""
        for records in loaded.records.values():
            for record in records.values():
                if record.revision not in self.forms and not sealer.plain_allowed(record.key):
                    raise StorageError(
                        f"{record.key} is not encrypted, and the encryption configuration has no provider `identity` "
                        "to read it; add one behind the others, until all is written anew"
                    )

    def write(self, job: _Job) -> None:
        """One transaction, durable when this returns; on failure nothing of it stays."""
        execute = self._connection.execute
        batch = job.batch
        acts = [write for write in batch if isinstance(write, Act)]
        if acts:
            batch = [write for write in batch if not isinstance(write, Act)]
        elif 0 < len(batch) <= ROWS and not job.dead:
            self._insert(batch)  # a statement is its own transaction
            return
        execute("BEGIN")
        try:
            for start in range(0, len(batch), ROWS):
                self._insert(batch[start : start + ROWS])
            for act in acts:
                self._act(act)
            for name in job.forgotten:
                execute("DELETE FROM spaces WHERE name = ?", (name,))
            for start in range(0, len(job.dead), DEAD):
                dead = sorted(job.dead[start : start + DEAD])
                execute(f"DELETE FROM log WHERE revision IN ({','.join('?' * len(dead))})", dead)
            # `oldest` must cover the rows that go, and the counter must not fall back when the greatest of them goes.
            execute("UPDATE meta SET number = max(number, ?) WHERE name = 'oldest'", (job.oldest,))
            high = max(max(job.dead, default=0), acts[-1].event.revision if acts else 0)
            execute("UPDATE meta SET number = max(number, ?) WHERE name = 'revision'", (high,))
            execute("COMMIT")
            if self.forms:
                for number in job.dead:
                    self.forms.pop(number, None)
        except BaseException:
            if self._connection.in_transaction:  # SQLite has rolled back by itself after some errors
                execute("ROLLBACK")
            raise

    def _act(self, act: Act) -> None:
        name, number = act.space.name, act.event.revision
        if act.drop:
            self._connection.execute("UPDATE spaces SET dropped = ? WHERE name = ?", (number, name))
        else:
            source = act.source.name if act.source is not None else ""
            self._connection.execute("INSERT INTO spaces VALUES (?,?,?,?,0)", (name, number, source, act.at))

    def _insert(self, batch: list[Write]) -> None:
        count = len(batch)
        statement = self._inserts.get(count)
        if statement is None:
            statement = self._inserts[count] = "INSERT INTO log VALUES " + ",".join(["(?,?,?,?)"] * count)
        values: list[int | str | bytes] = []
        sealer = self._sealer
        for write in batch:
            event = write.event
            key = write.space.key(event.key)
            record = event.record or event.final
            assert record is not None  # what is no such write is an Act
            value = record.value
            if sealer is not None:
                form, value = sealer.seal(key, value)
                if form:
                    self.forms[event.revision] = form
            values += (event.revision, record.created if event.record is not None else 0, key, value)
        self._connection.execute(statement, values)

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # the last checkpoint failed; the write-ahead log still has it all
            self._connection.close()


def _without_collector(work: Callable[[], _T]) -> _T:
    """Thousands of objects that all stay would make the garbage collector walk them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        return work()
    finally:
        if enabled:
            gc.enable()


def _unreadable(path: Path, error: sqlite3.Error) -> StorageError:
    text = str(error)
    if isinstance(error, sqlite3.OperationalError) and not text.startswith("no such"):
        return _unwritable(path, text)  # a full disk, a read-only file: the data is not to blame
    return StorageError(
        f"{path} cannot be read as Wherry's data ({text}); restore it from a backup, or move it away to start empty"
    )


def _unwritable(path: Path, why: str) -> StorageError:
    return StorageError(
        f"{path} cannot be opened ({why}); free disk space, change its owner or permissions, or use another folder"
    )
