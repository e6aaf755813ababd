"""What every check needs: the containers of a pod, their security contexts, and the shape of a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

Obj = dict[str, Any]


class Finding(NamedTuple):
    """Why a check refuses: in short, and with the names of what is in the way."""

    reason: str
    detail: str


Check = Callable[[Obj, Obj], Finding | None]  # (metadata, spec of the pod)


def containers(spec: Obj) -> Iterator[Obj]:
    """All containers, in the order in which findings name them."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def context(holder: Obj) -> Obj:
    """The securityContext of a container or a pod spec."""
    return holder.get("securityContext") or {}


def is_windows(spec: Obj) -> bool:
    return (spec.get("os") or {}).get("name") == "windows"


def own_users(spec: Obj) -> bool:
    """Whether the pod runs in a user namespace, where root is nobody on the host."""
    return spec.get("hostUsers") is False


def quoted(items: Iterable[str]) -> str:
    return ", ".join(f'"{item}"' for item in items)


def plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"


def named(word: str, names: list[str]) -> str:
    """`container "a"`, `containers "a", "b"`."""
    return f"{plural(word, len(names))} {quoted(names)}"


def setters(pod: bool, names: list[str]) -> str:
    """Who has set something: the pod, containers, or both."""
    return " and ".join([*(["pod"] if pod else []), *([named("container", names)] if names else [])])
