"""Leases and LeaseCandidates (pkg/apis/coordination)."""

from __future__ import annotations

import re

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.names import config_map_key, label_key
from wherry.machinery.builtin.core.shared.fields import checked, immutable, make, spec_of
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

OLDEST = "OldestEmulationVersion"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_semver = re.compile(
    rf"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
).fullmatch
Version = tuple[int, int, int, int, tuple[tuple[int, int, str], ...]]
ZERO: Version = (0, 0, 0, 1, ())


def parse_version(text: str) -> Version | None:
    """A semantic version in an order that Python can compare: a release comes after its pre-releases."""
    match = _semver(text)
    if match is None:
        return None
    parts = match[4].split(".") if match[4] else []
    if any(len(part) > 20 or int(part) >= 1 << 64 for part in (*match.group(1, 2, 3), *parts) if part.isdigit()):
        return None
    pre = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
    return int(match[1]), int(match[2]), int(match[3]), 0 if pre else 1, pre


def _strategy(value: str, field: str) -> list[FieldError]:
    where = field + ".strategy"  # upstream names the field twice
    if "/" in value:
        return checked(where, value, label_key(value))
    return [] if value == OLDEST else [not_supported(where, value, [OLDEST])]


class LeaseStrategy(Strategy):
    standard_finalizers = False
    create_on_update = True
    unconditional_update = False

    def prepare_create(self, obj: Obj) -> None:
        """CoordinatedLeaderElection is off by default."""
        spec = make(obj, "spec")
        for key in ("strategy", "preferredHolder"):
            spec.pop(key, None)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        spec = make(new, "spec")
        for key in ("strategy", "preferredHolder"):
            if spec_of(old).get(key) is None:
                spec.pop(key, None)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        spec = spec_of(obj)
        out: list[FieldError] = []
        duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        if duration is not None and duration <= 0:
            out.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
        if transitions is not None and transitions < 0:
            out.append(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
        if (strategy := spec.get("strategy")) is not None:
            out += _strategy(strategy, "spec.strategy")
        if spec.get("preferredHolder") and not strategy:
            out.append(forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined"))
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return self.validate_create(new)


def _candidate_name(name: str, prefix: bool = False) -> list[str]:
    return config_map_key(name)


class LeaseCandidateStrategy(Strategy):
    standard_finalizers = False
    create_on_update = True
    unconditional_update = False
    validate_name = staticmethod(_candidate_name)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        spec = spec_of(obj)
        out = [] if spec.get("leaseName") else [required("spec.leaseName")]
        why = "must be a valid semantic version"
        emulated, binary = spec.get("emulationVersion") or "", spec.get("binaryVersion") or ""
        low = parse_version(emulated) if emulated else ZERO
        if low is None:
            out.append(invalid("spec.emulationVersion", emulated, why))
        high = parse_version(binary) if binary else ZERO
        if not binary:
            out.append(required("spec.binaryVersion"))
        elif high is None:
            out.append(invalid("spec.binaryVersion", binary, why))
        low, high = low or ZERO, high or ZERO
        if binary and emulated and high < low:
            why = "must be greater than or equal to `emulationVersion`"
            out.append(invalid("spec.binaryVersion", binary, why))
        strategy = spec.get("strategy") or ""
        if not strategy:
            return [*out, required("spec.strategy")]
        if strategy == OLDEST and low == ZERO:
            why = "must be specified when `strategy` is 'OldestEmulationVersion'"
            out.append(required("spec.emulationVersion", why))
        return out + _strategy(strategy, "spec.strategy")

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        now, was = spec_of(new).get("leaseName") or "", spec_of(old).get("leaseName") or ""
        return self.validate_create(new) + immutable(now, was, "spec.leaseName")
