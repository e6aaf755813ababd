"""Answers: stored bytes and documents as the form that was negotiated.

The common case, JSON of the stored version, is the stored bytes themselves (law 1); a list is a join of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from wherry import errors
from wherry.server.http import Response
from wherry.server.negotiate import JSON, PLAIN, PROTOBUF, YAML, Form
from wherry.storage.api import Record
from wherry.store.definition import Definition

_JSON_HEADER = ("content-type", JSON)
JSON_HEADERS = [_JSON_HEADER]  # shared, never changed
MOST_WARNING, LONGEST_CUT = 4096, 256  # characters of all warnings; of each where that is passed
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def go_escape(text: str) -> str:
    """A Warning header's quoted text. There is no text with control characters in it."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def warning_headers(warnings: Sequence[str]) -> list[tuple[str, str]]:
    """One header per distinct text, in order, bounded as upstream bounds them (4 KiB in all, then 256 each)."""
    texts = [text for text in dict.fromkeys(warnings) if text and not _CONTROL.search(text)]
    if sum(map(len, texts)) > MOST_WARNING:
        texts = _cut(texts)
    return [("warning", f'299 - "{go_escape(text)}"') for text in texts]


def _cut(texts: list[str]) -> list[str]:
    """Each at a bearable length. What had been added when the limit was passed stays even if it is too much now."""
    total, passed = 0, 0
    while total <= MOST_WARNING:
        total += len(texts[passed])
        passed += 1
    out = [text[:LONGEST_CUT] for text in texts[:passed]]
    total = sum(map(len, out))
    for text in texts[passed:]:
        if total >= MOST_WARNING:
            break
        out.append(text[:LONGEST_CUT])
        total += len(out[-1])
    return out


def document(value: Any, form: Form = PLAIN, status: int = 200) -> Response:
    """A small document (discovery, Status, review) in JSON or YAML."""
    return encoded(orjson.dumps(value), form, status)


def encoded(data: bytes, form: Form = PLAIN, status: int = 200, warnings: Sequence[str] = ()) -> Response:
    """JSON bytes in the media type of the form. As Go's encoder does, a newline ends JSON unless it is indented."""
    if form is PLAIN and not warnings:
        return Response(status, JSON_HEADERS, data + b"\n")
    media = form.media
    if media == YAML:
        data = to_yaml(data)
    elif media == PROTOBUF:
        data = _to_protobuf(orjson.loads(data))
    elif form.pretty:
        data = indent(data)
    else:
        data += b"\n"
    return Response(status, [("content-type", media), *warning_headers(warnings)], data)


def indent(data: bytes) -> bytes:
    """JSON for people."""
    return orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2)


def to_yaml(data: bytes) -> bytes:
    """YAML as sigs.k8s.io/yaml writes it: keys sorted, block style, strings quoted only where they must be."""
    from wherry.machinery.yamlout import dump

    return dump(orjson.loads(data)).encode()


def _to_protobuf(obj: dict[str, Any]) -> bytes:
    """For clients that accept nothing else; whoever accepts JSON too gets JSON (see negotiate.form)."""
    from wherry.machinery.protobuf import encode

    group, _, version = obj.get("apiVersion", "v1").rpartition("/")
    return encode(group, version, obj["kind"], obj)


def refusal(error: errors.StatusError, form: Form = PLAIN, warnings: Sequence[str] = ()) -> Response:
    """A Status for an error; Retry-After where the client may try again."""
    media = form if form.media != PROTOBUF else PLAIN
    response = encoded(orjson.dumps(error.to_status()), media.whole(), error.code, warnings)
    after = (error.details or {}).get("retryAfterSeconds")
    if after or error.code == 429:
        response.headers = [*response.headers, ("retry-after", str(after or 1))]
    return response


def text(status: int, body: str) -> Response:
    return Response(
        status, [("content-type", "text/plain; charset=utf-8"), ("x-content-type-options", "nosniff")], body.encode()
    )


def list_parts(d: Definition, meta: dict[str, Any]) -> tuple[bytes, Callable[[Sequence[Record]], bytes], bytes]:
    """Head, what joins some items, and tail of a list that is written piece by piece."""
    res = d.resource
    head = orjson.dumps({"kind": res.list_kind or res.kind + "List", "apiVersion": res.api_version, "metadata": meta})

    def values(records: Sequence[Record]) -> list[bytes]:
        if d.refresh is None and d.same_version:
            return [r.value for r in records]
        return [d.view(r) for r in records]

    if d.custom:
        return head[:-1] + b',"items":[', lambda records: b",".join(values(records)), b"]}"
    n = len(d.head) - 1  # items leave out kind and apiVersion, and the comma behind them becomes the brace
    return head[:-1] + b',"items":[', lambda records: b",".join([b"{" + v[n + 1 :] for v in values(records)]), b"]}"


def list_body(d: Definition, records: Sequence[Record], meta: dict[str, Any]) -> list[bytes]:
    """A list of whole objects as byte pieces. Items of built-in kinds leave out kind and apiVersion (TRAPS 12)."""
    res = d.resource
    head = orjson.dumps({"kind": res.list_kind or res.kind + "List", "apiVersion": res.api_version, "metadata": meta})
    if not records:
        return [head[:-1], b',"items":[]}']
    if d.refresh is None and d.same_version:
        values = [r.value for r in records]
    else:
        values = [d.view(r) for r in records]
    if d.custom:
        return [head[:-1], b',"items":[', b",".join(values), b"]}"]
    n = len(d.head)
    return [head[:-1], b',"items":[{', b",{".join([v[n:] for v in values]), b"]}"]


def list_meta(revision: int, token: str = "", remaining: int = 0, *, custom: bool = False) -> dict[str, Any]:
    """ListMeta; lists of custom objects always have `continue`, since upstream sets it on an untyped list."""
    meta: dict[str, Any] = (
        {"continue": "", "resourceVersion": str(revision)} if custom else {"resourceVersion": str(revision)}
    )
    if token:
        meta["continue"] = token
        if remaining:
            meta["remainingItemCount"] = remaining
    return meta
