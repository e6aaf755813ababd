"""Masking what two servers may say differently, and naming what else differs.

Masked are uids, revisions, times, addresses and ports that a server chooses, tokens and continue tokens. Whether a
write moved an object's revision is compared although the revision itself is not.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from tools.targets import Answer

Obj = dict[str, Any]

_MASKED = {
    "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "time", "continue", "lastTransitionTime", "lastUpdateTime",
    "startTime", "token", "clusterIP", "clusterIPs", "nodePort", "healthCheckNodePort", "expirationTimestamp", "freshness", "serverAddress", "id_token_signing_alg_values_supported",
}  # fmt: skip
_PATTERNS = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uid>"),
    (
        re.compile(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC( m=\S+)?"
        ),
        "<time>",
    ),
    (re.compile(r"\b10\.\d+\.\d+\.\d+\b"), "<ip>"),
    (re.compile(r"([Rr]esource ?[Vv]ersion[^0-9]{1,30})\d+"), r"\1<rv>"),
    (re.compile(r"(current: |too old resource version: \d*\(?)\d+"), r"\1<rv>"),
    (re.compile(r"(object meta: )\d+"), r"\1<rv>"),
    (re.compile(r"(nodePort: Duplicate value: )\d+"), r"\1<port>"),
    (re.compile(r"RBAC: allowed by .*"), "RBAC: allowed by <one of several>"),  # upstream asks bindings in no order
    (re.compile(r"(Key: )(/registry)?/"), r"\1/"),  # a flag of upstream's
    (re.compile(r"\bgen-[a-z0-9]{5}\b"), "gen-<random>"),
    (re.compile(r"(nodePort\\?\":|\b\d+:)3[0-2]\d{3}\b"), r"\1<port>"),
    (re.compile(r"(kube-api-access-)[a-z0-9]{5}"), r"\1<random>"),
    (re.compile(r"in scheme \"[^\"]+\""), "in scheme <file>"),  # where a Go program was built
    (re.compile(r"https://127\.0\.0\.1\b(?!:)|https://kubernetes\.default\.svc(\.cluster\.local)?"), "<issuer>"),
    (re.compile(r"(generateName|name)(\S*-)[a-z0-9]{5}\b(?=\")"), r"\1\2<random>"),
]
_LISTED = re.compile(r"\[(.+)\]$", re.S)  # several errors in one message
_AGE = re.compile(r"^(\d+[smhd])+$|^<invalid>$")


def _text(value: str) -> str:
    for pattern, label in _PATTERNS:
        value = pattern.sub(label, value)
    return value


def mask(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        out = {k: mask(v, k) for k, v in value.items()}
        if value.get("generateName") and "name" in value:
            out["name"] = "<generated>"
        return out
    if key in _MASKED and value not in (None, "", []):
        return "<masked>"
    if isinstance(value, list):
        items = [mask(item) for item in value]
        if key == "managedFields":  # their order hangs on the second in which they were written
            items.sort(key=lambda entry: json.dumps(entry, sort_keys=True))
        if key == "cells":
            items = ["<age>" if isinstance(item, str) and _AGE.match(item) else item for item in items]
        if key in ("causes", "resources"):  # upstream goes through maps in no order
            items.sort(key=lambda entry: json.dumps(entry, sort_keys=True))
        return items
    if key == "message" and isinstance(value, str):
        value = re.sub(r"errors:\n.*", lambda found: "\n".join(sorted(found[0].splitlines())), value, flags=re.S)
        value = _LISTED.sub(lambda found: "[" + ", ".join(sorted(found[1].split(", "))) + "]", value)
    return _text(value) if isinstance(value, str) else value


@dataclass
class Seen:
    """One server's answer, ready to be compared."""

    status: int
    media: str
    warnings: list[str]
    body: Any
    events: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, answer: Answer, events: list[Obj] | None = None) -> Seen:
        try:
            body = mask(json.loads(answer.body)) if answer.body else None
        except ValueError:
            body = _text(answer.body.decode("utf-8", "replace"))
        warnings = sorted(_text(text) for text in answer.warnings)
        return cls(answer.status, answer.media.split(";")[0], warnings, body, [mask(event) for event in events or ()])


@dataclass(frozen=True)
class Difference:
    """What differs, without what is particular to the one request."""

    level: str  # status, media, warnings, events, message, details, body
    place: str
    first: str
    second: str

    def signature(self, kind: str) -> str:
        return f"{kind} {self.level} {self.place}"


def compare(first: Seen, second: Seen) -> list[Difference]:
    if first.status != second.status:
        shown = f"{first.status} {_short(first.body)}", f"{second.status} {_short(second.body)}"
        return [
            Difference("status", f"{first.status}/{second.status} {_reason(first.body)}/{_reason(second.body)}", *shown)
        ]
    found = []
    if first.media != second.media:
        found.append(Difference("media", "", first.media, second.media))
    if first.warnings != second.warnings:
        only = (
            [w for w in first.warnings if w not in second.warnings],
            [w for w in second.warnings if w not in first.warnings],
        )
        found.append(Difference("warnings", "", str(only[0]), str(only[1])))
    found += _inside("events", first.events, second.events)
    if (
        isinstance(first.body, dict)
        and first.body.get("kind") == "Status"
        and first.body.get("message") != _get(second.body, "message")
    ):
        return [
            *found,
            Difference(
                "message", _reason(first.body), str(first.body.get("message")), str(_get(second.body, "message"))
            ),
        ]
    return found + _inside("body", first.body, second.body)


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else value


def _reason(body: Any) -> str:
    return str(body.get("reason", "")) if isinstance(body, dict) and body.get("kind") == "Status" else ""


def _short(body: Any) -> str:
    text = body.get("message") if isinstance(body, dict) and body.get("kind") == "Status" else None
    return (text or json.dumps(body))[:900]


def _inside(level: str, first: Any, second: Any) -> list[Difference]:
    """The first place at which two values differ; the rest mostly follows from it."""
    place = first_difference(first, second)
    if place is None:
        return []
    path, one, other = place
    return [Difference(level, re.sub(r"\[\d+\]", "[]", path), json.dumps(one)[:900], json.dumps(other)[:900])]


def first_difference(first: Any, second: Any, path: str = "") -> tuple[str, Any, Any] | None:
    if type(first) is type(second):
        if isinstance(first, dict):
            for key in sorted({*first, *second}):
                if key not in first or key not in second:
                    return f"{path}.{key}", first.get(key, "<absent>"), second.get(key, "<absent>")
                if found := first_difference(first[key], second[key], f"{path}.{key}"):
                    return found
            return None
        if isinstance(first, list):
            if len(first) != len(second):
                return f"{path}#", _names(first), _names(second)
            for index, (one, other) in enumerate(zip(first, second, strict=True)):
                if found := first_difference(one, other, f"{path}[{index}]"):
                    return found
            return None
    return None if first == second else (path, first, second)


def _names(items: list[Any]) -> Any:
    """What tells the items of lists of different lengths apart."""
    short = [item.get("object", item) if isinstance(item, dict) else item for item in items]
    named = [
        item["metadata"].get("name") if isinstance(item, dict) and isinstance(item.get("metadata"), dict) else item
        for item in short
    ]
    kinds = [item.get("type") for item in items if isinstance(item, dict) and "object" in item]
    return [named, kinds] if kinds else named
