"""Get and list: revisions, snapshots, paging and selectors (k8s.io/apiserver/pkg/storage/etcd3, cacher).

A list is answered as records; `server` turns them into bytes of the form that was asked for (law 1: by joining).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wherry import errors
from wherry.storage.api import Compacted, FutureRevision, Page, Record
from wherry.store import continuation
from wherry.store.definition import Definition
from wherry.store.store import Store

Match = Callable[[Record], bool]
FRESH_SECONDS = 3.0  # how long a read waits for a revision that is not there yet (cacher.blockTimeout)


@dataclass(slots=True)
class ListQuery:
    """A list request: `revision` is the text of resourceVersion; `match` None means everything."""

    namespace: str = ""
    match: Match | None = None
    limit: int = 0
    token: str = ""
    revision: str = ""
    revision_match: str = ""
    pair: tuple[str, str] | None = None  # a label that every match carries
    name: str = ""  # set when a field selector names exactly one object


@dataclass(slots=True)
class ListResult:
    records: Sequence[Record]
    revision: int
    token: str = ""
    remaining: int = 0  # 0: none or not known


def get(store: Store, d: Definition, namespace: str, name: str) -> Record:
    """The durable version of an object. Raises NotFound."""
    record = store.storage.get(d.key(namespace, name))
    if record is None:
        raise errors.NotFound.of(d.resource.group, d.resource.name, name)
    return record


def too_large(asked: int, current: int) -> errors.Timeout:
    """A revision from the future (storage.NewTooLargeResourceVersionError); the client may try again."""
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    return errors.Timeout(f"Timeout: Too large resource version: {asked}, current: {current}", details=details)


async def until_fresh(store: Store, revision: int) -> None:
    """Wait until a revision is there. Raises Timeout when it does not come: the client may be ahead of this server
    for a moment, or hold a revision of another one."""
    storage = store.storage
    if revision <= storage.revision:
        return
    came = asyncio.Event()

    def look(_: object) -> None:
        if storage.revision >= revision:
            came.set()

    unsubscribe = storage.subscribe(look)
    try:
        async with asyncio.timeout(FRESH_SECONDS):
            await came.wait()
    except TimeoutError:
        raise too_large(revision, storage.revision) from None
    finally:
        unsubscribe()


def parse_revision(text: str) -> int:
    """The number in a resourceVersion. Raises ValueError with the text of Go's strconv."""
    if not text:
        return 0
    if not (text.isdigit() and text.isascii()):
        raise ValueError(f"strconv.ParseUint: parsing {errors.go_quote(text)}: invalid syntax")
    number = int(text)
    if number >= 1 << 64:
        raise ValueError(f"strconv.ParseUint: parsing {errors.go_quote(text)}: value out of range")
    return number


def list_objects(store: Store, d: Definition, query: ListQuery) -> ListResult:
    """One page. Raises Expired, BadRequest, Timeout (revision of the future)."""
    prefix = d.list_prefix(query.namespace)
    after, at = "", 0
    if query.token:
        after, at = _decode_token(prefix, query)
    else:
        at = _snapshot(store, query)
        if query.revision == "0" and query.revision_match != "Exact":
            query.limit = 0  # "any version" is answered from the cache, which does not page
    if query.name and not query.token:
        return _one(store, d, query, at)
    try:
        return _page(store, d.prefix, prefix, after, at, query)
    except Compacted:
        raise _expired(query) from None
    except FutureRevision as future:
        raise too_large(future.revision, future.current) from None


async def fresh_enough(store: Store, query: ListQuery) -> None:
    """Wait for the revision that a list names, unless it wants exactly that one (which the cache does not wait for)."""
    exact = query.token or query.revision_match == "Exact" or (not query.revision_match and query.limit)
    text = query.revision
    if not exact and text.isdigit() and text.isascii() and int(text) < 1 << 64:
        await until_fresh(store, int(text))


def _snapshot(store: Store, query: ListQuery) -> int:
    """The revision to read at: 0 for the present."""
    try:
        asked = parse_revision(query.revision)
    except ValueError as bad:
        text = f"invalid resource version: resourceVersion: Invalid value: {errors.go_quote(query.revision)}: {bad}"
        raise errors.BadRequest(text) from None
    if not asked:
        return 0
    if asked > store.storage.revision:
        raise too_large(asked, store.storage.revision)
    exact = query.revision_match == "Exact" or (not query.revision_match and query.limit > 0)
    return asked if exact else 0


def _one(store: Store, d: Definition, query: ListQuery, at: int) -> ListResult:
    """A selector that names one object reads one key, not the collection."""
    if at or (d.resource.namespaced and not query.namespace):
        query.name = ""
        return list_objects(store, d, query)
    record = store.storage.get(d.key(query.namespace, query.name))
    found = [record] if record is not None and (query.match is None or query.match(record)) else []
    return ListResult(found, store.storage.revision)


def candidates(store: Store, d: Definition, query: ListQuery) -> Sequence[Record]:
    """What a selector will have to look at, as things stand now; nothing where the answer is a refusal."""
    prefix, after, at = d.list_prefix(query.namespace), "", 0
    try:
        if query.token:
            after, at = _decode_token(prefix, query)
        else:
            at = _snapshot(store, query)
        return _candidates(store, d.prefix, prefix, after, at, query).records
    except (errors.StatusError, Compacted, FutureRevision):  # the list itself will say so
        return ()


def _candidates(store: Store, collection: str, prefix: str, after: str, at: int, query: ListQuery) -> Page:
    """What a selector has to look at: by the label index where that is exact, else the whole range."""
    if query.pair is not None and at in (0, store.storage.revision):
        chosen = store.labels.select(collection, prefix, query.pair, after)
        if chosen is not None:
            return Page(chosen, store.storage.revision, 0)
    return store.storage.range(prefix, after=after, revision=at)


def _page(store: Store, collection: str, prefix: str, after: str, at: int, query: ListQuery) -> ListResult:
    if query.match is None:
        page = store.storage.range(prefix, after=after, limit=query.limit, revision=at)
        token = ""
        if page.remaining and page.records:
            token = continuation.encode(page.revision, page.records[-1].key[len(prefix) :])
        return ListResult(page.records, page.revision, token, page.remaining)
    match = query.match
    page = _candidates(store, collection, prefix, after, at, query)
    if not query.limit:
        return ListResult([r for r in page.records if match(r)], page.revision)
    found: list[Record] = []
    for record in page.records:
        if match(record):
            found.append(record)
            if len(found) == query.limit:
                more = record is not page.records[-1]
                token = continuation.encode(page.revision, record.key[len(prefix) :]) if more else ""
                return ListResult(found, page.revision, token)
    return ListResult(found, page.revision)


def _decode_token(prefix: str, query: ListQuery) -> tuple[str, int]:
    start, revision = continuation.decode(query.token)
    if query.revision and query.revision != "0":
        raise errors.BadRequest("specifying resource version is not allowed when using continue")
    return prefix + start, revision


def _expired(query: ListQuery) -> errors.Expired:
    """410; where a page follows a page, with a token that goes on from here at the present (inconsistently)."""
    if not query.token:
        return errors.Expired("The resourceVersion for the provided list is too old.")
    text = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    error = errors.Expired(text)
    error.continue_token = continuation.at_present(query.token)
    return error
