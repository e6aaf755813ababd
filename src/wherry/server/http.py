"""The two shapes that stand between HTTP and everything else: `Request` in, `Response` out.

The ASGI skin (`server/asgi.py`) and the in-process client both make Requests and hand them to the same handler, so
that every caller passes the same door (law 5).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.kit.pki import Peer


@dataclass(slots=True)
class Request:
    """One API request.

    `path` is percent-decoded, `raw_path` as sent; `query` is the raw query string. Header names are lower case;
    repeated headers keep their order. `user` is set for in-process callers that are trusted to say who they are (an
    `access.User`); for HTTP it is None and the access chain finds out. `disconnected` waits until the client has gone.
    """

    method: str
    path: str
    raw_path: str = ""
    query: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    peer_certificate: bytes | None = None  # DER of the verified client certificate
    peer: Peer | None = None  # whom it names, if it is one of a user
    proxy: str | None = None  # the common name, if it is one of an authenticating proxy
    peer_problem: str = ""  # why the certificate of this connection is nobody's any more
    remote: str = ""
    http_version: str = "1.1"
    user: object | None = None
    prefix: str = ""  # "/clusters/<path>" where `path` was below that: links carry it on
    disconnected: Callable[[], Awaitable[None]] | None = None

    def header(self, name: str, default: str = "") -> str:
        for key, value in self.headers:
            if key == name:
                return value
        return default


# Bytes in one piece, in pieces to be joined or written in turn, or a stream (watch) that ends when the iterator does.
Body = bytes | Sequence[bytes] | AsyncIterator[bytes]


@dataclass(slots=True)
class Response:
    """`headers` are (name, value) pairs, Content-Type included, Content-Length not."""

    status: int
    headers: list[tuple[str, str]]
    body: Body = b""


Handler = Callable[[Request], Awaitable[Response]]
