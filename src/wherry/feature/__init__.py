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
    """Something with a life: a controller. One that has an `idle` (bool) is not put to sleep before that is true."""

    def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Feature:
    """One capability.

    `user` is the name its controllers act under; `controllers` makes them for one workspace's client; `manifests` are
    objects (its kinds first of all) that must be there before they start. A feature that is not `by_default` runs only
    where somebody asks for it by name; one that kube-apiserver has in itself (`in_server`) also where it stands alone.

    In a workspace of many, controllers sleep until something is written that concerns them: objects of the resources in
    `wakes_on`, named as kubectl does (`pods`, `roles.rbac.authorization.k8s.io`, `configmaps/kube-root-ca.crt`), and
    anything at all while there are objects of a resource in `wakes_while`. Without `wakes_on` it is anything, always.
    Those of features that are not `by_default` do not go back to sleep.
    """

    name: str
    user: str
    controllers: Callable[[Client], Sequence[Runnable]]
    manifests: Sequence[dict[str, object]] = field(default_factory=tuple)
    by_default: bool = True
    in_server: bool = False
    wakes_on: Sequence[str] | None = None
    wakes_while: Sequence[str] = ()


ENTRY_POINTS = "wherry.features"
