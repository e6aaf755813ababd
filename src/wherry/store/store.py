"""`Store`: one storage, the label index over it, and the clock. Composition only; the verbs are functions in the
modules beside this one and take the store as their first argument."""

from __future__ import annotations

from collections.abc import Callable
from time import gmtime, strftime

import orjson

from wherry.errors import StatusError
from wherry.machinery.kinds import Obj
from wherry.storage.api import Encoder, Storage
from wherry.store.definition import MAX_BUILTIN
from wherry.store.labelindex import LabelIndex
from wherry.store.metadata import order_metadata


class Store:
    """Machinery meets storage. `clock` gives seconds since the epoch and may be a fake."""

    def __init__(self, storage: Storage, clock: Callable[[], float]):
        self.storage = storage
        self.clock = clock
        self.labels = LabelIndex(storage)
        self._second = -1
        self._stamp = ""

    def now(self) -> str:
        """The time as metadata carries it (RFC 3339, whole seconds, UTC); formatted once per second."""
        second = int(self.clock())
        if second != self._second:
            self._second, self._stamp = second, strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(second))
        return self._stamp


def encoder(obj: Obj, most: int = MAX_BUILTIN) -> Encoder:
    """Bytes of an object once its revision is known. Ours to change: the caller gives the object away.

    The encoder raises a StatusError for an object of more than `most` bytes."""
    obj["metadata"] = meta = order_metadata(obj["metadata"])

    def encode(revision: int) -> bytes:
        meta["resourceVersion"] = str(revision)
        data = orjson.dumps(obj)
        if len(data) > most:
            raise internal("etcdserver: request is too large")
        return data

    return encode


def internal(message: str) -> StatusError:
    """A plain error of the generic registry: 500 without a reason, as the real server answers its own `errors.New`."""
    return StatusError(message, reason="")
