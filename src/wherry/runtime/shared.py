"""One copy of each collection for all controllers of a feature, which sees its own writes at once.

A client of `/clusters/*`, or of a provider's view, makes it a copy of all workspaces: keys and uids then carry the
logical cluster.

client-go's shared informers lag behind what a controller just wrote, and its controllers bridge the gap with
"expectations". Here the answer to a write goes into the copy itself (`put`, `drop`), and a watch event that is not
newer than what is there already is passed over: a reconciler always sees at least what it did.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from wherry.client import Client, Kind
from wherry.client.client import Obj
from wherry.errors import Expired, NotFound, StatusError
from wherry.kit.aio import Background
from wherry.runtime.informer import Key, cluster_of, key_of

log = logging.getLogger("wherry.runtime")

# Called with (before, after) when an object came, changed or went; None where there is nothing.
Handler = Callable[[Obj | None, Obj | None], None]
_RETRY = 1.0
_NOT_SERVED = 10.0  # seconds until a kind that is not there is asked for again
_GONE_KEPT = 4096  # removed objects remembered until their DELETED event has come


def controller_of(obj: Obj) -> Obj | None:
    """The owner reference of the managing controller."""
    for ref in obj["metadata"].get("ownerReferences") or ():
        if ref.get("controller"):
            found: Obj = ref
            return found
    return None


def _revision(obj: Obj) -> int:
    try:
        return int(obj["metadata"].get("resourceVersion") or 0)
    except ValueError:
        return 0


class Collection:
    """The objects of one kind, indexed by namespace and by the uid of their controller."""

    def __init__(self, client: Client, kind: Kind):
        self._client = client
        self.kind = kind
        self.objects: dict[Key, Obj] = {}
        self.handlers: list[Handler] = []
        self.synced = asyncio.Event()
        self._owned: dict[str, dict[Key, Obj]] = {}
        self._spaces: dict[str, dict[Key, Obj]] = {}
        self._gone: dict[str, None] = {}

    def get(self, namespace: str, name: str) -> Obj | None:
        return self.objects.get((namespace, name))

    def owned(self, uid: str) -> list[Obj]:
        """Those whose controller has this uid; over all workspaces `<cluster>|<uid>`."""
        return list(self._owned.get(uid, {}).values())

    def orphans(self, namespace: str) -> list[Obj]:
        """Those in a namespace that have no controller."""
        return list(self._owned.get(f"/{namespace}", {}).values())

    def inside(self, namespace: str) -> Iterable[Obj]:
        """All of a namespace."""
        return self._spaces.get(namespace, {}).values()

    def put(self, obj: Obj) -> bool:
        """Take in an object unless what is there is as new; whether it was news."""
        key, uid = self._key(obj), self._uid(obj)
        if uid in self._gone:
            return False
        before = self.objects.get(key)
        if before is not None and _revision(obj) <= _revision(before):
            return False
        self._store(key, before, obj)
        return True

    def drop(self, obj: Obj) -> None:
        """Forget an object that was removed."""
        key, uid = self._key(obj), self._uid(obj)
        before = self.objects.get(key)
        if before is None or self._uid(before) != uid:
            return
        self._gone[uid] = None
        while len(self._gone) > _GONE_KEPT:
            del self._gone[next(iter(self._gone))]
        self._store(key, before, None)

    def _key(self, obj: Obj) -> Key:
        return key_of(obj, across=self._client.across)

    def _owner_key(self, obj: Obj) -> str:
        ref = controller_of(obj)
        return self._within(obj, str(ref.get("uid", ""))) if ref is not None else f"/{self._key(obj)[0]}"

    def _uid(self, obj: Obj) -> str:
        return self._within(obj, str(obj["metadata"].get("uid", "")))

    def _within(self, obj: Obj, uid: str) -> str:
        """A fork has the uids of its source: over all workspaces the cluster tells them apart."""
        cluster = cluster_of(obj) if self._client.across else ""
        return f"{cluster}|{uid}" if cluster else uid

    def _store(self, key: Key, before: Obj | None, after: Obj | None) -> None:
        if before is not None:
            del self.objects[key]
            self._unlink(self._owned, self._owner_key(before), key)
            self._unlink(self._spaces, key[0], key)
        if after is not None:
            self.objects[key] = after
            self._owned.setdefault(self._owner_key(after), {})[key] = after
            self._spaces.setdefault(key[0], {})[key] = after
        for handler in self.handlers:
            handler(before, after)

    @staticmethod
    def _unlink(index: dict[str, dict[Key, Obj]], at: str, key: Key) -> None:
        bucket = index.get(at)
        if bucket is not None:
            bucket.pop(key, None)
            if not bucket:
                del index[at]

    async def run(self) -> None:
        """List, then watch from there, for ever; a watch that expired starts again with a list."""
        while True:
            try:
                revision = await self._list()
                while True:
                    revision = await self._watch(revision)
            except Expired:
                continue
            except NotFound:  # its definition went, and with it all of its objects
                for key, obj in list(self.objects.items()):
                    self._store(key, obj, None)
                await asyncio.sleep(_NOT_SERVED)
            except StatusError as error:
                log.warning("watching %s: %s", self.kind.resource, error.message)
                await asyncio.sleep(_RETRY)

    async def _list(self) -> str:
        found = await self._client.list(self.kind)
        revision = str(found["metadata"]["resourceVersion"])
        fresh = {self._key(obj) for obj in found["items"]}
        kind = {"apiVersion": found["apiVersion"], "kind": found["kind"].removesuffix("List")}
        for key, obj in list(self.objects.items()):
            if key not in fresh and _revision(obj) <= int(revision):
                self._store(key, obj, None)
        for obj in found["items"]:
            self.put({**kind, **obj})  # items of a list do not say what they are
        self.synced.set()
        return revision

    async def _watch(self, revision: str) -> str:
        stream = self._client.watch(self.kind, resourceVersion=revision, allowWatchBookmarks="true")
        async for event, obj in stream:
            revision = obj["metadata"]["resourceVersion"]
            if event == "DELETED":
                uid = self._uid(obj)
                if uid in self._gone:
                    del self._gone[uid]
                else:
                    before = self.objects.get(self._key(obj))
                    if before is not None and self._uid(before) == uid:
                        self._store(self._key(obj), before, None)
            elif event != "BOOKMARK":
                self.put(obj)
        return revision


class Shared:
    """The collections that a feature's controllers look at; each is listed and watched once."""

    def __init__(self, client: Client):
        self.client = client
        self._collections: dict[Kind, Collection] = {}
        self._tasks = Background("shared")

    def collection(self, kind: Kind) -> Collection:
        found = self._collections.get(kind)
        if found is None:
            found = self._collections[kind] = Collection(self.client, kind)
        return found

    def start(self) -> None:
        for kind, found in self._collections.items():
            self._tasks.start(found.run(), name=kind.resource)

    async def stop(self) -> None:
        await self._tasks.stop()

    @property
    def complete(self) -> bool:
        """Whether every collection has its first list."""
        return all(found.synced.is_set() for found in self._collections.values())

    async def synced(self) -> None:
        """Until every collection has its first list."""
        for found in list(self._collections.values()):
            await found.synced.wait()
