"""`wherry fork SOURCE TARGET`: a workspace that begins as an exact copy of another."""

from __future__ import annotations

import argparse

from wherry.cli.copies.past import revision
from wherry.cli.ws.place import ROOT, resolve
from wherry.cli.ws.session import WORKSPACES, Obj, Refused, Session, carry_out, ready
from wherry.workspaces.fork import FRESH, KEEP_BASE, REVISION, SOURCE


def fork(options: argparse.Namespace) -> int:
    """`wherry fork` with these flags."""
    return carry_out(options, lambda session: _fork(session, options.source, options.target))


async def _fork(session: Session, source: str, target: str) -> None:
    options, here = session.options, session.place.path
    source, target = resolve(source, here), resolve(target, here)
    parent, _, name = target.rpartition(":")
    if not parent or target == ROOT:
        raise Refused("the root is there already; name a workspace below it")
    annotations = {SOURCE: source}
    if options.at:
        annotations[REVISION] = await revision(session, source, options.at)
    if not options.no_base:
        annotations[KEEP_BASE] = "true"
    if options.fresh:
        annotations[FRESH] = "true"
    meta: Obj = {"name": name, "annotations": annotations}
    client = session.at(parent)
    body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": meta}
    made = await client.create(WORKSPACES, body)
    made = await ready(client, made)
    taken = made["metadata"]["annotations"][REVISION]
    session.say(f'Workspace "{target}" is a copy of "{source}" at revision {taken}.', made)
    if options.enter:
        session.contexts.go(session.url(target))
        if not options.output:
            session.show(target, made)
