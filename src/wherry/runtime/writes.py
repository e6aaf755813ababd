"""Desired writes as values, so that reconcilers stay pure; and what carries them out.

Answers go into the shared copies (`runtime/shared`), so the next look sees them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.client import Kind
from wherry.client.client import MERGE, Obj
from wherry.errors import NotFound, StatusError
from wherry.runtime.events import Events
from wherry.runtime.shared import Shared


@dataclass(frozen=True, slots=True)
class Create:
    kind: Kind
    obj: Obj


@dataclass(frozen=True, slots=True)
class Update:
    """PUT of the whole object, or of a subresource, under the object's own resourceVersion."""

    kind: Kind
    obj: Obj
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch of the object that `obj` names."""

    kind: Kind
    obj: Obj
    patch: Any
    media: str = MERGE
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """Of exactly this object: its uid is a precondition. `grace` None leaves it to the object."""

    kind: Kind
    obj: Obj
    grace: int | None = None
    propagation: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something to be told about an object."""

    about: Obj
    type: str
    reason: str
    message: str


Write = Create | Update | Patch | Delete | Event


class Writer:
    """Carries out writes through a client."""

    def __init__(self, shared: Shared, events: Events):
        self._shared = shared
        self._client = shared.client
        self._events = events

    async def all(self, writes: Iterable[Write]) -> None:
        """One after the other; the first refusal ends it."""
        for write in writes:
            await self.one(write)

    async def one(self, write: Write) -> Obj | None:
        """The object as it is afterwards; None where there is none."""
        match write:
            case Create(kind, obj):
                return self._put(kind, await self._client.create(kind, obj, obj["metadata"].get("namespace", "")))
            case Update(kind, obj, subresource):
                return self._put(kind, await self._client.update(kind, obj, subresource))
            case Patch(kind, obj, patch, media, subresource):
                meta = obj["metadata"]
                made = await self._client.patch(
                    kind, meta["name"], patch, meta.get("namespace", ""), media=media, subresource=subresource
                )
                return self._put(kind, made)
            case Delete():
                await self._delete(write)
            case Event(about, type_, reason, message):
                self._events.tell(about, type_, reason, message)
        return None

    def _put(self, kind: Kind, obj: Obj) -> Obj:
        collection = self._shared.collection(kind)
        collection.put(obj)
        meta = obj["metadata"]
        if meta.get("deletionTimestamp") and not meta.get("finalizers") and not meta.get("deletionGracePeriodSeconds"):
            collection.drop(obj)  # the last finalizer went, and the object with it
        return obj

    async def _delete(self, write: Delete) -> None:
        meta = write.obj["metadata"]
        options: Obj = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": meta["uid"]}}
        if write.grace is not None:
            options["gracePeriodSeconds"] = write.grace
        if write.propagation:
            options["propagationPolicy"] = write.propagation
        collection = self._shared.collection(write.kind)
        try:
            answer = await self._client.delete(write.kind, meta["name"], meta.get("namespace", ""), options)
        except NotFound:
            collection.drop(write.obj)
            return
        if answer.get("kind") == "Status":
            collection.drop(write.obj)
            return
        left = answer["metadata"]
        if left.get("finalizers") or left.get("deletionGracePeriodSeconds"):
            collection.put(answer)
        else:
            collection.drop(write.obj)

    async def many(self, writes: Sequence[Write], *, slow_start: bool = False) -> StatusError | None:
        """Side by side; the first refusal, if any. `slow_start` doubles the batches and ends at a refusal, so that
        what fails once does not fail a thousand times (client-go's slowStartBatch)."""
        at, size, refused = 0, 1 if slow_start else len(writes), None
        while at < len(writes):
            batch = writes[at : at + size]
            at, size = at + size, size * 2
            for result in await asyncio.gather(*(self.one(write) for write in batch), return_exceptions=True):
                if isinstance(result, StatusError):
                    refused = refused or result
                elif isinstance(result, BaseException):
                    raise result
            if refused is not None and slow_start:
                break
        return refused
