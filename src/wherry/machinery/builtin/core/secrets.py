"""Secrets: `stringData` becomes `data`, each well-known type asks for its keys, an immutable one stays as it is.

Follows ValidateSecret, pkg/registry/core/secret and the conversion of v1.Secret.
"""

from __future__ import annotations

import base64
import binascii

from wherry.errors import FieldError, forbidden, invalid, required
from wherry.machinery.builtin.common.names import config_map_key
from wherry.machinery.builtin.core.configmaps import LATCHED, MAX_SIZE, base64_length
from wherry.machinery.builtin.core.shared.fields import immutable, make, too_long_bytes
from wherry.machinery.builtin.core.shared.gojson import object_problem
from wherry.machinery.builtin.core.shared.meta import as_new
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

ACCOUNT = "kubernetes.io/service-account.name"


def raw_value(data: Obj, key: str) -> bytes:
    """The bytes behind a key; decoding has vouched for the base64 of what clients send."""
    try:
        return base64.b64decode(data.get(key) or "")
    except binascii.Error:
        return b""


def _docker(data: Obj, key: str) -> list[FieldError]:
    if key not in data:
        return [required(f"data[{key}]")]
    problem = object_problem(raw_value(data, key))
    return [invalid(f"data[{key}]", "<secret contents redacted>", problem)] if problem else []


def _missing(data: Obj, *keys: str) -> list[FieldError]:
    return [required(f"data[{key}]") for key in keys if key not in data]


def _by_type(obj: Obj, data: Obj) -> list[FieldError]:
    kind = obj.get("type", "")
    if kind == "kubernetes.io/service-account-token":
        annotations = obj["metadata"].get("annotations") or {}
        return [] if annotations.get(ACCOUNT) else [required(f"metadata.annotations[{ACCOUNT}]")]
    if kind == "kubernetes.io/dockercfg":
        return _docker(data, ".dockercfg")
    if kind == "kubernetes.io/dockerconfigjson":
        return _docker(data, ".dockerconfigjson")
    if kind == "kubernetes.io/basic-auth":
        given = "username" in data or "password" in data
        return [] if given else _missing(data, "username", "password")
    if kind == "kubernetes.io/ssh-auth":
        return [] if data.get("ssh-privatekey") else [required("data[ssh-privatekey]")]
    if kind == "kubernetes.io/tls":
        return _missing(data, "tls.crt", "tls.key")
    return []


class SecretStrategy(Strategy):
    def default(self, obj: Obj) -> None:
        plain = obj.pop("stringData", None)
        if plain:
            data = make(obj, "data")
            for key, value in plain.items():
                data[key] = base64.b64encode((value or "").encode("utf-8", "surrogatepass")).decode()
        if not obj.get("type"):
            obj["type"] = "Opaque"

    def prepare_update(self, new: Obj, old: Obj) -> None:
        if not new.get("type"):
            new["type"] = old.get("type", "")

    def validate_create(self, obj: Obj) -> list[FieldError]:
        data = obj.get("data") or {}
        out: list[FieldError] = []
        total = 0
        for key, value in data.items():
            if problems := config_map_key(key):
                out += [invalid(f"data[{key}]", key, text) for text in problems]
            total += base64_length(value or "")
        if total > MAX_SIZE:
            out.append(too_long_bytes("data", MAX_SIZE))
        return out + _by_type(obj, data)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = immutable(new.get("type", ""), old.get("type", ""), "type")
        if old.get("immutable"):
            if not new.get("immutable"):
                out.append(forbidden("immutable", LATCHED))
            if (new.get("data") or {}) != (old.get("data") or {}):
                out.append(forbidden("data", LATCHED))
        return out + as_new(self, new, True) + self.validate_create(new)

    def warnings_create(self, obj: Obj) -> list[str]:
        if obj.get("type") != "kubernetes.io/tls":
            return []
        from wherry.machinery.builtin.core.shared.keypair import problem

        data = obj.get("data") or {}
        text = problem(raw_value(data, "tls.crt"), raw_value(data, "tls.key"))
        return [text] if text else []

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings_create(new)
