"""`sqlite:` keeps everything in one SQLite file below a data folder.

One table, `log`, in which a row is a version of a key and its revision is the row's number: a write appends one row and
nothing else, whether it creates, updates or deletes (kine's idea, without its second index: all reads are answered
from memory, so disk order is write order). When an event leaves the history (see `index`), the version it had replaced
is not needed any more and its row is deleted in the next commit's transaction, some hundred at a time.

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
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

from wherry.storage.api import Event, NewerFormat, Record, StorageError
from wherry.storage.commit import Committer, Write
from wherry.storage.folder import FolderLock
from wherry.storage.index import Index, Keep

_T = TypeVar("_T")

FORMAT = 1
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


class _Job(NamedTuple):
    """What the writer thread does in one transaction."""

    batch: list[Write]
    dead: list[int]
    oldest: int


class _Loaded(NamedTuple):
    records: dict[str, Record]
    events: list[Event]
    dead: list[int]
    revision: int
    oldest: int


class SqliteStorage(Committer):
    """A storage in a folder. Constructing it opens (or makes) the folder; `close` releases it."""

    def __init__(self, path: str | os.PathLike[str], keep: Keep | None = None):
        folder = Path(path)
        self._lock = FolderLock(folder)
        try:
            self._db = _Database(folder / FILE)
            try:
                loaded = _without_collector(self._db.load)
            except BaseException:
                self._db.close()
                raise
        except BaseException:
            self._lock.release()
            raise
        index = Index(keep)
        _without_collector(lambda: index.load(loaded.records, loaded.revision, loaded.oldest, loaded.events))
        index.on_trimmed = self._bury
        super().__init__(index)
        self._dead = loaded.dead  # rows that nothing needs any more
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def _bury(self, event: Event) -> None:
        """An event left the history: the version that it replaced goes, and with a deletion its own row."""
        if event.previous is not None:
            self._dead.append(event.previous.revision)
        if event.record is None:
            self._dead.append(event.revision)

    def _commit(self, batch: list[Write]) -> None:
        dead: list[int] = []
        if len(self._dead) >= DEAD:
            # In small steps, yet faster than a stream of deletions makes new ones.
            step = DEAD + 4 * len(batch)
            dead, self._dead = self._dead[:step], self._dead[step:]
        self._send(_Job(batch, dead, self._index.oldest))

    def _sweep(self) -> None:
        self._send(_Job([], [], self._index.oldest))
        while self._dead:
            dead, self._dead = self._dead[: 4 * DEAD], self._dead[4 * DEAD :]
            self._send(_Job([], dead, self._index.oldest))

    def _send(self, job: _Job) -> None:
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
                self._db.write(_Job([], self._dead, self._index.oldest))
            self._db.close()
            self._lock.release()


class _Database:
    """The SQLite file: opening, reading everything, one transaction per job."""

    def __init__(self, path: Path):
        self.path = path
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
        execute("PRAGMA synchronous = FULL")  # fsync before the answer
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

    def _meta(self, name: str) -> int:
        row = self._connection.execute("SELECT number FROM meta WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise sqlite3.DatabaseError(f"no {name!r} in table meta")
        return int(row[0])

    def load(self) -> _Loaded:
        """Replay the log: what stands at its end is the present, what happened after `oldest` the history."""
        current: dict[str, Record] = {}
        events: list[Event] = []
        dead: list[int] = []
        last = 0
        try:
            oldest, revision = self._meta("oldest"), self._meta("revision")
            rows = self._connection.execute("SELECT revision, created, key, value FROM log ORDER BY revision")
            for number, created, key, value in rows:
                record = Record(key, value, number, created)
                previous = current.get(key)
                if created:
                    current[key] = record
                elif previous is not None:
                    record.created = previous.created
                    del current[key]
                if number > oldest:
                    new, final = (record, None) if created else (None, record)
                    events.append(Event(number, key, new, previous, final))
                else:
                    if previous is not None:
                        dead.append(previous.revision)
                    if not created:
                        dead.append(number)
                last = number
        except sqlite3.DatabaseError as error:
            raise _unreadable(self.path, error) from error
        return _Loaded(current, events, dead, max(revision, last), oldest)

    def write(self, job: _Job) -> None:
        """One transaction, durable when this returns; on failure nothing of it stays."""
        execute = self._connection.execute
        batch = job.batch
        if 0 < len(batch) <= ROWS and not job.dead:
            self._insert(batch)  # a statement is its own transaction
            return
        execute("BEGIN")
        try:
            for start in range(0, len(batch), ROWS):
                self._insert(batch[start : start + ROWS])
            for start in range(0, len(job.dead), DEAD):
                dead = sorted(job.dead[start : start + DEAD])
                execute(f"DELETE FROM log WHERE revision IN ({','.join('?' * len(dead))})", dead)
            # `oldest` must cover the rows that go, and the counter must not fall back when the greatest of them goes.
            execute("UPDATE meta SET number = max(number, ?) WHERE name = 'oldest'", (job.oldest,))
            execute("UPDATE meta SET number = max(number, ?) WHERE name = 'revision'", (max(job.dead, default=0),))
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite has rolled back by itself after some errors
                execute("ROLLBACK")
            raise

    def _insert(self, batch: list[Write]) -> None:
        count = len(batch)
        statement = self._inserts.get(count)
        if statement is None:
            statement = self._inserts[count] = "INSERT INTO log VALUES " + ",".join(["(?,?,?,?)"] * count)
        values: list[int | str | bytes] = []
        for write in batch:
            event = write.event
            if event.record is not None:
                values += (event.revision, event.record.created, event.key, event.record.value)
            elif event.final is not None:
                values += (event.revision, 0, event.key, event.final.value)
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
