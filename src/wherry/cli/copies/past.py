"""`wherry history` and `wherry get --at`: how objects came to be what they are, and what they were."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from urllib.parse import quote, urlencode

from wherry.cli.copies.server import Obj, Served, kinds
from wherry.cli.ws.diff import field_line
from wherry.cli.ws.place import resolve
from wherry.cli.ws.session import Refused, Session, carry_out
from wherry.client import Client


def history(options: argparse.Namespace) -> int:
    """`wherry history` with these flags."""
    return carry_out(options, _history)


def get(options: argparse.Namespace) -> int:
    """`wherry get` with these flags."""
    return carry_out(options, _get)


async def revision(session: Session, path: str, when: str) -> str:
    """The revision that somebody means by a number or a time. Raises Refused, StatusError."""
    if when.isdigit():
        return when
    if when.startswith("-") or ":" not in when:
        raise Refused(f"--at {when}: a revision is a whole number above 0, a time is like 2026-11-25T15:04:05Z")
    found = json.loads(await session.read(f"/clusters/{path}/history", f"at={quote(when)}"))
    return str(found["revision"])


def _kind(client: Client, word: str) -> Served:
    """Raises Refused."""
    found = [served for served in kinds(client) if served.means(word)]
    if not found:
        raise Refused(f"the server has no kind {word!r}")
    return found[0]


async def _history(session: Session) -> None:
    options = session.options
    path = resolve(options.workspace, session.place.path)
    served = _kind(session.at(path), options.kind)
    asked = {"resource": served.name, "name": options.name}
    if served.kind.namespaced:
        asked["namespace"] = options.namespace
    if options.secrets:
        asked["secrets"] = "true"
    text = await session.read(f"/clusters/{path}/history", urlencode(asked))
    found: list[Obj] = [json.loads(line) for line in text.splitlines()]
    session.say("\n".join(line for each in found for line in _lines(each)), {"items": found})


def _lines(change: Obj) -> Iterable[str]:
    if change["change"] == "earlier":
        yield f"{change['revision']}  earlier"
        for entry in change["managers"]:
            yield f"    {entry.get('time', '')} {entry.get('manager', '')} ({entry.get('operation', '')})"
        return
    who = change.get("manager", "")
    how = "/".join(filter(None, (change.get("operation"), change.get("subresource"))))
    told = (str(change["revision"]), change.get("time", ""), change["change"], f"by {who} ({how})" if who else "")
    yield "  ".join(filter(None, told))
    for field in change.get("fields") or ():
        yield field_line(field)


async def _get(session: Session) -> None:
    options = session.options
    path = resolve(options.workspace, session.place.path)
    client = session.at(path)
    served = _kind(client, options.kind)
    exact = {"resourceVersion": await revision(session, path, options.at), "resourceVersionMatch": "Exact"}
    if options.name:
        exact["fieldSelector"] = f"metadata.name={options.name}"
    found = await client.list(served.kind, options.namespace if served.kind.namespaced else "", **exact)
    items = [{"apiVersion": served.api_version, "kind": served.title, **each} for each in found["items"]]
    if options.name and not items:
        raise Refused(f'{served.name} "{options.name}" was not there at {options.at}')
    print(end=_text(options.output, items))


def _text(form: str, items: list[Obj]) -> str:
    if form == "json":
        return json.dumps({"items": items}, indent=2) + "\n"
    if form == "yaml":
        import yaml

        return yaml.safe_dump_all(items, sort_keys=False, width=110)
    rows = [("NAME", "REVISION"), *((i["metadata"]["name"], i["metadata"]["resourceVersion"]) for i in items)]
    wide = max(len(name) for name, _ in rows)
    return "".join(f"{name.ljust(wide)}  {number}\n" for name, number in rows)
