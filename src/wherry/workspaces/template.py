"""What a new workspace begins with: a fork of a space that holds the defaults, so that a thousand of them share bytes.

The space is named after the defaults' hash: a version with other defaults makes another. Workspaces made before keep
what they have.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

import orjson

from wherry.kit.ids import new_uid
from wherry.storage.api import SpaceExists, Spaces, Storage
from wherry.store.bootstrap import SEEDS, ensure_defaults
from wherry.store.store import Store, encoder
from wherry.workspaces.objects import key

PREFIX = "template-"
_OWN = ("default", "kube-system", "kube-public", "kube-node-lease")  # whose uid says which cluster this is


class Template:
    """`clock` gives seconds since the epoch."""

    def __init__(self, spaces: Spaces, clock: Callable[[], float]):
        self._spaces = spaces
        self._clock = clock
        self._name = ""
        self._making = asyncio.Lock()

    async def stamp(self, cluster: str, now: str) -> Storage:
        """A new space with the defaults. Roles and classes are shared, uids included; namespaces are its own."""
        name = self._name or await self._ensure()
        space = await self._spaces.make(cluster, source=name)
        await asyncio.gather(*(self._renew(space, namespace, now) for namespace in _OWN))
        return space

    @staticmethod
    async def _renew(space: Storage, namespace: str, now: str) -> None:
        record = space.get(key("", "namespaces", namespace))
        if record is not None:
            obj = orjson.loads(record.value)
            obj["metadata"].update(uid=new_uid(), creationTimestamp=now)
            await space.put(record.key, encoder(obj), expect=record.revision)

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
            for old in self._spaces.spaces():
                if old.startswith(PREFIX) and old != name:
                    await self._spaces.drop(old)
            self._name = name
        return name
