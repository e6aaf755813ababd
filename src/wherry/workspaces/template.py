"""What a new workspace begins with: a fork of a space that holds the defaults, so that a thousand of them share bytes.

There are two: the bare one holds what a first start sows, the settled one also what controllers do in every new
workspace, so that nobody has to do it again. Settling takes a moment: the first workspace is stamped from the bare one
and has its controllers woken. Each template is named after the hash of what it was made from: a version with other
defaults or controllers makes another. Workspaces made before keep what they have.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import Protocol

import orjson

from wherry.kit.ids import new_uid
from wherry.storage.api import SpaceExists, Spaces, Storage
from wherry.store.bootstrap import SEEDS, ensure_defaults
from wherry.store.store import Store, encoder
from wherry.workspaces.objects import key

log = logging.getLogger("wherry.workspaces")

PREFIX = "template-"
_UNFINISHED = PREFIX + "unfinished"
_OWN = ("default", "kube-system", "kube-public", "kube-node-lease")  # whose uid says which cluster this is
_PATIENCE = 0.5  # seconds that the second workspace and those after it wait for the settled template


class Settling(Protocol):
    """Who knows the controllers of workspaces."""

    @property
    def version(self) -> str:
        """Changes with what they would do."""
        ...

    async def settle(self, space: Storage) -> bool:
        """Let them do it; False when they do not come to an end."""
        ...


class Template:
    """`clock` gives seconds since the epoch. Without `settling` nobody has anything to do in a new workspace."""

    def __init__(self, spaces: Spaces, clock: Callable[[], float]):
        self.settling: Settling | None = None
        self._spaces = spaces
        self._clock = clock
        self._bare = ""
        self._settled: dict[str, asyncio.Task[str]] = {}  # names by version of what settles them; "" where it failed
        self._making = asyncio.Lock()

    async def stamp(self, cluster: str, now: str) -> tuple[Storage, bool]:
        """A new space with the defaults, and whether controllers have nothing left to do in it. Roles and classes are
        shared, uids included; namespaces are its own."""
        name = await self._settled_name()
        space = await self._spaces.make(cluster, source=name or self._bare or await self._ensure())
        await asyncio.gather(*(self._renew(space, namespace, now) for namespace in _OWN))
        return space, bool(name)

    async def stop(self) -> None:
        """Give up what is being settled."""
        for task in self._settled.values():
            task.cancel()
        await asyncio.gather(*self._settled.values(), return_exceptions=True)

    @staticmethod
    async def _renew(space: Storage, namespace: str, now: str) -> None:
        record = space.get(key("", "namespaces", namespace))
        if record is not None:
            obj = orjson.loads(record.value)
            obj["metadata"].update(uid=new_uid(), creationTimestamp=now)
            await space.put(record.key, encoder(obj), expect=record.revision)

    # --- the settled one ---------------------------------------------------------------------------------------------
    async def _settled_name(self) -> str:
        """Empty as long as there is none."""
        if self.settling is None:
            return ""
        version = self.settling.version
        task = self._settled.get(version)
        if task is None:
            self._settled[version] = task = asyncio.create_task(self._settle(version, self.settling))
            if f"{PREFIX}{version}" not in self._spaces.spaces():
                return ""  # the first workspace does not wait
        if not task.done():
            await asyncio.wait((task,), timeout=_PATIENCE)
        return task.result() if task.done() and not task.cancelled() else ""

    async def _settle(self, version: str, settling: Settling) -> str:
        bare, name = await self._ensure(), f"{PREFIX}{version}"
        try:
            async with self._making:
                if self._spaces.space(name) is None:
                    await self._forget(_UNFINISHED)
                    space = await self._spaces.make(_UNFINISHED, source=bare)
                    if not await settling.settle(space):
                        log.warning("new workspaces keep their controllers busy: each has to wake its own")
                        return ""
                    await self._spaces.make(name, source=_UNFINISHED)
                    await self._forget(_UNFINISHED)
                for old in self._spaces.spaces():
                    if old.startswith(PREFIX) and old not in (name, bare):
                        await self._spaces.drop(old)
        except Exception:
            log.exception("a template for new workspaces could not be made")
            return ""
        return name

    async def _forget(self, name: str) -> None:
        if self._spaces.space(name) is not None:
            await self._spaces.drop(name)

    # --- the bare one ------------------------------------------------------------------------------------------------
    async def _ensure(self) -> str:
        async with self._making:
            name = PREFIX + hashlib.sha256(SEEDS.read_bytes()).hexdigest()[:12]
            space = self._spaces.space(name)
            if space is None:
                try:
                    space = await self._spaces.make(name)
                except SpaceExists:
                    space = self._spaces.space(name)
            assert space is not None
            await ensure_defaults(Store(space, self._clock))
            self._bare = name
        return name
