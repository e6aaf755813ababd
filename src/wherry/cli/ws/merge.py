"""`wherry merge FORK [TARGET]`: what a fork has changed goes into what it is a copy of, through the API.

Everything is tried first (dry run), so that a refusal leaves nothing half done; a write that is not the newest any more
by then is refused by the server.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from wherry.cli.ws.place import resolve
from wherry.cli.ws.session import Obj, Refused, Session, carry_out
from wherry.client import Client
from wherry.errors import StatusError

_SIGNS = {"create": "+", "update": "~", "delete": "-"}
_DONE = {"create": "created", "update": "changed", "delete": "deleted"}


def merge(options: argparse.Namespace) -> int:
    """`wherry merge` with these flags."""
    return carry_out(options, _merge)


async def _merge(session: Session) -> None:
    options, here = session.options, session.place.path
    fork = resolve(options.fork, here)
    into = {"into": resolve(options.target, here)} if options.target else {}
    text = await session.read(f"/clusters/{fork}/merge", urlencode(into))
    steps: list[Obj] = [json.loads(line) for line in text.splitlines()]
    clashes = [step for step in steps if step.get("clashes")]
    if clashes and not options.force:
        raise Refused("\n".join(["both sides changed the same; --force lets the fork win:", *map(_clash, clashes)]))
    target = await _target(session, fork, into)
    client = session.at(target)
    made: list[str] = []
    for step in steps:
        await _try(client, step, dry=True, known=made)
        made.append(_name(step))
    if not options.dry_run:
        await _carry(client, steps)
    session.say(_told(steps, target, options.dry_run), {"target": target, "steps": steps})


async def _target(session: Session, fork: str, into: dict[str, str]) -> str:
    if into:
        return into["into"]
    from wherry.cli.ws.session import WORKSPACES
    from wherry.workspaces.fork import SOURCE

    parent, _, name = fork.rpartition(":")
    workspace = await session.at(parent).get(WORKSPACES, name)
    return str(workspace["metadata"]["annotations"][SOURCE])


async def _carry(client: Client, steps: Sequence[Obj]) -> None:
    """Raises Refused, saying how far it came."""
    for number, step in enumerate(steps):
        try:
            await _try(client, step, dry=False, known=())
        except Refused as refused:
            raise Refused(f"{refused}; {number} of {len(steps)} were written: merge again to go on") from None


async def _try(client: Client, step: Obj, *, dry: bool, known: Sequence[str]) -> None:
    """Raises Refused."""
    query = {"fieldManager": "wherry-merge", **({"dryRun": "All"} if dry else {})}
    try:
        await _write(client, step, query)
    except StatusError as error:
        if dry and error.code == 404 and known:
            return  # its namespace or definition comes with the same merge
        raise Refused(f"{step['change']} {_name(step)}: {error.message}") from None


async def _write(client: Client, step: Obj, query: dict[str, str]) -> None:
    path, body = _path(step), step.get("object")
    if step["change"] == "create":
        await client.request("POST", path, query, body)
    elif step["change"] == "update":
        await client.request("PUT", f"{path}/{step['name']}", query, body)
    else:
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": step["preconditions"]}
        if "dryRun" in query:  # beside a body nobody reads the query
            options["dryRun"] = [query["dryRun"]]
        await client.request("DELETE", f"{path}/{step['name']}", query, options)


def _path(step: Obj) -> str:
    root = f"/apis/{step['apiVersion']}" if "/" in step["apiVersion"] else f"/api/{step['apiVersion']}"
    where = f"/namespaces/{step['namespace']}" if step.get("namespace") else ""
    return f"{root}{where}/{step['resource'].partition('.')[0]}"


def _name(step: Obj) -> str:
    return f"{step['resource']} " + "/".join(filter(None, (step.get("namespace"), step["name"])))


def _clash(step: Obj) -> str:
    lines = [f"! {_name(step)}"]
    for each in step["clashes"]:
        sides = ", ".join(f"{name} {_value(each, key)}" for name, key in _SIDES)
        lines.append(f"    {each['path'] or 'object'}: {sides}")
    return "\n".join(lines)


_SIDES = (("before", "base"), ("fork", "theirs"), ("target", "ours"))


def _value(clash: Obj, side: str) -> str:
    value: Any = clash.get(side, "(absent)")
    return value if isinstance(value, str) else json.dumps(value)


def _told(steps: Sequence[Obj], target: str, dry: bool) -> str:
    if not steps:
        return f'Nothing to merge into "{target}".'
    lines = [f"{_SIGNS[step['change']]} {_name(step)}" for step in steps]
    counted = {word: sum(step["change"] == change for step in steps) for change, word in _DONE.items()}
    told = ", ".join(f"{count} {word}" for word, count in counted.items() if count)
    return "\n".join([*lines, f'{"Would be" if dry else "Were"} written to "{target}": {told}.'])
