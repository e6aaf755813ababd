"""The actions of `wherry ws`, named and worded as those of `kubectl ws` (github.com/kcp-dev/cli/pkg/workspace)."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from wherry.cli.ws.place import ROOT, place_of, resolve
from wherry.cli.ws.session import (
    PATIENCE,
    POLL,
    WORKSPACES,
    Obj,
    Refused,
    Session,
    carry_out,
    phase,
    ready,
    type_of,
    unmet,
)
from wherry.client import Client
from wherry.errors import AlreadyExists, Forbidden, NotFound


def ws(options: argparse.Namespace) -> int:
    """`wherry ws` with these flags."""
    words = list(options.words)
    action = words.pop(0) if words and words[0] in ACTIONS else "use" if words else "current"
    try:
        _check(action, words, options)
    except Refused as wrong:
        print(f"wherry: {wrong}", file=sys.stderr)
        return 2
    return carry_out(options, lambda session: ACTIONS[action](session, words[0] if words else ""))


# --- walking ---------------------------------------------------------------------------------------------------------
async def current(session: Session, _: str) -> None:
    session.show(session.place.path, None)


async def use(session: Session, asked: str) -> None:
    if asked == ".":
        return await current(session, "")
    if asked == "-":
        session.contexts.back()
        session.show(place_of(session.contexts.server).path, None)
        return None
    if asked.startswith("~"):
        raise Refused("there are no home workspaces here; name one, e.g. :root:team")
    path = resolve(asked, session.place.path)
    workspace = await _entered(session, path)
    session.contexts.go(session.url(path))
    session.show(path, workspace)
    return None


async def _entered(session: Session, path: str) -> Obj | None:
    """The Workspace object of a path that the user may enter, as far as he may see it."""
    denied, missing = False, False
    workspace: Obj | None = {"spec": {"type": {"name": ROOT}}} if path == ROOT else None
    try:
        await session.at(path).request("GET", "/api")
    except (Forbidden, NotFound):
        denied = True
    parent, _, name = path.rpartition(":")
    if parent:
        try:
            workspace = await session.at(parent).get(WORKSPACES, name)
        except NotFound:
            missing = True
        except Forbidden:
            pass  # who may not look into the parent may still be at home in the child
    if denied:
        raise Refused(f'workspace "{path}" not found' if missing else f'access to workspace "{path}" denied')
    return workspace


# --- looking ---------------------------------------------------------------------------------------------------------
async def listing(session: Session, asked: str) -> None:
    path = resolve(asked, session.place.path) if asked else session.place.path
    found = await session.at(path).list(WORKSPACES)
    rows = [(each["metadata"]["name"], type_of(each), phase(each)) for each in found["items"]]
    session.say("\n".join("  ".join(row).rstrip() for row in _aligned([("NAME", "TYPE", "PHASE"), *rows])), found)


async def tree(session: Session, asked: str) -> None:
    path = resolve(asked, session.place.path) if asked else session.place.path
    top: Obj = {"name": path.rpartition(":")[2], "path": path}
    top["children"] = await _children(session, path, deep=0)
    session.say("\n".join([".", f"└── {top['name']}", *_branches(top, "    ")]), top)


async def _children(session: Session, path: str, deep: int) -> list[Obj]:
    """What is below; nothing below a workspace that the user may not look into, unless he asked for that one."""
    try:
        found = await session.at(path).list(WORKSPACES)
    except Forbidden:
        if not deep:
            raise
        return []
    nodes: list[Obj] = []
    for each in found["items"]:
        name = each["metadata"]["name"]
        cluster = (each.get("spec") or {}).get("cluster", "")
        node: Obj = {"name": name, "path": f"{path}:{name}", "cluster": cluster, "type": type_of(each)}
        node["phase"] = phase(each)
        node["children"] = await _children(session, node["path"], deep + 1) if cluster else []
        nodes.append(node)
    return nodes


def _branches(node: Obj, indent: str) -> list[str]:
    lines: list[str] = []
    children = node["children"]
    for number, child in enumerate(children):
        last = number == len(children) - 1
        lines.append(f"{indent}{'└' if last else '├'}── {child['name']}")
        lines += _branches(child, indent + ("    " if last else "│   "))
    return lines


# --- making and removing ---------------------------------------------------------------------------------------------
async def create(session: Session, name: str) -> None:
    options, here = session.options, session.place.path
    body: Obj = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": name}, "spec": {}}
    if options.type:
        where, _, kind = options.type.rpartition(":")
        body["spec"]["type"] = {"name": kind.lower(), **({"path": where} if where else {})}
    client = session.at(here)
    existed = False
    try:
        workspace = await client.create(WORKSPACES, body)
    except AlreadyExists:
        if not options.ignore_existing:
            raise
        existed, workspace = True, await client.get(WORKSPACES, name)
        _same_type(workspace, body["spec"].get("type"))
    workspace = await ready(client, workspace)
    what = f'Workspace "{name}" (type {type_of(workspace)})'
    session.say(f"{what} already exists." if existed else f"{what} is ready to use.", workspace)
    if options.create_context:
        server = session.url(f"{here}:{name}")
        done = session.contexts.add(
            options.create_context, server, overwrite=options.ignore_existing, enter=options.enter
        )
        print(done, file=sys.stderr if options.output else sys.stdout)
    elif options.enter:
        session.contexts.go(session.url(f"{here}:{name}"))
        if not options.output:
            session.show(f"{here}:{name}", workspace)


def _same_type(workspace: Obj, wanted: Obj | None) -> None:
    found = workspace["spec"].get("type") or {}
    if wanted and any(found.get(field) != value for field, value in wanted.items()):
        name, asked = workspace["metadata"]["name"], ":".join(filter(None, (wanted.get("path"), wanted["name"])))
        raise Refused(
            f'workspace "{name}" cannot be created with type {asked}, '
            f"it already exists with different type {type_of(workspace)}"
        )


async def create_context(session: Session, name: str) -> None:
    path = session.place.path
    print(session.contexts.add(name or path, session.url(path), overwrite=session.options.overwrite, enter=True))


async def delete(session: Session, asked: str) -> None:
    path, here = resolve(asked, session.place.path), session.place.path
    parent, _, name = path.rpartition(":")
    if not parent or path == ROOT:
        raise Refused("the root cannot be deleted")
    if here == path or here.startswith(f"{path}:"):
        raise Refused(f'you are in "{here}"; leave it first, e.g.: wherry ws :{parent}')
    if not session.options.recursive:
        below = await _below(session, path)
        if below:
            raise Refused(f'workspace "{path}" has workspaces below it ({", ".join(below)}); --recursive deletes all')
    client = session.at(parent)
    answer = await client.delete(WORKSPACES, name)
    if not session.options.no_wait:
        await _gone(client, name)
    session.say(f'Workspace "{path}" deleted.', answer)


async def _below(session: Session, path: str) -> list[str]:
    try:
        found = await session.at(path).list(WORKSPACES)
    except (Forbidden, NotFound):
        return []  # not ready yet, or not ours to see: deleting it is
    return [each["metadata"]["name"] for each in found["items"]]


async def _gone(client: Client, name: str) -> None:
    left = PATIENCE
    while left > 0:
        try:
            workspace = await client.get(WORKSPACES, name)
        except NotFound:
            return
        left -= POLL
        await asyncio.sleep(POLL)
    raise Refused(f'workspace "{name}" is still being deleted: {unmet(workspace)}')


# --- words -----------------------------------------------------------------------------------------------------------
ACTIONS: dict[str, Callable[[Session, str], Coroutine[Any, Any, None]]] = {
    "use": use,
    "cd": use,
    "current": current,
    "list": listing,
    "tree": tree,
    "create": create,
    "create-context": create_context,
    "delete": delete,
}
# action -> (fewest names, most names, flags that mean something to it beside --kubeconfig)
_USAGE: dict[str, tuple[int, int, frozenset[str]]] = {
    "use": (1, 1, frozenset(("short", "by_host", "output"))),
    "cd": (1, 1, frozenset(("short", "by_host", "output"))),
    "current": (0, 0, frozenset(("short", "output"))),
    "list": (0, 1, frozenset(("output",))),
    "tree": (0, 1, frozenset(("output",))),
    "create": (1, 1, frozenset(("type", "enter", "ignore_existing", "create_context", "by_host", "output"))),
    "create-context": (0, 1, frozenset(("overwrite", "by_host"))),
    "delete": (1, 1, frozenset(("recursive", "no_wait", "output"))),
}
_FLAGS = (
    "short", "by_host", "output", "type", "enter", "ignore_existing", "create_context", "overwrite", "recursive",
    "no_wait",
)  # fmt: skip


def _check(action: str, names: list[str], options: argparse.Namespace) -> None:
    """Raises Refused for what makes no sense, rather than to leave it out."""
    fewest, most, known = _USAGE[action]
    if len(names) < fewest:
        raise Refused(f"ws {action} needs the name of a workspace")
    if len(names) > most:
        raise Refused(f"ws {action}: {names[most]!r} is one name too many")
    for flag in _FLAGS:
        if getattr(options, flag) and flag not in known:
            raise Refused(f"ws {action} has no --{flag.replace('_', '-')}")
    if options.ignore_existing and options.type and not options.type.startswith(f"{ROOT}:"):
        raise Refused("--ignore-existing must not be used with non-absolute type path")


def _aligned(rows: list[tuple[str, ...]]) -> list[list[str]]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [[text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in rows]
