"""The contract that every feature fulfils: a name, and controllers made from a client.

A feature's package has a module-level `FEATURE`; the built-in ones are found through the same entry point group
(`wherry.features`) as anyone else's. It sees only `client`, `runtime`, `machinery` and `kit`, so the same feature runs
against any Kubernetes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wherry.client import Client


class Runnable(Protocol):
    """Something with a life: a controller."""

    def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Feature:
    """One capability.

    `user` is the name its controllers act under; `controllers` makes them for one workspace's client; `manifests` are
    objects (its kinds first of all) that must be there before they start. A feature that is not `by_default` runs only
    where somebody asks for it by name; one that kube-apiserver has in itself (`in_server`) also where it stands alone.
    """

    name: str
    user: str
    controllers: Callable[[Client], Sequence[Runnable]]
    manifests: Sequence[dict[str, object]] = field(default_factory=tuple)
    by_default: bool = True
    in_server: bool = False


ENTRY_POINTS = "wherry.features"
