"""ConfigMaps: keys, a total size, and a latch against change (ValidateConfigMap)."""

from __future__ import annotations

from wherry.errors import FieldError, forbidden, invalid
from wherry.machinery.builtin.common.names import byte_length, config_map_key
from wherry.machinery.builtin.core.shared.fields import too_long_bytes
from wherry.machinery.builtin.core.shared.meta import as_new
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

MAX_SIZE = 1024 * 1024
LATCHED = "field is immutable when `immutable` is set"


def base64_length(value: str) -> int:
    """How many bytes a base64 text stands for."""
    return len(value) // 4 * 3 - (len(value) - len(value.rstrip("=")))


class ConfigMapStrategy(Strategy):
    def validate_create(self, obj: Obj) -> list[FieldError]:
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        out: list[FieldError] = []
        total = 0
        for key, value in data.items():
            if problems := config_map_key(key):
                out += [invalid(f"data[{key}]", key, text) for text in problems]
            if key in binary:
                out.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
            total += byte_length(value)
        for key, value in binary.items():
            out += [invalid(f"binaryData[{key}]", key, text) for text in config_map_key(key)]
            total += base64_length(value or "")
        if total > MAX_SIZE:
            out.append(too_long_bytes("[]", MAX_SIZE))
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out: list[FieldError] = []
        if old.get("immutable"):
            if not new.get("immutable"):
                out.append(forbidden("immutable", LATCHED))
            out += [
                forbidden(key, LATCHED)
                for key in ("data", "binaryData")
                if (new.get(key) or {}) != (old.get(key) or {})
            ]
        return out + as_new(self, new, True) + self.validate_create(new)
