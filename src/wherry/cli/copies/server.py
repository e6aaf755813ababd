"""What a cluster serves, and its objects page by page: any Kubernetes API, a workspace among them."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from wherry.client import Client, Kind
from wherry.errors import Expired, NotFound, StatusError

T = TypeVar("T")
Obj = dict[str, Any]
PAGE = 500  # objects that are asked for at a time


@dataclass(frozen=True, slots=True)
class Served:
    """A kind as a server offers it; `name` is what kubectl calls the resource."""

    kind: Kind
    title: str
    name: str
    api_version: str
    aliases: frozenset[str] = frozenset()

    def means(self, word: str) -> bool:
        """Whether somebody may have meant it: `deploy`, `deployment`, `Deployment`, `deployments.apps`."""
        return word in (self.name, self.title) or word.lower() in self.aliases


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits: those of `Wire` do everything when they are asked."""
    try:
        work.send(None)
    except StopIteration as done:
        found: T = done.value
        return found
    work.close()
    raise RuntimeError("it waits")


def kinds(client: Client) -> list[Served]:
    """All kinds whose objects can be listed and created, each in the version that the server prefers."""
    places = [("", version) for version in at_once(client.request("GET", "/api"))["versions"]]
    for group in at_once(client.request("GET", "/apis"))["groups"]:
        preferred = group["preferredVersion"]["version"]
        versions = [preferred, *(v["version"] for v in group["versions"] if v["version"] != preferred)]
        places += [(group["name"], version) for version in versions]
    found: dict[tuple[str, str], Served] = {}
    for group_name, version in places:
        for each in _resources(client, group_name, version):
            if {"list", "create"} <= set(each["verbs"]) and "/" not in each["name"]:
                kind = Kind(group_name, version, each["name"], each["namespaced"])
                name = f"{each['name']}.{group_name}" if group_name else each["name"]
                api = f"{group_name}/{version}" if group_name else version
                words = (each["name"], each["kind"].lower(), each.get("singularName"), *(each.get("shortNames") or ()))
                aliases = frozenset(filter(None, words))
                found.setdefault((group_name, each["name"]), Served(kind, each["kind"], name, api, aliases))
    return list(found.values())


def _resources(client: Client, group: str, version: str) -> list[Obj]:
    """None where an extension API server does not answer."""
    try:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        found: list[Obj] = at_once(client.request("GET", path))["resources"]
    except StatusError as error:
        if error.code in (404, 503):
            return []
        raise
    return found


def objects(client: Client, served: Served) -> Iterator[list[Obj]]:
    """The objects of a kind, a page at a time; from the beginning where a page took too long to be asked for. Raises
    StatusError."""
    token, seen = "", set[str]()
    while True:
        query = {"limit": str(PAGE), **({"continue": token} if token else {})}
        try:
            found = at_once(client.list(served.kind, **query))
        except Expired:
            token = ""
            continue
        except NotFound:
            return  # its definition has gone meanwhile
        fresh = [each for each in found["items"] if each["metadata"]["uid"] not in seen]
        seen.update(each["metadata"]["uid"] for each in fresh)
        yield [{"apiVersion": served.api_version, "kind": served.title, **each} for each in fresh]
        token = found["metadata"].get("continue", "")
        if not token:
            return
