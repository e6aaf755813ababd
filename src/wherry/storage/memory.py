"""`memory:` keeps everything in this process: for tests, for embedding, and for a control plane that may forget.

It goes the same way as a durable write (numbered now, visible at the end of the loop's turn, batches in order), so
that what works here works on disk.
"""

from __future__ import annotations

from wherry.storage.commit import Log, Write
from wherry.storage.index import Index, Keep


class MemoryStorage(Log):
    """A storage without a disk."""

    def __init__(self, keep: Keep | None = None):
        super().__init__(Index(keep))

    def _commit(self, batch: list[Write]) -> None:
        self._done(batch, None)
