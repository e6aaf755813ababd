"""The audit log: JSON lines in a file that is rotated by size (plugin/pkg/audit/log, gopkg.in/natefinch/lumberjack).

A line is written before the answer leaves (mode blocking, as upstream), in one write to the operating system. A full
file is renamed to `<name>-<time><suffix>`; of those the newest `backups` stay, and none that is older than `age` days.
Compressing and clearing away happen in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time

log = logging.getLogger("wherry.audit")

_TIME = "%Y-%m-%dT%H-%M-%S.%f"
_MEGABYTE = 1024 * 1024


class Rotation:
    """How long and how many: days, files, bytes; 0 is no bound."""

    def __init__(self, *, age: int = 366, backups: int = 100, megabytes: int = 100, compress: bool = False):
        self.age, self.backups, self.bytes, self.compress = age, backups, megabytes * _MEGABYTE, compress


class LogFile:
    """A sink (`auditor.Sink`) into a file; `-` is the standard output. Raises OSError for a file that cannot be
    opened."""

    name = "log"

    def __init__(
        self,
        path: str,
        rotation: Rotation | None = None,
        *,
        strict: bool = False,
        max_event: int = 0,
        now: Callable[[], float] = time,
    ):
        self.strict = strict
        self.max_event = max_event
        self._rotation = rotation or Rotation()
        self._now = now
        self._path = Path(path)
        self._own = path != "-"
        self._file, self._size = (-1, 0) if self._own else (sys.stdout.fileno(), 0)
        self._tidying: asyncio.Future[None] | None = None
        if self._own:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._open()

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size

    def take(self, line: bytes) -> bool:
        limit = self._rotation.bytes
        try:
            if self._own and limit and self._size and self._size + len(line) > limit:
                self._rotate()
            if self._file < 0:
                self._open()
            written = os.write(self._file, line)
            while written < len(line):  # a full pipe, or a signal
                written += os.write(self._file, line[written:])
        except OSError as error:
            log.error("the audit log %s cannot be written: %s", self._path, error.strerror or error)
            return False
        self._size += len(line)
        return True

    def start(self) -> None:
        pass

    async def stop(self) -> None:
        if self._tidying is not None:
            await asyncio.wait((self._tidying,))
        if self._own and self._file >= 0:
            os.close(self._file)
            self._file = -1

    # --- rotation ----------------------------------------------------------------------------------------------------
    def _rotate(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        at = datetime.fromtimestamp(self._now(), UTC)
        backup = self._backup(at)
        while backup.exists() or backup.with_name(backup.name + ".gz").exists():  # two within a millisecond
            at += timedelta(milliseconds=1)
            backup = self._backup(at)
        with contextlib.suppress(FileNotFoundError):  # someone moved it: begin anew
            self._path.rename(backup)
        self._open()
        if self._tidying is None or self._tidying.done():
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.tidy()
            else:
                self._tidying = loop.run_in_executor(None, self.tidy)

    def _backup(self, at: datetime) -> Path:
        return self._path.with_name(f"{self._path.stem}-{at.strftime(_TIME)[:-3]}{self._path.suffix}")

    def backups(self) -> list[tuple[datetime, Path]]:
        """What was rotated out, the newest first."""
        found = []
        head, tail = f"{self._path.stem}-", self._path.suffix
        for path in self._path.parent.iterdir():
            name = path.name.removesuffix(".gz")
            if not name.startswith(head) or not name.endswith(tail):
                continue
            with contextlib.suppress(ValueError):  # another file with a similar name
                text = name[len(head) : len(name) - len(tail)]
                found.append((datetime.strptime(text, _TIME).replace(tzinfo=UTC), path))
        return sorted(found, reverse=True)

    def tidy(self) -> None:
        """Remove what is too much or too old, compress the rest."""
        keep = self._rotation
        oldest = datetime.fromtimestamp(self._now(), UTC) - timedelta(days=keep.age)
        for number, (at, path) in enumerate(self.backups()):
            with contextlib.suppress(OSError):
                if (keep.backups and number >= keep.backups) or (keep.age and at < oldest):
                    path.unlink()
                elif keep.compress and path.suffix != ".gz":
                    _compress(path)


def _compress(path: Path) -> None:
    import gzip
    import shutil

    packed = path.with_name(path.name + ".gz")
    private = os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with path.open("rb") as plain, os.fdopen(private, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw) as out:
        shutil.copyfileobj(plain, out)
    path.unlink()
