"""The client for code that does not await: the same verbs, each of which waits for its answer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

from wherry.client.client import JSON, MERGE, Client, Kind, Obj
from wherry.kit.loops import Stopped

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class BlockingClient:
    """`run` carries out what `client` does, in the event loop where it belongs. Raises the same errors."""

    def __init__(self, client: Client, run: Run):
        self._client = client
        self._run = run

    def request(
        self, method: str, path: str, query: dict[str, str] | None = None, body: Any = None, media: str = JSON
    ) -> Any:
        """Any request; the parsed JSON of the answer."""
        return self._run(self._client.request(method, path, query, body, media))

    def get(self, kind: Kind, name: str, namespace: str = "") -> Obj:
        return self._answer(self._client.get(kind, name, namespace))

    def list(self, kind: Kind, namespace: str = "", **query: str) -> Obj:
        """The list object; `query` takes labelSelector, fieldSelector, limit, ..."""
        return self._answer(self._client.list(kind, namespace, **query))

    def create(self, kind: Kind, obj: Obj, namespace: str = "") -> Obj:
        return self._answer(self._client.create(kind, obj, namespace))

    def update(self, kind: Kind, obj: Obj, subresource: str = "") -> Obj:
        """PUT under the object's own resourceVersion."""
        return self._answer(self._client.update(kind, obj, subresource))

    def patch(
        self, kind: Kind, name: str, patch: Any, namespace: str = "", *, media: str = MERGE, subresource: str = ""
    ) -> Obj:
        return self._answer(self._client.patch(kind, name, patch, namespace, media=media, subresource=subresource))

    def apply(self, kind: Kind, obj: Obj, *, force: bool = False, subresource: str = "", manager: str = "") -> Obj:
        """Server-side apply as `manager`, or as the client's own field manager: one of them there must be."""
        return self._answer(self._client.apply(kind, obj, force=force, subresource=subresource, manager=manager))

    def delete(self, kind: Kind, name: str, namespace: str = "", options: Obj | None = None) -> Obj:
        return self._answer(self._client.delete(kind, name, namespace, options))

    def delete_collection(self, kind: Kind, namespace: str = "", **query: str) -> None:
        self._run(self._client.delete_collection(kind, namespace, **query))

    def watch(self, kind: Kind, namespace: str = "", **query: str) -> Iterator[tuple[str, Obj]]:
        """(type, object) pairs until the server ends the stream (`timeoutSeconds`); an ERROR event is raised. Close
        the iterator (`contextlib.closing`) to end it earlier."""
        events = self._client.watch(kind, namespace, **query)

        async def following() -> tuple[str, Obj] | None:
            return await anext(events, None)

        async def end() -> None:
            await events.aclose()  # type: ignore[attr-defined]

        try:
            while (event := self._run(following())) is not None:
                yield event
        finally:
            with suppress(Stopped):  # it has ended with its loop
                self._run(end())

    def _answer(self, work: Coroutine[Any, Any, Obj]) -> Obj:
        found: Obj = self._run(work)
        return found
