"""`wherry export WORKSPACE`: its objects as manifests, in an order in which they can be applied."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wherry.cli.copies import order
from wherry.cli.copies.server import Obj, Served, kinds, objects
from wherry.cli.ws.place import resolve
from wherry.cli.ws.session import Refused, Session, carry_out
from wherry.machinery.portable import managed, portable


def export(options: argparse.Namespace) -> int:
    """`wherry export` with these flags."""
    return carry_out(options, _export)


async def _export(session: Session) -> None:
    options = session.options
    client = session.at(resolve(options.workspace, session.place.path))
    folder: Path | None = options.folder
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty: what is in it would be taken for objects of the workspace")
    count = 0
    for served in order.in_order(kinds(client)):
        if order.kind_left_out(served.name):
            continue
        for page in objects(client, served):
            for obj in _taken(served, page, options):
                _write(folder, served, obj)
                count += 1
    if folder is not None:
        session.say(f"{count} objects were written to {folder}.", {"objects": count, "folder": str(folder)})


def _taken(served: Served, page: list[Obj], options: argparse.Namespace) -> Iterator[Obj]:
    for obj in page:
        made = managed(obj) and not options.all
        if not made and not order.left_out(served.name, obj):
            yield portable(order.redacted(obj) if options.redact_secrets else obj)


def _write(folder: Path | None, served: Served, obj: Obj) -> None:
    import yaml

    text: str = yaml.dump(obj, Dumper=_dumper(), sort_keys=False, width=110, allow_unicode=True)
    if folder is None:
        sys.stdout.write(f"---\n{text}")
        return
    meta = obj["metadata"]
    place = folder / (meta.get("namespace") or "cluster") / served.name
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{quote(meta['name'], safe=':')}.yaml").write_text(text, "utf-8")


def _dumper() -> Any:
    import yaml

    return getattr(yaml, "CSafeDumper", yaml.SafeDumper)
