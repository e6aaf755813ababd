"""The data folder: made private, held by one process at a time.

The lock is the operating system's (flock), so that it is gone when its holder dies, however it dies; the pid inside
the file is only for the message.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from wherry.storage.api import DataFolderInUse, StorageError

LOCK = "lock"


class FolderLock:
    """An exclusive hold on a data folder, until `release`."""

    def __init__(self, folder: Path):
        self.path = folder / LOCK
        try:
            # Secrets live here: nobody else may read.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except NotADirectoryError:
            raise StorageError(f"the data folder {folder} is not a folder; choose another path") from None
        except FileExistsError:
            raise StorageError(f"the data folder {folder} is a file; choose another path") from None
        except OSError as error:
            raise StorageError(
                f"the data folder {folder} cannot be written ({error.strerror}); "
                "choose another path or change its owner or permissions"
            ) from error
        if not _try_lock(self._file):
            holder = os.read(self._file, 32).decode("ascii", "replace").strip()
            os.close(self._file)
            raise DataFolderInUse(
                f"the data folder {folder} is in use by another process (pid {holder or 'unknown'}); "
                "stop it or choose another folder"
            )
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same, and writes will complain
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    @property
    def held(self) -> bool:
        return self._file >= 0

    def release(self) -> None:
        """Let the folder go. The file stays: removing it would race with a process that is about to lock it."""
        if self._file >= 0:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = -1


def _try_lock(file: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, 1 << 20, os.SEEK_SET)  # beyond the text, which the loser wants to read
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
