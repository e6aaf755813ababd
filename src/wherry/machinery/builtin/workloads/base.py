"""What the strategies of pods and workloads have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from wherry.errors import BadRequest, FieldError, go_quote, invalid
from wherry.machinery.builtin.common.names import dns1123_label
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

NOT_NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than zero"
IMMUTABLE = "field is immutable"
NAME_WARNING = (
    "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; "
    "a DNS label is recommended: [{}]"
)


def at_least_zero(value: int, path: str) -> list[FieldError]:
    return [invalid(path, value, NOT_NEGATIVE)] if value < 0 else []


def immutable(new: Any, old: Any, path: str, shown: Any = None) -> list[FieldError]:
    """`shown` is how the value prints where that is not its JSON shape."""
    return [invalid(path, shown if shown is not None else new, IMMUTABLE)] if new != old else []


def counters(status: Obj, path: str, names: Sequence[str]) -> list[FieldError]:
    """Counters of a status that may not be negative, in the order given; absent ones are zero."""
    errors: list[FieldError] = []
    for name in names:
        errors += at_least_zero(status.get(name) or 0, f"{path}.{name}")
    return errors


def not_above(status: Obj, path: str, names: Sequence[str], limit: str, text: str) -> list[FieldError]:
    most = status.get(limit) or 0
    return [invalid(f"{path}.{name}", status.get(name) or 0, text) for name in names if (status.get(name) or 0) > most]


def parse_go_int(text: str) -> int:
    """strconv.ParseInt(text, 10, 64), with its error texts."""
    body = text[1:] if text[:1] in ("+", "-") else text
    if not body or not (body.isascii() and body.isdigit()):
        raise ValueError(f"strconv.ParseInt: parsing {go_quote(text)}: invalid syntax")
    value = int(text)
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"strconv.ParseInt: parsing {go_quote(text)}: value out of range")
    return value


def conversion_error(kind: str, text: str) -> BadRequest:
    return BadRequest(f'{kind} in version "v1" cannot be handled as a {kind}: {text}')


def name_warnings(obj: Obj) -> list[str]:
    """The name ends up in host names of pods; say so when it will not fit."""
    texts = dns1123_label(obj["metadata"].get("name", ""))
    return [NAME_WARNING.format(" ".join(texts))] if texts else []


class WorkloadStrategy(Strategy):
    """A kind with a spec, a status and a generation."""

    has_generation = True
    empty_status: ClassVar[dict[str, Any]] = {}

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        return new.get("spec") != old.get("spec")

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = dict(self.empty_status)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        new["status"] = old.get("status", dict(self.empty_status))
