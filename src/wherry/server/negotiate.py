"""Which form of an answer the client accepts (k8s.io/apiserver/pkg/endpoints/handlers/negotiation, goautoneg).

Media types are matched case-sensitively and only `*/*` is a wildcard, as upstream's serializer list does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from wherry.errors import NotAcceptable
from wherry.server.http import Request
from wherry.server.requestinfo import pairs

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
AVAILABLE = (JSON, YAML, PROTOBUF)
_CUSTOM = (JSON, YAML)
_PEOPLE = ("curl", "Wget", "Mozilla/5.0")  # what these ask for is read by somebody
_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))


@dataclass(frozen=True, slots=True)
class Form:
    """`transform` is "", "Table", "PartialObjectMetadata" or "PartialObjectMetadataList"; `version` of meta.k8s.io."""

    media: str = JSON
    transform: str = ""
    version: str = ""
    pretty: bool = False

    def whole(self) -> Form:
        """The same for a body that has been transformed already."""
        return Form(self.media, pretty=self.pretty) if self.transform else self


PLAIN, PRETTY = Form(), Form(pretty=True)


def indented(request: Request) -> bool:
    """Whether JSON is to be indented: as the query says, else for browsers and command-line tools."""
    if "pretty" in request.query:
        for key, value in pairs(request.query):
            if key == "pretty":
                if value:
                    return value in _TRUE
                break
    return request.header("user-agent").startswith(_PEOPLE)


def of(request: Request, *, tables: bool = True, custom: bool = False) -> Form:
    """The form that a request asks for. Raises NotAcceptable."""
    accept = request.header("accept")
    found = PLAIN if accept in ("", JSON) else form(accept, tables=tables, custom=custom)
    if found == PLAIN:
        found = PLAIN  # answers look for this very object
    if found.media == JSON and not found.pretty and indented(request):
        return PRETTY if found is PLAIN else Form(found.media, found.transform, found.version, True)
    return found


def refuse(transformed: bool, offered: tuple[str, ...] = AVAILABLE) -> NotAcceptable:
    """406; the words differ by whether any media type was found at all: upstream's router has looked before, though
    not at custom kinds."""
    listed = ", ".join(offered)
    if transformed:
        return NotAcceptable(f"only the following media types are accepted: {listed}")
    return NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {listed}", details={})


def with_streams(refused: NotAcceptable) -> NotAcceptable:
    """The refusal of a path that can be watched, whose router also has the media types of streams on its list."""
    head, found, listed = refused.message.partition("Available representations: ")
    if not found:
        return refused
    streams = ", ".join(f"{media};stream=watch" for media in (JSON, PROTOBUF))
    return NotAcceptable(f"{head}{found}{listed}, {streams}", details={})


@lru_cache(maxsize=256)
def clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Media types with their parameters, best first (goautoneg.ParseAccept: by q, then by specificity)."""
    found: list[tuple[float, str, dict[str, str]]] = []
    for part in accept.split(","):
        media, *raw = part.strip().split(";")
        params: dict[str, str] = {}
        quality = 1.0
        for item in raw:
            key, eq, value = item.strip().partition("=")
            if key == "q" and eq:
                try:
                    quality = float(value)
                except ValueError:
                    quality = 1.0
            elif eq:
                params[key] = value.strip()
        found.append((quality, media.strip(), params))
    order = sorted(range(len(found)), key=lambda i: (-found[i][0], found[i][1] == "*/*", i))
    return [(found[i][1], found[i][2]) for i in order]


@lru_cache(maxsize=256)
def form(accept: str, *, tables: bool = True, custom: bool = False) -> Form:
    """The first clause that can be served. Raises NotAcceptable.

    `tables` says whether the endpoint answers Table and PartialObjectMetadata; `custom` that protobuf is not on offer.
    """
    offered = _CUSTOM if custom else AVAILABLE
    if not accept:
        return PLAIN
    known = False
    asked = clauses(accept)
    json_too = any(media in (JSON, "*/*") and "as" not in params for media, params in asked)
    for media, params in asked:
        if media == "*/*":
            media = JSON
        if media == PROTOBUF and json_too and "as" not in params:
            media = JSON  # both are fine with the client, and JSON is what we have
        if media not in offered:
            continue
        known = True
        wanted = params.get("as", "")
        pretty = params.get("pretty", "") == "1"
        if not wanted:
            return Form(media, pretty=pretty)
        if tables and params.get("g") == "meta.k8s.io" and _transform(wanted, params.get("v", "")):
            return Form(media, wanted, params["v"], pretty)
    raise refuse(known or custom)


def _transform(wanted: str, version: str) -> bool:
    return wanted in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList") and version in ("v1", "v1beta1")
