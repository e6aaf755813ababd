"""What a client may ask of the server before the API looks at the request: sizes, times and how many at once.

The figures are those of kube-apiserver (k8s.io/apiserver/pkg/server/config.go) where it has them. Rule: whatever a
client can make grow has a bound here, and the refusal is a Status.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from wherry.errors import RequestTooLarge, TooManyRequests

READ_ONLY = frozenset(("GET", "HEAD", "OPTIONS"))
_STREAMS = frozenset(("exec", "attach", "portforward", "proxy", "log"))


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the HTTP surface."""

    body_bytes: int = 3 * 1024 * 1024
    body_seconds: float = 60.0  # for the whole body to arrive
    mutating_in_flight: int = 200
    read_only_in_flight: int = 400
    watches: int = 10_000
    watches_per_user: int = 5_000
    request_seconds: float = 60.0  # until an answer begins; watches and streams left out
    fair: bool = True  # the two are seats that flows share (access/fairness); else two plain bounds
    header_bytes: int = 64 * 1024  # request line and headers together
    header_seconds: float = 30.0  # for the request's head to arrive, TLS included
    idle_seconds: float = 180.0  # between two requests of a connection
    stalled_seconds: float = 60.0  # a client that does not read what it asked for
    close_seconds: float = 2.0  # for a closing connection to take the last answer
    gzip_bytes: int = 128 * 1024  # bodies above are compressed for clients that accept it
    gzip_level: int = 1


def is_long_running(path: str, query: str) -> bool:
    """Watches and streams: they may last for hours, so they are not counted (server.BasicLongRunningRequestCheck)."""
    if "watch" in query:
        for key, value in parse_qsl(query, keep_blank_values=True):
            if key == "watch":
                # Only these two are false to runtime.Convert_Slice_string_To_bool; `watch=` is a watch.
                return value.lower() not in ("false", "0")
    if "/watch/" in path:
        return True
    return path.rsplit("/", 1)[-1] in _STREAMS or "/proxy/" in path


class InFlight:
    """How many requests are being answered, apart for readers and writers, so that neither locks the other out.

    Two plain calls instead of a context manager: this is on the path of every request.
    """

    __slots__ = ("_mutating_limit", "_read_only_limit", "mutating", "read_only")

    def __init__(self, limits: Limits):
        self._mutating_limit = limits.mutating_in_flight
        self._read_only_limit = limits.read_only_in_flight
        self.mutating = 0
        self.read_only = 0

    def enter(self, method: str) -> bool:
        """Take a place; False means that there is none (answer `busy()`), and then `leave` must not be called."""
        if method in READ_ONLY:
            if self.read_only >= self._read_only_limit:
                return False
            self.read_only += 1
        else:
            if self.mutating >= self._mutating_limit:
                return False
            self.mutating += 1
        return True

    def leave(self, method: str) -> None:
        if method in READ_ONLY:
            self.read_only -= 1
        else:
            self.mutating -= 1


class Watches:
    """How many watches are open, in all and by user."""

    __slots__ = ("_per_user", "_total", "by_user", "open")

    def __init__(self, limits: Limits):
        self._total, self._per_user = limits.watches, limits.watches_per_user
        self.open = 0
        self.by_user: dict[str, int] = {}

    def enter(self, user: str) -> None:
        """Raises TooManyRequests; then `leave` must not be called."""
        mine = self.by_user.get(user, 0)
        if self.open >= self._total or mine >= self._per_user:
            whose = "Too many watches are open" if self.open >= self._total else "This user has too many watches open"
            raise TooManyRequests(f"{whose}, please try again later.", details={"retryAfterSeconds": 1})
        self.open += 1
        self.by_user[user] = mine + 1

    def leave(self, user: str) -> None:
        self.open -= 1
        left = self.by_user.pop(user) - 1
        if left:
            self.by_user[user] = left


def busy() -> TooManyRequests:
    """The refusal when no place is free; `Retry-After: 1` goes with it."""
    return TooManyRequests("Too many requests, please try again later.", details={"retryAfterSeconds": 1})


def too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"Request entity too large: limit is {limit}")
