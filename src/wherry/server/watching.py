"""The endpoint of a watch: where it starts, what its events look like, when it ends
(k8s.io/apiserver/pkg/endpoints/handlers/watch.go, storage/cacher)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from typing import TYPE_CHECKING

import orjson

from wherry import errors
from wherry.server import answers, forms, negotiate, options, reads, slices
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.server.turns import Pace
from wherry.storage.api import Compacted, FutureRevision, Page, Record
from wherry.store.definition import Definition
from wherry.store.read import FRESH_SECONDS, parse_revision, too_large
from wherry.store.watch import Encode, Match, Watcher, line

if TYPE_CHECKING:
    from wherry.store.converted import Feed

log = logging.getLogger("wherry.watch")
json_line = line
Line = Callable[[str, bytes], bytes]  # (type of the event, JSON of its object) -> what is sent

_MIN_TIMEOUT = 1800.0  # seconds; a watch without timeoutSeconds lasts this long to twice as long (MinRequestTimeout)
_BOOKMARK_EVERY = 60.0
_BOOKMARK_BEFORE_END = 2.0
_END_OF_INITIAL = {"k8s.io/initial-events-end": "true"}


def stream(call: Call, form: negotiate.Form) -> Response:
    """Validates everything that a watch can be refused for, then answers 200 with the stream."""
    d, info = call.definition, call.info
    assert d is not None
    options.integer(info, "limit")
    timeout = options.integer(info, "timeoutSeconds")
    reads.check_selectors(info)
    initial, _ = _defaults(info)
    match, _ = reads.matcher(d, info)
    bookmarks = options.boolean(info, "allowWatchBookmarks") or False
    text = info.first("resourceVersion")
    try:
        asked = parse_revision(text)
    except ValueError as bad:
        shown = f"resourceVersion: Invalid value: {errors.go_quote(text)}: {bad}"
        raise errors.StatusError(shown, reason="") from None
    framing = _framing(call, form)
    encode, key = _encoder(call, d, form, framing)
    prefix = d.list_prefix(info.namespace if d.resource.namespaced else "")
    watcher = Watcher(prefix, match, encode, key)
    if form.transform == "PartialObjectMetadataList":
        watcher.match = _ending(watcher, match)
    seconds = float(timeout) if timeout and timeout > 0 else _MIN_TIMEOUT * (1 + random.random())
    call.api.watches.enter(call.payer)
    session = _Session(call, d, watcher, asked, initial, bookmarks, seconds, form, framing)
    headers = [("content-type", negotiate.JSON if framing is line else f"{negotiate.PROTOBUF};stream=watch")]
    headers += answers.warning_headers(call.warnings)
    return Response(200, headers, session)


def _framing(call: Call, form: negotiate.Form) -> Line:
    """How an event is framed. Raises NotAcceptable for media types that have no form for streams."""
    if form.media == negotiate.YAML:
        custom = call.definition is not None and call.definition.custom
        accepted = [negotiate.JSON] if custom else [negotiate.JSON, negotiate.PROTOBUF]
        listed = ", ".join(f"{media};stream=watch" for media in accepted)
        raise errors.NotAcceptable(f"only the following media types are accepted: {listed}")
    accept = call.request.header("accept")
    if form.media != negotiate.PROTOBUF or "json" in accept or "*/*" in accept or call.request.header("upgrade"):
        return line
    from wherry.machinery.protobuf.events import frame

    return frame


def _defaults(info: object) -> tuple[bool, bool]:
    """(initial events wanted, asked for in so many words). Without a revision a watch starts with the present state;
    upstream turns that old rule into `sendInitialEvents` before it validates (SetListOptionsDefaults)."""
    from wherry.server.requestinfo import RequestInfo

    assert isinstance(info, RequestInfo)
    explicit = options.boolean(info, "sendInitialEvents")
    old_form = info.first("resourceVersion") in ("", "0")
    if explicit is None and not info.first("resourceVersionMatch") and old_form:
        if info.first("continue"):
            text = "resourceVersionMatch is forbidden when continue is provided"
            raise options.invalid_options("ListOptions", [errors.forbidden("resourceVersionMatch", text)])
        return True, False
    options.list_options(info, watch=True)
    return bool(explicit), explicit is not None


def _encoder(call: Call, d: Definition, form: negotiate.Form, line: Line) -> tuple[Encode, Hashable]:
    """How an event is written, and the key under which watchers share the result."""
    if form.transform == "Table":
        include = forms.include_object(call.info)
        return _table_encoder(call, d, form, include, line), object()  # the first event differs: nothing to share
    if form.transform:
        return (lambda kind, record: line(kind, forms.partial_of(d, record, form.version))), (d, form, line)
    return (lambda kind, record: line(kind, d.view(record))), (d if line is json_line else (d, line))


def _ending(watcher: Watcher, match: Match | None) -> Match:
    """An event is no list: the first one that would have to be shown as one ends the stream, as upstream's does."""

    def end(record: Record) -> bool:
        if match is None or match(record):
            watcher.close()
        return False

    return end


def _table_encoder(call: Call, d: Definition, form: negotiate.Form, include: str, line: Line) -> Encode:
    clock = call.api.store.clock
    first = True

    def encode(kind: str, record: Record) -> bytes:
        nonlocal first
        columns, first = first, False
        meta = answers.list_meta(record.revision)
        pieces = forms.table(d, [record], meta, form, include, clock(), columns=columns)
        return line(kind, b"".join(pieces))

    return encode


class _Session:
    """One open watch."""

    def __init__(
        self,
        call: Call,
        d: Definition,
        watcher: Watcher,
        asked: int,
        initial: bool,
        bookmarks: bool,
        seconds: float,
        form: negotiate.Form,
        framing: Line,
    ):
        self.line = framing
        self.api = call.api
        self.d = d
        self.watcher = watcher
        self.asked = asked
        self.initial = initial
        self.bookmarks = bookmarks
        self.seconds = seconds
        self.form = form

        self._user = call.payer
        self._turn = reads.turns_of(call)
        self._opening: asyncio.Task[None] | None = None  # where there is much to show at the beginning
        self._timers: list[asyncio.TimerHandle] = []
        self._feed: Feed | None = None  # where a webhook converts
        self._stop_waiting: Callable[[], None] | None = None  # for a revision from the future
        self._begun = False
        self._done = False

    # --- pulled: an async iterator of lines --------------------------------------------------------------------------
    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._begun:
            self._begin()
        data = await self.watcher.take()
        if data is None:
            await self.aclose()
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        """Take the watcher off the hub; idempotent."""
        self.end()

    # --- pushed: what a connection does instead of iterating -------------------------------------------------------
    def attach(self, sink: Callable[[bytes], None], on_close: Callable[[], None]) -> Watcher:
        """Begin, and hand framed chunks to `sink` from now on; `on_close` tells that no more will come."""
        self._begin()
        self.watcher.attach(sink, on_close)
        return self.watcher

    def end(self) -> None:
        """Take the watcher off the hub; idempotent."""
        if not self._done:
            self._done = True
            self.api.watches.leave(self._user)
            for timer in self._timers:
                timer.cancel()
            if self._stop_waiting is not None:
                self._stop_waiting()
            if self._feed is not None:
                self._feed.stop()
            if self._opening is not None:
                self._opening.cancel()
            self.api.hub.remove(self.d.prefix, self.watcher)
            if self.watcher.overrun:
                res = self.d.resource
                self.api.recorder.overruns[res.group, res.name] += 1
                where = errors.qualified(res.group, res.name)
                log.warning("a watch of %s by %s was ended: its reader did not keep up", where, self._user)

    def _begin(self) -> None:
        self._begun = True
        loop = asyncio.get_running_loop()
        if self.asked > self.api.store.storage.revision:
            self._wait(loop)
            if self.initial:
                return  # the time of a watch counts from its begin
        elif (refused := self._start()) is not None:
            self.watcher.queue.append(refused)
            self.watcher.close()
            return
        self._set_timers(loop)

    def _set_timers(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timers.append(loop.call_later(self.seconds, self.watcher.close))
        if self.bookmarks:
            self._schedule_bookmarks(loop, self._timers)

    def _start(self) -> bytes | None:
        """Queue what comes first and join the hub; or the ERROR event that ends the watch before it began."""
        try:
            if self.d.conversion is not None:
                self._start_feed()
            elif self.initial:
                self._send_present()
                self.api.hub.add(self.d.prefix, self.watcher, None)
            else:
                self.api.hub.add(self.d.prefix, self.watcher, self.asked or None)
        except Compacted as gone:
            text = f"too old resource version: {gone.revision} ({gone.oldest})"
            return self._error(errors.Expired(text))
        except FutureRevision as future:
            return self._error(too_large(future.revision, future.current))
        return None

    def _start_feed(self) -> None:
        """A kind that a webhook converts: the hub only ends the watch, a feed of its own fills it."""
        from wherry.store.converted import Feed

        self._feed = Feed(self.api.store.storage, self.d, self.watcher)
        self.api.hub.add(self.d.prefix, self.watcher, None)
        bookmark = (lambda revision: self._bookmark(revision, ended=True)) if self.bookmarks else None
        self._feed.begin(self.initial, self.asked or None, bookmark)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """A revision that is not there yet. A watch that begins with the present state waits for it as long as a list
        would, then ends; any other begins when it comes, since nothing before it is to be shown."""
        storage = self.api.store.storage

        def look(_: object) -> None:
            if storage.revision < self.asked:
                return
            unsubscribe()
            self._stop_waiting = None
            if self.initial:
                give_up.cancel()
                self._set_timers(loop)
            refused = self._start()
            if refused is not None:
                end(refused)
            self.watcher.flush()

        def end(data: bytes) -> None:
            self.watcher.send(data)
            self.watcher.close()

        def late() -> None:
            end(self._error(too_large(self.asked, storage.revision)))

        unsubscribe = self._stop_waiting = storage.subscribe(look)
        if self.initial:
            give_up = loop.call_later(FRESH_SECONDS, late)
            self._timers.append(give_up)

    def _send_present(self) -> None:
        """Queue what is there; much of it in turns with others, while events wait behind it."""
        page = self.api.store.storage.range(self.watcher.prefix)
        if len(page.records) <= slices.MADE:
            self._present(page.records)
            self._presented(page.revision)
        else:
            self.watcher.behind = []
            self._opening = asyncio.get_running_loop().create_task(self._present_in_slices(page))

    async def _present_in_slices(self, page: Page) -> None:
        pace, at = Pace(), 0
        try:
            while at < len(page.records) and not self.watcher.closed:
                await self._turn()
                pace.begin()
                some = page.records[at : at + pace.count]
                at += len(some)
                pace.end(self._present(some))
                self.watcher.flush()
            self._presented(page.revision)
            self.watcher.caught_up()
        except Exception:  # nobody waits for this task: whoever reads the watch must see that it ended
            log.exception("a watch of %s ends: its objects cannot be shown", self.watcher.prefix)
            self.watcher.close()

    def _present(self, records: Sequence[Record]) -> int:
        """Queue the events of some records; how many bytes they are."""
        match, encode = self.watcher.match, self.watcher.encode
        chunk = b"".join([encode("ADDED", r) for r in records if match is None or match(r)])
        if chunk:
            self.watcher.start_with(chunk)
        return len(chunk)

    def _presented(self, revision: int) -> None:
        if self.bookmarks and not self.watcher.closed:
            self.watcher.start_with(self._bookmark(revision, ended=True))

    def _error(self, error: errors.StatusError) -> bytes:
        return self.line("ERROR", orjson.dumps(error.to_status()))

    def _bookmark(self, revision: int, *, ended: bool = False) -> bytes:
        """An object of the watched kind with nothing but a revision (TRAPS 17, 18)."""
        meta: dict[str, object] = {"resourceVersion": str(revision)}
        if self.form.transform == "Table":  # a row like any other: that of an object without content
            if ended:
                meta["annotations"] = _END_OF_INITIAL
            nothing = orjson.dumps({**self.d.empty(), "metadata": meta})
            return self.watcher.encode("BOOKMARK", Record(self.watcher.prefix, nothing, revision, revision))
        if self.form.transform or self.d.custom:
            kind, version = self.d.resource.kind, self.d.resource.api_version
            if self.form.transform.startswith("Partial"):
                kind, version = "PartialObjectMetadata", f"meta.k8s.io/{self.form.version}"
            if ended:
                meta["annotations"] = _END_OF_INITIAL
            return self.line("BOOKMARK", orjson.dumps({"kind": kind, "apiVersion": version, "metadata": meta}))
        if ended:
            meta["annotations"] = _END_OF_INITIAL
        empty = self.d.empty()
        return self.line("BOOKMARK", orjson.dumps({**empty, "metadata": meta}))

    def _schedule_bookmarks(self, loop: asyncio.AbstractEventLoop, timers: list[asyncio.TimerHandle]) -> None:
        """About every minute, and shortly before the end, so that a resumed watch starts near the present."""
        end = loop.time() + self.seconds

        def send() -> None:
            if not self.watcher.closed:
                if self._stop_waiting is None and self.watcher.behind is None:
                    shown = self._feed.revision if self._feed is not None else self.api.store.storage.revision
                    self.watcher.send(self._bookmark(shown))
                plan()

        def plan() -> None:
            left = end - loop.time()
            delay = min(_BOOKMARK_EVERY * (0.9 + 0.2 * random.random()), left - _BOOKMARK_BEFORE_END)
            if delay > 0:
                timers[:] = [t for t in timers if not t.cancelled() and t.when() > loop.time()]
                timers.append(loop.call_later(delay, send))

        plan()
