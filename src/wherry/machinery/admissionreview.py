"""AdmissionReview: the document that asks a webhook about a request, and the judgement of its answer.

Pure; `access/plugins/webhooks` sends it. Follows apiserver/pkg/admission/plugin/webhook/request, and for the ways in
which an answer can be no answer, the decoders of apimachinery.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from wherry.errors import StatusError, go_quote
from wherry.kit import gojson
from wherry.machinery.kinds import Obj

GROUP = "admission.k8s.io"
KNOWN = ("v1", "v1beta1")
_KIND = "AdmissionReview"


class ReviewError(Exception):
    """No usable answer; the text is upstream's. `stage` is what was being done."""

    def __init__(self, text: str, stage: str = "received invalid webhook response"):
        super().__init__(f"{stage}: {text}" if stage else text)


class Response(NamedTuple):
    """What a webhook says."""

    allowed: bool
    patch: bytes
    patch_type: str
    status: Obj | None
    annotations: dict[str, str]
    warnings: list[str]


def version_of(versions: Sequence[str]) -> str:
    """The first version that we speak. Raises ReviewError."""
    for version in versions:
        if version in KNOWN:
            return version
    known = "webhook does not accept known AdmissionReview versions (v1, v1beta1)"
    raise ReviewError(known, "could not create admission objects")


def review(version: str, request: Obj) -> bytes:
    """The body of a call."""
    return orjson.dumps({"kind": _KIND, "apiVersion": f"{GROUP}/{version}", "request": request})


def response(answer: bytes, version: str, uid: str, *, mutating: bool) -> Response:
    """What an answer says. Raises ReviewError."""
    document = _decoded(answer, version)
    said = document.get("response")
    if not isinstance(said, dict):
        raise ReviewError("webhook response was absent")
    if version == "v1":
        _check_identity(document, said, uid)
    patch, patch_type = _patch(said, version, mutating)
    status = said.get("status")
    return Response(
        said.get("allowed") is True,
        patch,
        patch_type,
        status if isinstance(status, dict) else None,
        _strings(said.get("auditAnnotations")),
        [text for text in said.get("warnings") or () if isinstance(text, str)],
    )


def _decoded(answer: bytes, version: str) -> Obj:
    calling = "failed to call webhook"
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError:
        raise ReviewError(
            f"couldn't get version/kind; json parse error: {gojson.syntax_error(answer)}", calling
        ) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        what = "string" if isinstance(document, str) else "array" if isinstance(document, list) else "number"
        what = "bool" if isinstance(document, bool) else what
        shape = (
            'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
        )
        text = (
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {what} into Go value of type {shape}"
        )
        raise ReviewError(text, calling)
    kind, api_version = document.get("kind"), document.get("apiVersion")
    if kind == "Status" and document.get("status") == "Failure":
        raise ReviewError(str(document.get("message") or ""), calling)
    if kind == _KIND and isinstance(api_version, str):
        group, _, named = api_version.rpartition("/")
        if group == GROUP and named in KNOWN and named != version:
            text = f"converting ({named}.{_KIND}) to ({version}.{_KIND}): unknown conversion"
            raise ReviewError(text, calling)
    for field, types, name in (("allowed", bool, "bool"), ("uid", str, "types.UID"), ("patch", str, "uint8")):
        value = (document.get("response") or {}).get(field) if isinstance(document.get("response"), dict) else None
        if value is not None and not isinstance(value, types):
            got = {str: "string", bool: "bool", dict: "object", list: "array"}.get(type(value), "number")
            path = f"AdmissionReview.response.{field}"
            text = f"json: cannot unmarshal {got} into Go struct field {path} of type {name}"
            raise ReviewError(text, calling)
    return document


def _check_identity(document: Obj, said: Obj, uid: str) -> None:
    given = said.get("uid", "")
    if given != uid:
        raise ReviewError(f"expected response.uid={go_quote(uid)}, got {go_quote(str(given))}")
    group, _, version = str(document.get("apiVersion") or "").rpartition("/")
    kind = document.get("kind") or ""
    if (group, version, kind) != (GROUP, "v1", _KIND):
        raise ReviewError(f"expected webhook response of {GROUP}/v1, Kind={_KIND}, got {group}/{version}, Kind={kind}")


def _patch(said: Obj, version: str, mutating: bool) -> tuple[bytes, str]:
    text, kind = said.get("patch") or "", said.get("patchType")
    try:
        patch = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ReviewError("illegal base64 data at input byte 0", "failed to call webhook") from None
    if version == "v1beta1":
        return (patch, "JSONPatch") if mutating and patch else (b"", "")
    if not mutating:
        for word, given in (("patch", bool(patch)), ("patchType", kind is not None)):
            if given:
                raise ReviewError(f"validating webhook may not return response.{word}")
        return b"", ""
    if patch and kind is None:
        raise ReviewError("webhook returned response.patch but not response.patchType")
    if not patch and kind is not None:
        raise ReviewError("webhook returned response.patchType but not response.patch")
    if kind == "":
        raise ReviewError('webhook returned invalid response.patchType of ""')
    return patch, str(kind or "")


def _strings(found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}


def rejection(hook: str, status: Obj | None) -> StatusError:
    """A refusal as clients get it: the webhook's own Status, at least as bad as 400, in whose name it is."""
    given = status or {}
    code = given.get("code")
    code = code if isinstance(code, int) and 400 <= code < 600 else 400
    reason, message = str(given.get("reason") or ""), str(given.get("message") or "")
    text = f"admission webhook {go_quote(hook)} denied the request"
    text = f"{text}: {message or reason}" if message or reason else f"{text} without explanation"
    details = given.get("details")
    return StatusError(text, details=details if isinstance(details, dict) else None, reason=reason, code=code)
