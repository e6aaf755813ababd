"""What is different between a cluster and a workspace, or two clusters: compared here, object by object."""

from __future__ import annotations

from collections.abc import Iterator

from wherry.cli.copies import order
from wherry.cli.copies.server import Obj, kinds, objects
from wherry.client import Client
from wherry.machinery.difference import fields, hidden
from wherry.machinery.portable import portable
from wherry.workspaces.difference import shown

Key = tuple[str, str, str]  # resource, namespace, name


def different(before: Client, after: Client, *, secrets: bool) -> list[Obj]:
    """As `workspaces.difference.line` says it, without what each place gives by itself: addresses, nodes, status."""
    old, new = dict(_objects(before)), dict(_objects(after))
    found = []
    for key in sorted(old.keys() | new.keys()):
        line = _line(key, old.get(key), new.get(key), secrets=secrets)
        if line is not None:
            found.append(line)
    return found


def _objects(client: Client) -> Iterator[tuple[Key, Obj]]:
    for served in order.in_order(kinds(client)):
        if order.kind_left_out(served.name):
            continue
        for page in objects(client, served):
            for obj in page:
                if not order.left_out(served.name, obj):
                    meta = obj["metadata"]
                    yield (served.name, meta.get("namespace", ""), meta["name"]), portable(obj)


def _line(key: Key, old: Obj | None, new: Obj | None, *, secrets: bool) -> Obj | None:
    one = new or old
    assert one is not None
    resource, namespace, name = key
    found: Obj = {
        "change": "added" if old is None else "removed" if new is None else "changed",
        **{"apiVersion": one["apiVersion"], "kind": one["kind"], "resource": resource},
        **({"namespace": namespace} if namespace else {}),
        "name": name,
    }
    if old is not None and new is not None:
        different_fields = list(fields(old, new))
        if not different_fields:
            return None
        hide = resource == "secrets" and not secrets
        found["fields"] = [
            shown(hidden(each) if hide and each.path.startswith("data") else each) for each in different_fields
        ]
    return found
