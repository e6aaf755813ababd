"""Everything that is not a resource: discovery, OpenAPI, health, version, metrics.

Documents are made on first use per workspace, kept as bytes with their hash, and dropped when its kinds change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from wherry import errors
from wherry.machinery import discovery
from wherry.server import answers, health, metrics, negotiate
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.store.registry import Registry

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
_CONTROL = [("cache-control", "public")]


@dataclass(slots=True)
class Documents:
    """Discovery and OpenAPI documents of every workspace."""

    registry: Registry
    _kept: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    _openapi: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.registry.on_change(self.forget)

    def forget(self, workspace: str) -> None:
        """The kinds of a workspace changed."""
        for key in [k for k in self._kept if k[0] == workspace]:
            del self._kept[key]
        self._openapi.pop(workspace, None)

    def kept(self, workspace: str, name: str, make: Callable[[], Any]) -> tuple[str, bytes]:
        """(hash, JSON bytes) of a document."""
        found = self._kept.get((workspace, name))
        if found is None:
            data = orjson.dumps(make())
            found = self._kept[(workspace, name)] = (discovery.etag(data), data)
        return found

    def openapi(self, workspace: str) -> Any:
        """The OpenAPI documents of a workspace."""
        found = self._openapi.get(workspace)
        if found is None:
            from wherry.server.openapi import OpenAPI

            found = self._openapi[workspace] = OpenAPI(self.registry, workspace)
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
        return answers.document(health.version())
    if path == "/metrics":
        return metrics.respond(call)
    if path in ("/", "") :
        return answers.document({"paths": _paths(call)})
    return _discovery(call, path.rstrip("/"), method)


def _paths(call: Call) -> list[str]:
    found = {"/api", "/apis", "/healthz", "/livez", "/readyz", "/metrics", "/openapi/v2", "/openapi/v3", "/version"}
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
    if method not in ("GET", "HEAD"):
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
    if len(parts) == 1:
        return _root(call, parts[0])
    resources = call.api.registry.resources(call.info.workspace)
    if parts[0] == "apis" and len(parts) == 2:
        groups = [r for r in resources if r.group == parts[1]]
        if not groups:
            raise errors.NotFound.path()
        return _answer(call, "/".join(parts), lambda: discovery.api_group(groups), plain_refusal=True)
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
    found = [r for r in resources if r.group == group and r.version == version]
    if not found:
        raise errors.NotFound.path()
    return _answer(call, "/".join(parts), lambda: discovery.resource_list(group, version, found))


def _root(call: Call, root: str) -> Response:
    """/api and /apis: the old documents, or the aggregated one for clients that name it first."""
    resources = call.api.registry.resources(call.info.workspace)
    for media, params in negotiate.clauses(call.request.header("accept") or "*/*"):
        if media == negotiate.JSON and params.get("as") == "APIGroupDiscoveryList":
            version = params.get("v", "")
            if params.get("g") == "apidiscovery.k8s.io" and version in ("v2", "v2beta1"):
                core = root == "api"
                chosen = [r for r in resources if (r.group == "") == core]
                digest, data = call.api.documents.kept(
                    call.info.workspace, f"{root} {version}", lambda: discovery.aggregated(chosen, version)
                )
                headers = [("content-type", _AGGREGATED.format(version)), ("vary", "Accept"), ("etag", digest)]
                if call.request.header("if-none-match") == digest:
                    return Response(304, headers[1:], b"")
                return Response(200, [*headers, *_CONTROL], data)
        elif media in (*negotiate.AVAILABLE, "*/*") and not params.get("as"):
            break
    if root == "api":
        host = call.request.header("host")
        return _answer(call, root + host, lambda: discovery.api_versions(host))
    return _answer(call, root, lambda: discovery.api_group_list([r for r in resources if r.group]))


def _answer(call: Call, name: str, make: Callable[[], Any], *, plain_refusal: bool = False) -> Response:
    try:
        form = negotiate.form(call.request.header("accept"), tables=False)
    except errors.NotAcceptable:
        if plain_refusal:
            raise negotiate.refuse(True) from None
        raise
    _, data = call.api.documents.kept(call.info.workspace, name, make)
    if form.media == negotiate.PROTOBUF:
        form = negotiate.PLAIN
    if call.info.has("pretty") and call.info.first("pretty") not in ("false", "0"):
        form = negotiate.Form(form.media, pretty=True)
    return answers.encoded(data, form if form != negotiate.PLAIN else negotiate.PLAIN)
