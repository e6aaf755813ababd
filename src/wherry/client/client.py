"""One interface for talking to an API, whoever serves it: features and controllers see only this.

A client speaks requests to a transport. In process the transport is the server's own handler, so that a caller passes
the same authentication, authorization and admission as over HTTP (law 5); errors come back as the same `StatusError`s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import orjson

from wherry.errors import StatusError

Obj = dict[str, Any]
JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a resource is addressed: `Kind("apps", "v1", "deployments")`."""

    group: str
    version: str
    resource: str
    namespaced: bool = True

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        where = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{self.root}{where}/{self.resource}{tail}"


class Transport(Protocol):
    """Sends one request. `call` gives (status, body); `stream` the lines of a watch, and closes when it is closed."""

    async def call(self, method: str, path: str, query: str, media: str, body: bytes) -> tuple[int, bytes]: ...

    def stream(self, path: str, query: str) -> AsyncIterator[bytes]: ...


class Client:
    """Verbs on objects as dicts. Every method raises the `StatusError` that the server answered.

    `prefix` is for an API that stands somewhere else than a workspace: a provider's view of its consumers."""

    def __init__(self, transport: Transport, *, workspace: str = "", field_manager: str = "", prefix: str = ""):
        self._transport = transport
        self._prefix = f"/clusters/{workspace}" if workspace else prefix
        self._manager = field_manager

    @property
    def across(self) -> bool:
        """Whether it looks at many workspaces: its lists and watches say of each object where it is."""
        return self._prefix.endswith("/clusters/*")

    async def request(
        self, method: str, path: str, query: dict[str, str] | None = None, body: Any = None, media: str = JSON
    ) -> Any:
        """Any request; the parsed JSON of the answer."""
        data = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        status, answer = await self._transport.call(method, self._prefix + path, urlencode(query or {}), media, data)
        if status >= 400:
            raise from_status(status, _status(status, answer))
        return orjson.loads(answer) if answer else None

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Obj:
        found: Obj = await self.request("GET", kind.path(namespace, name))
        return found

    async def list(self, kind: Kind, namespace: str = "", **query: str) -> Obj:
        """The list object; `query` takes labelSelector, fieldSelector, limit, ..."""
        found: Obj = await self.request("GET", kind.path(namespace), query)
        return found

    async def create(self, kind: Kind, obj: Obj, namespace: str = "") -> Obj:
        made: Obj = await self.request("POST", kind.path(namespace), self._managed(), obj)
        return made

    async def update(self, kind: Kind, obj: Obj, subresource: str = "") -> Obj:
        """PUT under the object's own resourceVersion."""
        meta = obj["metadata"]
        path = kind.path(meta.get("namespace", ""), meta["name"], subresource)
        made: Obj = await self.request("PUT", path, self._managed(), obj)
        return made

    async def patch(
        self, kind: Kind, name: str, patch: Any, namespace: str = "", *, media: str = MERGE, subresource: str = ""
    ) -> Obj:
        made: Obj = await self.request("PATCH", kind.path(namespace, name, subresource), self._managed(), patch, media)
        return made

    async def apply(
        self, kind: Kind, obj: Obj, *, force: bool = False, subresource: str = "", manager: str = ""
    ) -> Obj:
        """Server-side apply as `manager`, or as the client's own field manager: one of them there must be."""
        meta = obj["metadata"]
        query = {**self._managed(), **({"fieldManager": manager} if manager else {})}
        if force:
            query["force"] = "true"
        path = kind.path(meta.get("namespace", ""), meta["name"], subresource)
        made: Obj = await self.request("PATCH", path, query, obj, APPLY)
        return made

    async def delete(self, kind: Kind, name: str, namespace: str = "", options: Obj | None = None) -> Obj:
        answer: Obj = await self.request("DELETE", kind.path(namespace, name), None, options)
        return answer

    async def delete_collection(self, kind: Kind, namespace: str = "", **query: str) -> None:
        await self.request("DELETE", kind.path(namespace), query)

    async def watch(self, kind: Kind, namespace: str = "", **query: str) -> AsyncIterator[tuple[str, Obj]]:
        """(type, object) pairs until the server ends the stream; an ERROR event is raised."""
        text = urlencode({"watch": "true", **query})
        stream = self._transport.stream(self._prefix + kind.path(namespace), text)
        try:
            async for line in stream:
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise from_status(event["object"].get("code", 500), event["object"])
                yield event["type"], event["object"]
        finally:  # now, and not when somebody collects the garbage
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()

    def _managed(self) -> dict[str, str]:
        return {"fieldManager": self._manager} if self._manager else {}


def _status(code: int, answer: bytes) -> Any:
    """The Status of a refusal; what there is no route for is answered in plain text."""
    try:
        return orjson.loads(answer)
    except ValueError:
        text = answer.decode("utf-8", "replace").strip()
        return {"reason": "NotFound", "message": text} if code == 404 else {"message": text}


def from_status(code: int, status: Any) -> StatusError:
    """The error that an answered Status stands for, of the class that raised it where there is one."""
    body = status if isinstance(status, dict) else {}
    reason = body.get("reason", "")
    for cls in _subclasses(StatusError):
        if cls.reason == reason and cls.code == code:
            error = StatusError.__new__(cls)
            StatusError.__init__(error, body.get("message", ""), details=body.get("details"))
            return error
    return StatusError(body.get("message", f"HTTP {code}"), details=body.get("details"), reason=reason, code=code)


def _subclasses(cls: type[StatusError]) -> list[type[StatusError]]:
    return [found for child in cls.__subclasses__() for found in (child, *_subclasses(child))]
