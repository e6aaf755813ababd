"""Lists and watches over many workspaces at once: `/clusters/*`, and the views that providers have of their consumers.

Objects come as they are stored, with the logical cluster they live in as annotation `kcp.io/cluster`. A revision is
that of the log, so a watch resumes where a list or an event stood. Selectors hold; paging does not (all is given at
once), and tables are left to the client. The user needs `access` to `/clusters/*` beside the right to list or watch the
kind.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import orjson

from wherry import errors
from wherry.access.user import Attributes
from wherry.machinery.selectors import EVERYTHING, NOTHING, Selector
from wherry.server import answers, options, reads
from wherry.server.handler import ApiHandler, Call
from wherry.server.http import Response
from wherry.storage.api import Compacted, Event, FutureRevision, Record, Spaces, Storage
from wherry.store.definition import Definition, labels_of
from wherry.store.read import parse_revision, too_large
from wherry.store.watch import Watcher, left, line
from wherry.workspaces.tree import LOGICAL_CLUSTER

CLUSTER = "kcp.io/cluster"
_CRDS = "/root/apiextensions.k8s.io/customresourcedefinitions/"
_BOOKMARK_SECONDS = 60.0
_MIN_TIMEOUT = 1800.0


@dataclass(slots=True)
class View:
    """Some objects of some workspaces: of one kind, from the clusters that `clusters` names now, and of those the ones
    that `selector` chooses in a cluster. `listen` tells when either may have changed; it returns how to stop."""

    definition: Definition
    clusters: Callable[[], Collection[str]]
    selector: Callable[[str], Selector] | None = None
    listen: Callable[[Callable[[], None]], Callable[[], None]] | None = None

    def shows(self, cluster: str, record: Record) -> bool:
        return self.selector is None or _chosen(self.selector(cluster), record)


class Everywhere:
    """Answers for `/clusters/*`; `handler` gives the API of one cluster (built if it must be)."""

    def __init__(
        self,
        spaces: Spaces,
        clusters: Callable[[], Sequence[str]],
        handler: Callable[[str], Awaitable[ApiHandler | None]],
    ):
        self.spaces = spaces
        self.clusters = clusters
        self.handler = handler

    async def __call__(self, call: Call) -> Response:
        """Raises Forbidden, NotFound, MethodNotAllowed and what the query is refused for."""
        info = call.info
        call.api.chain.authorize(Attributes(call.user, "access", "/clusters/*"))
        if not info.is_resource:
            from wherry.server.documents import route

            return route(call)
        if info.verb not in ("list", "watch") or info.subresource:
            raise errors.MethodNotAllowed("only lists and watches go over all workspaces", details={})
        d = await self._definition(call)
        if d is None:
            raise errors.NotFound.path()
        return self.answer(call, View(d, self.clusters))

    async def _definition(self, call: Call) -> Definition | None:
        """A definition of the kind, from the root or from some workspace that has it."""
        info = call.info
        found = call.api.registry.find("root", info.group, info.version, info.resource)
        if found is not None:
            return found
        for cluster in self.clusters():
            space = self.spaces.space(cluster)
            if space is not None and space.get(f"{_CRDS}{info.resource}.{info.group}") is not None:
                handler = await self.handler(cluster)
                if handler is not None:
                    found = handler.api.registry.find("root", info.group, info.version, info.resource)
                    if found is not None:
                        return found
        return None

    def answer(self, call: Call, view: View) -> Response:
        """The list or watch of a view."""
        d, info = view.definition, call.info
        match, _ = reads.matcher(d, info)
        if info.verb == "watch":
            return self._watch(call, view, match)
        revision = self.spaces.last()
        namespace = info.namespace if d.resource.namespaced else ""
        items = [shown(d, cluster, record) for cluster, record in self.records(view, namespace, match)]
        kind = {"kind": d.resource.list_kind or f"{d.resource.kind}List", "apiVersion": d.resource.api_version}
        head = orjson.dumps({**kind, "metadata": {"resourceVersion": str(revision)}})[:-1]
        return Response(200, answers.JSON_HEADERS, [head, b',"items":[', b",".join(items), b"]}\n"])

    def records(
        self, view: View, namespace: str, match: Callable[[Record], bool] | None
    ) -> Iterator[tuple[str, Record]]:
        """Every object of a view with the cluster that it is in."""
        for cluster in view.clusters():
            space = self.spaces.space(cluster)
            if space is None:
                continue
            prefix = view.definition.prefix
            for record in space.range(f"{prefix}{namespace}/" if namespace else prefix).records:
                if (match is None or match(record)) and view.shows(cluster, record):
                    yield cluster, record

    def _watch(self, call: Call, view: View, match: Callable[[Record], bool] | None) -> Response:
        info, d = call.info, view.definition
        options.list_options(info, watch=True)
        seconds = options.integer(info, "timeoutSeconds")
        text = info.first("resourceVersion")
        try:
            asked = parse_revision(text)
        except ValueError as bad:
            shown_text = f"resourceVersion: Invalid value: {errors.go_quote(text)}: {bad}"
            raise errors.StatusError(shown_text, reason="") from None
        initial = options.boolean(info, "sendInitialEvents")
        if initial is None:
            initial = text in ("", "0")
        namespace = info.namespace if d.resource.namespaced else ""
        stream = _Stream(self, view, namespace, match)
        stream.bookmarks = options.boolean(info, "allowWatchBookmarks") or False
        stream.seconds = float(seconds) if seconds and seconds > 0 else _MIN_TIMEOUT * (1 + random.random())
        stream.asked, stream.initial = asked, initial
        return Response(200, answers.JSON_HEADERS, stream)


class _Stream(AsyncIterator[bytes]):
    """A `storage.Follower` that writes down what a view shows of the log."""

    def __init__(self, owner: Everywhere, view: View, namespace: str, match: Callable[[Record], bool] | None):
        self._owner = owner
        self._view = view
        self._namespace = namespace
        self._match = match
        self._watcher = Watcher("", None, lambda kind, record: b"", None)
        self._unfollow: Callable[[], None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._members: dict[str, Selector] = {}
        self._unlisten: Callable[[], None] | None = None
        self._begun = False
        self.bookmarks = False
        self.seconds = _MIN_TIMEOUT
        self.asked = 0
        self.initial = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._begun:
            self._begin()
        data = await self._watcher.take()
        if data is None:
            await self.aclose()
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        self._watcher.close()
        if self._unfollow is not None:
            self._unfollow()
        if self._unlisten is not None:
            self._unlisten()
        for timer in self._timers:
            timer.cancel()

    def _begin(self) -> None:
        self._begun = True
        spaces, loop = self._owner.spaces, asyncio.get_running_loop()
        try:
            if self.initial:
                for cluster, record in self._owner.records(self._view, self._namespace, self._match):
                    self._watcher.start_with(self._line("ADDED", cluster, record))
                if self.bookmarks:
                    self._watcher.start_with(self._bookmark(ended=True))
            elif self.asked:
                for space, event in spaces.all_since(self.asked):
                    self._offer(space, event)
        except Compacted as gone:
            refused: errors.StatusError = errors.Expired(f"too old resource version: {gone.revision} ({gone.oldest})")
            self._refuse(refused)
            return
        except FutureRevision as future:
            self._refuse(too_large(future.revision, future.current))
            return
        self._unfollow = spaces.follow(self)
        if self._view.listen is not None:
            self._members = self._seen()
            self._unlisten = self._view.listen(self._changed)
        self._timers.append(loop.call_later(self.seconds, self._watcher.close))
        if self.bookmarks:
            self._timers.append(loop.call_later(_BOOKMARK_SECONDS, self._mark))

    def _refuse(self, error: errors.StatusError) -> None:
        self._watcher.send(line("ERROR", orjson.dumps(error.to_status())))
        self._watcher.close()

    def _mark(self) -> None:
        self._watcher.send(self._bookmark())
        self._timers = [t for t in self._timers if t.when() > asyncio.get_running_loop().time()]
        self._timers.append(asyncio.get_running_loop().call_later(_BOOKMARK_SECONDS, self._mark))

    def _bookmark(self, *, ended: bool = False) -> bytes:
        meta: dict[str, object] = {"resourceVersion": str(self._owner.spaces.last())}
        if ended:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        d = self._view.definition
        kind = {"kind": d.resource.kind, "apiVersion": d.resource.api_version}
        return line("BOOKMARK", orjson.dumps({**kind, "metadata": meta}))

    # --- who belongs to the view --------------------------------------------------------------------------------------
    def _seen(self) -> dict[str, Selector]:
        selector = self._view.selector
        return {cluster: selector(cluster) if selector is not None else EVERYTHING for cluster in self._view.clusters()}

    def _changed(self) -> None:
        """A workspace came or went, or shows other objects now: those come and go with it."""
        before, self._members = self._members, self._seen()
        for cluster in before.keys() | self._members.keys():
            space = self._owner.spaces.space(cluster)
            old, new = before.get(cluster, NOTHING), self._members.get(cluster, NOTHING)
            if space is None or (str(old) == str(new) and old.empty == new.empty):
                continue
            for record in tuple(space.range(self._prefix).records):
                if self._match is None or self._match(record):
                    was, is_now = _chosen(old, record), _chosen(new, record)
                    if was != is_now:
                        self._watcher.send(self._line("ADDED" if is_now else "DELETED", cluster, record))

    @property
    def _prefix(self) -> str:
        prefix = self._view.definition.prefix
        return f"{prefix}{self._namespace}/" if self._namespace else prefix

    # --- storage.Follower --------------------------------------------------------------------------------------------
    def events(self, space: Storage, events: Sequence[Event]) -> None:
        if any(_begins(space, event) for event in events):
            self.made(space)  # with all that it was stamped or copied with, these events included
            return
        for event in events:
            self._offer(space, event)

    def made(self, space: Storage) -> None:
        if space.name in self._view.clusters():
            for record in tuple(space.range(self._prefix).records):
                self._offer(space, Event(space.made, record.key, record, None, None))

    def dropped(self, space: Storage) -> None:
        for record in tuple(space.range(self._prefix).records):
            self._offer(space, Event(space.revision, record.key, None, record, record), gone=True)

    def _offer(self, space: Storage, event: Event, *, gone: bool = False) -> None:
        if not event.key.startswith(self._prefix) or (not gone and space.name not in self._view.clusters()):
            return
        cluster, record, previous = space.name, event.record, event.previous
        now = record is not None and self._wanted(cluster, record)
        before = previous is not None and self._wanted(cluster, previous)
        if now:
            assert record is not None
            self._watcher.send(self._line("MODIFIED" if before else "ADDED", cluster, record))
        elif before:
            final = event.final if record is None else left(previous, event.revision)
            assert final is not None
            self._watcher.send(self._line("DELETED", cluster, final))

    def _wanted(self, cluster: str, record: Record) -> bool:
        return (self._match is None or self._match(record)) and self._view.shows(cluster, record)

    def _line(self, kind: str, cluster: str, record: Record) -> bytes:
        return line(kind, shown(self._view.definition, cluster, record))


def _begins(space: Storage, event: Event) -> bool:
    """Whether a workspace finds its place in the tree: what its LogicalCluster was before spoke of another one."""
    if event.key != LOGICAL_CLUSTER or event.record is None:
        return False
    return event.previous is None or f'"{space.name}"'.encode() not in event.previous.value


def _chosen(selector: Selector, record: Record) -> bool:
    return selector.empty or selector.matches(labels_of(record))


def shown(d: Definition, cluster: str, record: Record) -> bytes:
    """An object as seen from outside its workspace: with the annotation that says where it is."""
    obj = d.conversion.outside(record) if d.conversion is not None else d.read(record)
    meta = obj["metadata"]
    meta["annotations"] = {**(meta.get("annotations") or {}), CLUSTER: cluster}
    return orjson.dumps(obj)
