"""What stands before the API in a test: requests are remembered, and fail, wait or are cut where a test says so.

It sees what the program under test sends, over HTTP and in process; the control plane's own controllers do not pass
here, so that a fault hits nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from wherry.errors import Conflict, StatusError
from wherry.server.asgi import refusal
from wherry.server.http import Handler, Request, Response
from wherry.server.requestinfo import BadPath, RequestInfo, parse


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request and how it was answered. `verb` is the API's (get, list, watch, create, update, patch, delete,
    deletecollection), or the method in lower case where no resource is asked for; `status` the HTTP status."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    path: str
    query: str
    user_agent: str
    status: int
    raw_body: bytes = field(repr=False)

    @property
    def body(self) -> Any:
        """The parsed body, None where there was none. Raises ValueError for one that is not JSON."""
        return orjson.loads(self.raw_body) if self.raw_body else None


@dataclass(slots=True)
class Fault:
    """What happens to some requests; `hits` counts those it has happened to."""

    verb: str
    resource: str
    error: StatusError | Callable[[str, str, str], StatusError] | None  # or what makes it: group, resource, name
    seconds: float
    skip: int  # requests that pass before it begins
    times: int  # requests that it happens to; 0 for all
    hits: int = 0

    def meets(self, info: RequestInfo) -> bool:
        """Whether it happens to this request, which is counted."""
        if self.verb not in ("*", info.verb) or self.resource not in ("*", _resource(info)):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times and self.hits >= self.times:
            return False
        self.hits += 1
        return True

    def refusal(self, info: RequestInfo) -> StatusError:
        """What a request that it happened to is refused with."""
        assert self.error is not None
        return self.error if isinstance(self.error, StatusError) else self.error(info.group, info.resource, info.name)


def _resource(info: RequestInfo) -> str:
    return f"{info.resource}/{info.subresource}" if info.subresource else info.resource


class Traffic:
    """Requests of one workspace: what was asked (`recorded`), and what is to go wrong."""

    def __init__(self) -> None:
        self.recorded: list[Recorded] = []
        self._faults: list[Fault] = []
        self._watches: dict[Cut, str] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- what was asked ----------------------------------------------------------------------------------------------
    def __iter__(self) -> Iterator[Recorded]:
        return iter(tuple(self.recorded))

    def __len__(self) -> int:
        return len(self.recorded)

    def matching(self, verb: str = "*", resource: str = "*", name: str = "*") -> list[Recorded]:
        """Requests in the order in which they were answered; `resource` as `widgets` or `widgets/status`."""
        return [
            each
            for each in self
            if verb in ("*", each.verb)
            and resource in ("*", f"{each.resource}/{each.subresource}" if each.subresource else each.resource)
            and name in ("*", each.name)
        ]

    def clear(self) -> None:
        """Forget what was asked so far; faults stay."""
        self.recorded.clear()

    # --- what goes wrong ---------------------------------------------------------------------------------------------
    def fail(
        self,
        verb: str = "*",
        resource: str = "*",
        error: StatusError | None = None,
        *,
        nth: int = 1,
        times: int = 1,
    ) -> Fault:
        """Refuse the nth matching request, and `times` in all (0: every one from then on), before it does anything.
        Without `error` it is a conflict, as if somebody had been faster."""
        return self._add(Fault(verb, resource, error or Conflict.of, 0.0, nth - 1, times))

    def delay(self, seconds: float, verb: str = "*", resource: str = "*", *, nth: int = 1, times: int = 1) -> Fault:
        """Let matching requests wait by the control plane's clock: moving that ends the wait."""
        return self._add(Fault(verb, resource, None, seconds, nth - 1, times))

    def _add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def cut_watches(self, resource: str = "*") -> int:
        """End running watches, as a server that restarts does; how many."""
        ended = [cut for cut, of in tuple(self._watches.items()) if resource in ("*", of)]
        for cut in ended:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(cut.end)
        return len(ended)

    def heal(self) -> None:
        """No more faults."""
        self._faults.clear()

    # --- the way through ---------------------------------------------------------------------------------------------
    async def through(self, request: Request, info: RequestInfo, handler: Handler) -> Response:
        response: Response | None = None
        for fault in self._faults:
            if fault.meets(info):
                if fault.seconds:
                    await asyncio.sleep(fault.seconds)
                if fault.error is not None:
                    response = refusal(fault.refusal(info))
                    break
        response = response or await handler(request)
        self._record(request, info, response)
        if info.verb == "watch" and isinstance(response.body, AsyncIterator):
            self._loop = asyncio.get_running_loop()
            cut = Cut(response.body, lambda: self._watches.pop(cut, None))
            self._watches[cut] = info.resource
            response.body = cut
        return response

    def _record(self, request: Request, info: RequestInfo, response: Response) -> None:
        agent = request.header("user-agent")
        self.recorded.append(
            Recorded(
                info.verb, info.group, info.resource, info.subresource, info.namespace, info.name,
                info.path, request.query, agent, response.status, request.body,
            )
        )  # fmt: skip


class Cut:
    """A stream that `end` ends in the middle."""

    def __init__(self, stream: AsyncIterator[bytes], closed: Callable[[], object]):
        self._stream = stream
        self._closed = closed
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __aiter__(self) -> Cut:
        return self

    async def __anext__(self) -> bytes:
        following = asyncio.ensure_future(anext(self._stream))
        try:
            await asyncio.wait((following, self._end), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not following.done():
                following.cancel()
        if self._end.done():
            following.add_done_callback(lambda task: task.cancelled() or task.exception())
            raise StopAsyncIteration
        return following.result()

    def end(self) -> None:
        if not self._end.done():
            self._end.set_result(None)

    async def aclose(self) -> None:
        self._closed()
        self.end()
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()


class Front:
    """Sorts requests by workspace; those of workspaces that no test looks at go straight on."""

    def __init__(self) -> None:
        self._traffic: dict[str, Traffic] = {}

    def watch(self, workspace: str) -> Traffic:
        found = self._traffic[workspace] = Traffic()
        return found

    def forget(self, workspace: str) -> None:
        self._traffic.pop(workspace, None)

    def wrap(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            try:
                info = parse(request.method, request.path, request.query)
            except (BadPath, StatusError):
                return await handler(request)
            traffic = self._traffic.get(info.workspace)
            return await (handler(request) if traffic is None else traffic.through(request, info, handler))

        return handle
