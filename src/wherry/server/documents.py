"""Everything that is not a resource: discovery, OpenAPI, health, version, metrics.

Documents are made on first use per workspace, kept as bytes with their hash, and dropped when its kinds change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wherry import errors
from wherry.machinery import builtins
from wherry.machinery.aggregation import Remote
from wherry.machinery.discovery import Discovery, Document, aggregated_media_type
from wherry.server import answers, health, metrics, negotiate
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.server.options import check_timeout
from wherry.store.registry import Registry


@dataclass(slots=True)
class Documents:
    """Discovery and OpenAPI documents of every workspace."""

    registry: Registry
    server_address: str = ""
    remotes: Callable[[], Sequence[Remote]] = tuple  # group versions that other servers serve
    remote_specs: Callable[[], tuple[Mapping[str, str], Sequence[Any]]] = lambda: ({}, ())  # and their OpenAPI
    _discovery: dict[str, Discovery] = field(default_factory=dict)
    _openapi: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.registry.on_change(self.forget)

    def forget(self, workspace: str) -> None:
        """The kinds of a workspace changed."""
        self._discovery.pop(workspace, None)
        self._openapi.pop(workspace, None)

    def discovery(self, workspace: str) -> Discovery:
        """The discovery documents of a workspace."""
        found = self._discovery.get(workspace)
        if found is None:
            custom = self.registry.custom_resources(workspace)
            found = Discovery(
                self.registry.builtin_resources(), custom, self.remotes(), server_address=self.server_address
            )
            self._discovery[workspace] = found
        return found

    def openapi(self, workspace: str) -> Any:
        """The OpenAPI documents of a workspace."""
        found = self._openapi.get(workspace)
        if found is None:
            from wherry.server.openapi import OpenAPI

            found = self._openapi[workspace] = OpenAPI(self.registry, workspace, *self.remote_specs())
        return found


def route(call: Call) -> Response:
    """Raises NotFound and what negotiation raises."""
    path, method = call.info.path, call.request.method
    if path in ("/livez", "/readyz", "/healthz") or path.startswith(("/livez/", "/readyz/", "/healthz/")):
        excluded = [v for k, v in call.info.query if k == "exclude"]
        answer = health.respond(path, call.info.has("verbose"), excluded)
        assert answer is not None
        return answer
    if path.startswith("/openapi/"):
        from wherry.server.openapi import route as openapi_route

        return openapi_route(call)
    if path in ("/version", "/version/"):
        if method != "GET":
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
        return answers.document(health.version(), negotiate.PRETTY)
    if path in ("/.well-known/openid-configuration", "/openid/v1/jwks"):
        from wherry.server import tokens

        return tokens.issuer(call)
    if path == "/metrics":
        return metrics.respond(call)
    if path in ("/", ""):
        return answers.document({"paths": _paths(call)}, negotiate.PRETTY)
    return _discovery(call, path.rstrip("/"), method)


def _paths(call: Call) -> list[str]:
    found = {"/.well-known/openid-configuration", "/openid/v1/jwks"}
    found |= {"/api", "/apis", "/healthz", "/livez", "/readyz", "/metrics", "/openapi/v2", "/openapi/v3", "/version"}
    for res in call.api.registry.resources(call.info.workspace):
        if res.group:
            found.update((f"/apis/{res.group}", f"/apis/{res.group}/{res.version}"))
        else:
            found.add(f"/api/{res.version}")
    return sorted(found)


def _discovery(call: Call, path: str, method: str) -> Response:
    parts = path.split("/")[1:]
    if parts[0] not in ("api", "apis") or len(parts) > (2 if parts[0] == "api" else 3):
        return answers.text(404, "404 page not found\n")
    check_timeout(call.info)
    found = call.api.documents.discovery(call.info.workspace)
    if len(parts) > (1 if parts[0] == "api" else 2):
        return _version(call, found, "" if parts[0] == "api" else parts[1], parts[-1])
    if method != "GET" and not (parts[0] == "apis" and len(parts) <= 2):
        # (the list of groups and a group's own document answer any method upstream; clients have come to no harm)
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
    if len(parts) == 1:
        return _root(call, found, core=parts[0] == "api")
    document = found.group(parts[1])
    if document is None and parts[1] not in builtins.groups():
        return answers.text(404, "404 page not found\n")
    return _answer(call, document, plain_refusal=True)


def _version(call: Call, found: Discovery, group: str, version: str) -> Response:
    """The resources of a version. Upstream's router knows the built-in ones; what it doesn't know may be custom."""
    document = found.resources(group, version)
    builtin = not group or group in builtins.groups()
    if document is None:
        if builtin:
            raise errors.NotFound.path()
        return answers.text(404, "404 page not found\n")
    if call.request.method != "GET" and builtin:
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
    return _answer(call, document)


def _root(call: Call, found: Discovery, *, core: bool) -> Response:
    """/api and /apis: the old documents, or the aggregated one for clients that name it first."""
    for media, params in negotiate.clauses(call.request.header("accept") or "*/*"):
        if media == negotiate.JSON and params.get("as") == "APIGroupDiscoveryList":
            version = params.get("v", "")
            if params.get("g") == "apidiscovery.k8s.io" and version in ("v2", "v2beta1"):
                document = found.aggregated(core=core, version=version)
                headers = [("content-type", aggregated_media_type(version)), ("vary", "Accept")]
                headers += [("etag", document.etag), ("cache-control", "public")]
                if call.request.header("if-none-match") == document.etag:
                    return Response(304, headers[1:], b"")
                body = answers.indent(document.body) if negotiate.indented(call.request) else document.body + b"\n"
                return Response(200, headers, body)
        elif media in (*negotiate.AVAILABLE, "*/*") and not params.get("as"):
            break
    return _answer(call, found.api_versions() if core else found.group_list())


def _answer(call: Call, document: Document | None, *, plain_refusal: bool = False) -> Response:
    if document is None:
        raise errors.NotFound.path()
    try:
        form = negotiate.of(call.request, tables=False)
    except errors.NotAcceptable:
        if plain_refusal:
            raise negotiate.refuse(True) from None
        raise
    if form.media == negotiate.PROTOBUF:
        form = negotiate.PLAIN
    return answers.encoded(document.body, form)
