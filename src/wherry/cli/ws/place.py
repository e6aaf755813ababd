"""Where a kubeconfig's server URL leads, and how paths are read: kcp's logicalcluster paths with `cd`'s dots."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

ROOT = "root"
_PREFIX, _HOSTS = "/clusters/", ".localhost"
_STEP = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class BadPath(ValueError):
    """A path that no workspace can have."""


@dataclass(frozen=True, slots=True)
class Place:
    """A server and the workspace on it that a URL means; `path` is absolute: `root:team:app`, or a cluster's id."""

    base: str  # without what names the workspace
    path: str

    def url(self, path: str) -> str:
        return f"{self.base}{_PREFIX}{path}"

    def host_url(self, path: str) -> str:
        """The same by host name, for clients that take no path."""
        steps = path.split(":")
        named = steps[1:] if steps[0] == ROOT and len(steps) > 1 else steps
        parts = urlsplit(self.base)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{'.'.join(reversed(named))}{_HOSTS}{port}"


def place_of(server: str) -> Place:
    """A server without a workspace in its URL shows the root."""
    parts = urlsplit(server)
    before, found, path = parts.path.partition(_PREFIX)
    if found:
        return Place(_base(parts, parts.netloc, before), path.partition("/")[0])
    host = parts.hostname or ""
    if host.endswith(_HOSTS):
        port = f":{parts.port}" if parts.port else ""
        steps = host.removesuffix(_HOSTS).split(".")[::-1]
        path = ":".join(steps if steps[0] == ROOT else [ROOT, *steps])
        return Place(_base(parts, f"127.0.0.1{port}", parts.path), path)
    return Place(_base(parts, parts.netloc, parts.path), ROOT)


def _base(parts: SplitResult, where: str, path: str) -> str:
    return f"{parts.scheme}://{where}{path.rstrip('/')}"


def resolve(asked: str, current: str) -> str:
    """The absolute path of what was asked for at `current`: `:root:a`, `a:b`, `..`, `.:a`; `/` may stand for `:`.

    Raises BadPath.
    """
    text = asked.replace("/", ":")
    if text == ":":
        return current.partition(":")[0]
    steps: list[str] = [] if text.startswith(":") else current.split(":")
    for step in text.removeprefix(":").removesuffix(":").split(":"):
        if step == "..":
            if len(steps) < 2:
                raise BadPath("cannot go up from root")
            steps.pop()
        elif step != ".":
            if not _STEP.fullmatch(step):
                raise BadPath(f"invalid workspace path: {asked}")
            steps.append(step)
    return ":".join(steps)
