"""/openapi/v2 and /openapi/v3: built when first asked for, per workspace, with hashes that clients cache by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property

from wherry import errors
from wherry.machinery import builtins
from wherry.machinery.kinds import Obj
from wherry.machinery.openapi.custom import CustomKind
from wherry.machinery.openapi.documents import OpenAPIDocument
from wherry.machinery.openapi.v2 import BuiltinV2, OpenAPIV2
from wherry.machinery.openapi.v3 import OpenAPIV3
from wherry.server import answers, negotiate
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.store.registry import Registry

_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_V2_ACCEPTED = ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", _V2_PROTOBUF)
_V3_PROTOBUF = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
_YEAR = 31_536_000


@cache
def _builtin_v2() -> BuiltinV2:
    """Shared by all workspaces: the built-in half is the same everywhere."""
    return BuiltinV2(builtins.resources())


class OpenAPI:
    """The documents of one workspace."""

    def __init__(
        self,
        registry: Registry,
        workspace: str,
        hashes: Mapping[str, str] | None = None,
        specs: Sequence[Obj] = (),
    ):
        """`hashes` are those of the v3 documents that other servers have, `specs` what these add to v2."""
        self.hashes, self._specs = dict(hashes or {}), specs
        self._kinds = [
            CustomKind(d.resource, d.schema, tuple(d.fields.getters) if d.fields else ())
            for d in registry.custom(workspace).values()
        ]
        self.v3 = OpenAPIV3(builtins.resources(), self._kinds)

    @cached_property
    def v2(self) -> OpenAPIV2:
        return OpenAPIV2(_builtin_v2(), self._kinds, self._specs)


def route(call: Call) -> Response:
    """Raises MethodNotAllowed, NotAcceptable."""
    path = call.info.path
    if call.request.method not in ("GET", "HEAD"):
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
    documents: OpenAPI = call.api.documents.openapi(call.info.workspace)
    if path == "/openapi/v2":
        return _v2(call, documents)
    if path in ("/openapi/v3", "/openapi/v3/"):
        return _send(call, documents.v3.index(call.info.prefix, documents.hashes), negotiate.JSON)
    if path.startswith("/openapi/v3/"):
        document = documents.v3.document(path[12:])
        if document is not None:
            hashed = call.info.first("hash")
            if hashed and hashed != document.hash:
                return Response(301, [("location", f"{call.info.prefix}{path}?hash={document.hash}")], b"")
            return _send(call, document, negotiate.JSON, hashed=hashed)
    return answers.text(404, "404 page not found\n")


def _v2(call: Call, documents: OpenAPI) -> Response:
    for media, _ in negotiate.clauses(call.request.header("accept") or "*/*"):
        if media in _V2_ACCEPTED:
            return _send(call, documents.v2.protobuf, _V2_PROTOBUF)
        if media in (negotiate.JSON, "*/*", "application/*"):
            return _send(call, documents.v2.json, negotiate.JSON)
    return Response(406, [], b"")


def _send(call: Call, document: OpenAPIDocument, media: str, *, hashed: str = "") -> Response:
    """With its ETag; documents named by their own hash may be kept for a year."""
    headers = [("etag", document.etag), ("vary", "Accept")]
    if hashed and hashed == document.hash:
        headers.append(("cache-control", f"public, immutable, max-age={_YEAR}"))
    else:
        headers.append(("cache-control", "no-cache, private"))
    wanted = call.request.header("if-none-match")
    if wanted and (wanted == "*" or document.etag in [w.strip() for w in wanted.split(",")]):
        return Response(304, headers, b"")
    return Response(200, [("content-type", media), *headers], document.body)
