"""Between the door and the endpoint: a request takes its seats, or waits for them, or is refused
(k8s.io/apiserver/pkg/server/filters/priority-and-fairness.go).

Exempt requests (of administrators, of the control plane's own parts) never get here. Streams give their
seats back when they have begun, long lists when they have been written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from wherry.access.fairness.levels import Full
from wherry.server import answers
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.server.limits import is_long_running
from wherry.server.slices import Sliced

if TYPE_CHECKING:
    from wherry.access.fairness.fairness import Fairness, Place

OBJECTS_PER_SEAT = 100  # a list costs so many objects a seat (flowcontrol/request)
RETRY_SECONDS = 1


async def seated(
    fairness: Fairness, place: Place, call: Call, endpoint: Callable[[Call], Awaitable[Response]]
) -> Response:
    """The answer of the endpoint, or 429."""
    info, level, flow = call.info, place.level, place.flow
    if info.subresource and info.verb != "watch" and is_long_running(call.request.path, call.request.query):
        return await endpoint(call)  # exec, log, port-forward: not what seats are for
    width = 1
    if info.verb in ("list", "watch") and not info.name:
        width = _width(call, level.width)
    try:
        waiting = level.enter(flow, width, fairness.patience)
        if waiting is not None:
            await _wait(fairness, place, width, waiting)
    except Full as full:
        fairness.refused(place, full)
        return _refusal(place)
    place.dispatched += 1
    writing = False
    try:
        response = await endpoint(call)
        response.headers = [*response.headers, *place.headers]
        if isinstance(response.body, Sliced):
            writing = True
            response.body.on_end = lambda: level.leave(flow, width)
        return response
    finally:
        if not writing:
            level.leave(flow, width)


async def _wait(fairness: Fairness, place: Place, width: int, waiting: asyncio.Future[None]) -> None:
    """Raises Full."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        await waiting
    except asyncio.CancelledError:
        place.level.forsake(waiting, place.flow, width)
        raise
    finally:
        fairness.waited(place, loop.time() - began)


def _width(call: Call, most: int) -> int:
    """The seats of a list, by how many objects it looks at; of a watch, where it begins with a list."""
    api, info = call.api, call.info
    if info.verb == "watch" and info.first("resourceVersion") not in ("", "0") and not info.has("sendInitialEvents"):
        return 1
    d = api.registry.find(info.workspace, info.group, info.version, info.resource)
    if d is None:
        return 1
    objects = api.store.storage.count(d.list_prefix(info.namespace if d.resource.namespaced else ""))
    if objects <= OBJECTS_PER_SEAT:
        return 1
    limit = info.first("limit")
    if limit.isdigit() and int(limit) and not info.has("labelSelector") and not info.has("fieldSelector"):
        objects = min(objects, int(limit))
    return max(1, min(most, -(-objects // OBJECTS_PER_SEAT)))


def _refusal(place: Place) -> Response:
    """In plain text, as upstream's (filters.tooManyRequests)."""
    response = answers.text(429, "Too many requests, please try again later.\n")
    response.headers = [*response.headers, ("retry-after", str(RETRY_SECONDS)), *place.headers]
    return response
