"""What a URL and method ask for (k8s.io/apiserver/pkg/endpoints/request.RequestInfoFactory).

Every URL may begin with `/clusters/<workspace>`; without it the workspace is `root`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

ROOT = "root"
_VERBS = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
# These may stand before the resource in a path; `proxy` is long gone but still parsed as one.
_SPECIAL = ("proxy", "watch")
# What may follow /namespaces/<name> without being a resource inside the namespace.
_NAMESPACE_SUBRESOURCES = ("status", "finalize")

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")

Query = list[tuple[str, str]]


class BadPath(ValueError):
    """A path that cannot be understood; upstream answers it with 500 and plain text."""


@dataclass(slots=True)
class RequestInfo:
    """`path` is without the workspace prefix; `verb` is the API verb, or the lower-case method for other paths."""

    workspace: str
    path: str
    verb: str
    prefix: str = ""  # "/clusters/<workspace>" when the URL had it: links must carry it on
    is_resource: bool = False
    api_prefix: str = ""
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()
    query: Query | tuple[()] = ()

    def first(self, name: str, default: str = "") -> str:
        for key, value in self.query:
            if key == name:
                return value
        return default

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.query)


def parse(method: str, path: str, query: str) -> RequestInfo:
    """Raises BadPath."""
    workspace, prefix = ROOT, ""
    if path.startswith("/clusters/"):
        end = path.find("/", 10)
        end = len(path) if end < 0 else end
        workspace, prefix, path = path[10:end], path[:end], path[end:] or "/"
    found: Query | tuple[()] = pairs(query) if query else ()
    info = RequestInfo(workspace, path, method.lower(), prefix, query=found)
    parts = path.rstrip("/").split("/")[1:] or [""]
    if parts[0] == "api":
        if len(parts) < 3:
            return info
        info.api_prefix, rest = "api", parts[1:]
    elif parts[0] == "apis":
        if len(parts) < 4:
            return info
        info.api_prefix, info.group, rest = "apis", parts[1], parts[2:]
    else:
        return info
    info.is_resource = True
    info.version, rest = rest[0], rest[1:]
    _resource(info, method, rest)
    return info


def pairs(text: str) -> Query:
    """As Go's url.ParseQuery, errors ignored: a part with a semicolon or a broken escape does not count."""
    if ";" in text or ("%" in text and _BAD_ESCAPE.search(text)):
        text = "&".join(p for p in text.split("&") if ";" not in p and not _BAD_ESCAPE.search(p))
    return parse_qsl(text, keep_blank_values=True)


def _resource(info: RequestInfo, method: str, rest: list[str]) -> None:
    info.verb = _VERBS.get(method, "")
    if rest[0] in _SPECIAL:
        if len(rest) < 2:
            raise BadPath(f"unable to determine kind and namespace from url, {info.path}")
        info.verb, rest = rest[0], rest[1:]
    if rest[0] == "namespaces" and len(rest) > 1:
        info.namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    info.parts = tuple(rest)
    info.resource = rest[0]
    if len(rest) > 1:
        info.name = rest[1]
    if len(rest) > 2:
        info.subresource = rest[2]
    if info.name:
        return
    if info.verb == "get":
        info.verb = "watch" if _watches(info) else "list"
        info.name = _selected_name(info)
    elif info.verb == "delete":
        info.verb = "deletecollection"


def _watches(info: RequestInfo) -> bool:
    for key, value in info.query:
        if key == "watch":
            return value.lower() not in ("false", "0")
    return False


def _selected_name(info: RequestInfo) -> str:
    """A list or watch by `metadata.name` is authorized as if it named the object.

    Read by the parser that the list itself uses: an escaped comma must not make a name for the authorizer out of what
    is a part of another value for the store."""
    text = info.first("fieldSelector")
    if "metadata.name" not in text:
        return ""
    from wherry.errors import BadRequest
    from wherry.machinery.fieldselectors import parse_field_selector

    try:
        name = parse_field_selector(text).exact("metadata.name") or ""
    except BadRequest:
        return ""
    return "" if name in (".", "..") or "/" in name or "%" in name else name
