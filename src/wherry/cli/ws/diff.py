"""`wherry diff A B`: what is different between two workspaces.

Exits as diff does: 0 for nothing, 1 for something, 2 for trouble."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from wherry.cli.ws.place import resolve
from wherry.cli.ws.session import Obj, Session, carry_out
from wherry.client import Client

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_CONTEXT = "context:"  # a cluster of the kubeconfig in place of a workspace
_WIDE = 80  # characters of a value that are shown


def diff(options: argparse.Namespace) -> int:
    """`wherry diff` with these flags."""
    found: list[Obj] = []

    async def work(session: Session) -> None:
        found.extend(await different(session, options.before, options.after))
        print(end=_text(options.output, found))

    return 2 if carry_out(options, work) else bool(found)


async def different(session: Session, before: str, after: str) -> list[Obj]:
    """What the server finds, an object each (`workspaces.difference.line`)."""
    options, here = session.options, session.place.path
    if before.startswith(_CONTEXT) or after.startswith(_CONTEXT):
        from wherry.cli.copies import compare

        sides = [_side(session, each) for each in (before, after)]
        return compare.different(*sides, secrets=options.secrets)
    asked = {"with": resolve(after, here)}
    asked.update({name: "true" for name in ("status", "secrets") if getattr(options, name)})
    path = f"/clusters/{resolve(before, here)}/difference"
    return [json.loads(line) for line in (await session.read(path, urlencode(asked))).splitlines()]


def _side(session: Session, operand: str) -> Client:
    if operand.startswith(_CONTEXT):
        return session.of_context(operand.removeprefix(_CONTEXT))
    return session.at(resolve(operand, session.place.path))


def _text(form: str, found: Sequence[Obj]) -> str:
    if form == "json":
        return json.dumps({"items": found}, indent=2) + "\n"
    if form == "yaml":
        import yaml

        return yaml.safe_dump_all(found, sort_keys=False, width=110) if found else ""
    lines = _counts(found) if form == "summary" else [line for each in found for line in _lines(each)]
    return "".join(f"{line}\n" for line in lines)


def _lines(found: Obj) -> Iterable[str]:
    where = "/".join(filter(None, (found.get("namespace"), found["name"])))
    yield f"{_SIGNS[found['change']]} {found['resource']} {where}"
    yield from map(field_line, found.get("fields") or ())


def field_line(field: Obj) -> str:
    """`    spec.replicas: 3 -> 5`"""
    before, after = (_value(field, side) for side in ("before", "after"))
    if "before" not in field:
        return f"    {field['path']}: {after} (added)"
    if "after" not in field:
        return f"    {field['path']}: {before} (removed)"
    return f"    {field['path']}: {before} -> {after}"


def _value(field: Obj, side: str) -> str:
    value: Any = field.get(side)
    text = value if isinstance(value, str) and value and value == value.strip() else json.dumps(value)
    text = text.replace("\n", "\\n")
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 3]}..."


def _counts(found: Sequence[Obj]) -> Iterable[str]:
    kinds: dict[str, Counter[str]] = {}
    for each in found:
        kinds.setdefault(each["resource"], Counter())[each["change"]] += 1
    for resource, counted in sorted(kinds.items()):
        yield f"{resource}: {_counted(counted)}"
    yield f"total: {_counted(Counter(each['change'] for each in found))}" if found else "no difference"


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{found[change]} {change}" for change in ("added", "changed", "removed") if found[change])
