"""A local copy of a collection, kept by list and watch (client-go's reflector and shared informer)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from wherry.client import Client, Kind
from wherry.client.client import Obj
from wherry.errors import Expired, StatusError

log = logging.getLogger("wherry.runtime")

Key = tuple[str, str]  # namespace, name; over all workspaces `<cluster>|<namespace>`, name
CLUSTER = "kcp.io/cluster"  # the annotation of what is seen from outside of its workspace
_RETRY = 1.0  # seconds between attempts to list when the server refuses


def cluster_of(obj: Obj) -> str:
    """The logical cluster of an object that was seen over all workspaces; empty within one."""
    return str((obj["metadata"].get("annotations") or {}).get(CLUSTER, ""))


def key_of(obj: Obj, *, across: bool = False) -> Key:
    """`across` says that a client of many workspaces has seen it: within one, the annotation is anybody's to write."""
    meta, cluster = obj["metadata"], cluster_of(obj) if across else ""
    namespace = meta.get("namespace", "")
    return (f"{cluster}|{namespace}" if cluster else namespace), meta["name"]


def place_of(key: Key) -> tuple[str, str, str]:
    """(cluster, namespace, name) of a key; no cluster within one workspace."""
    cluster, bar, namespace = key[0].rpartition("|")
    return cluster if bar else "", namespace, key[1]


class Informer:
    """`objects` is the copy; `on_change(key)` is called for every object that came, changed or went. `query` may have
    selectors."""

    def __init__(
        self,
        client: Client,
        kind: Kind,
        on_change: Callable[[Key], None],
        namespace: str = "",
        query: Mapping[str, str] | None = None,
    ):
        self._query = dict(query or {})
        self._client = client
        self._kind = kind
        self._namespace = namespace
        self._on_change = on_change
        self.objects: dict[Key, Obj] = {}
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """List, then watch from there, for ever; a watch that expired starts again with a list."""
        while True:
            try:
                revision = await self._list()
                while True:
                    revision = await self._watch(revision)
            except Expired:
                continue
            except StatusError as error:
                log.warning("watching %s: %s", self._kind.resource, error.message)
                await asyncio.sleep(_RETRY)

    async def _list(self) -> str:
        found = await self._client.list(self._kind, self._namespace, **self._query)
        fresh = {key_of(obj, across=self._client.across): obj for obj in found["items"]}
        gone = self.objects.keys() - fresh.keys()
        self.objects = fresh
        self.synced.set()
        for key in (*fresh, *gone):
            self._on_change(key)
        return str(found["metadata"]["resourceVersion"])

    async def _watch(self, revision: str) -> str:
        options = {**self._query, "resourceVersion": revision, "allowWatchBookmarks": "true"}
        stream = self._client.watch(self._kind, self._namespace, **options)
        async for event, obj in stream:
            revision = obj["metadata"]["resourceVersion"]
            if event == "BOOKMARK":
                continue
            key = key_of(obj, across=self._client.across)
            if event == "DELETED":
                self.objects.pop(key, None)
            else:
                self.objects[key] = obj
            self._on_change(key)
        return revision
