"""Keys, bytes, revisions, watch: a log. The contract is in `api`; `open_storage` chooses a backend by URL scheme."""

from __future__ import annotations

from wherry.storage.api import Sealer, Spaces, StorageError
from wherry.storage.index import Keep

HISTORY = 300.0  # seconds; what etcd under kube-apiserver keeps

_FORMS = "memory: (forgets at exit) and sqlite:///path/to/folder"


def open_storage(url: str, sealer: Sealer | None = None, history: float = HISTORY) -> Spaces:
    """The storage behind a URL: `memory:`, `sqlite:///absolute/folder` or `sqlite:relative/folder`.

    `?fsync=off` behind a folder answers before the disk has a write: it outlives the process, not the machine.
    `sealer` encrypts what lies on disk. `history` is for how many seconds the past can be read.

    Raises StorageError (DataFolderInUse, NewerFormat) with a message for the user.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and rest.strip("/") == "":
        from wherry.storage.memory import MemoryStorage

        return MemoryStorage(Keep().lasting(history))
    if scheme == "sqlite" and colon:
        path, ask, setting = rest.removeprefix("//").partition("?")
        if ask and setting != "fsync=off":
            raise StorageError(f"{url!r}: {setting!r} is not known; there is fsync=off")
        if not path.strip("/"):
            raise StorageError(f"{url!r} names no folder; write {_FORMS.split(' and ')[1]}")
        from wherry.storage.sqlite import SqliteStorage

        return SqliteStorage(path, Keep().lasting(history), sealer, durable=not ask)
    raise StorageError(f"unknown storage {url!r}; known are {_FORMS}")
