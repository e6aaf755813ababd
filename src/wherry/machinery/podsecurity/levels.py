"""Levels, versions, and the policy that the labels of a namespace declare (pod-security-admission/api)."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from wherry.errors import FieldError, invalid

PREFIX = "pod-security.kubernetes.io/"
PRIVILEGED, BASELINE, RESTRICTED = LEVELS = ("privileged", "baseline", "restricted")
Version = tuple[int, int]
LATEST: Version = (1 << 31, 0)  # newer than any
_VERSION = re.compile(r"v1\.([0-9]|[1-9][0-9]*)", re.ASCII)
_BAD_LEVEL = f"must be one of {', '.join(LEVELS)}"
_BAD_VERSION = 'must be "latest" or "v1.x"'


class LevelVersion(NamedTuple):
    """A level as it was at a version."""

    level: str = PRIVILEGED
    version: Version = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{version_text(self.version)}"

    def equivalent(self, other: LevelVersion) -> bool:
        """Whether both allow the same: of what is privileged no version counts."""
        return self == other or self.level == other.level == PRIVILEGED


class Policy(NamedTuple):
    """What is enforced in a namespace, what is noted in the audit log, and what is warned of."""

    enforce: LevelVersion = LevelVersion()
    audit: LevelVersion = LevelVersion()
    warn: LevelVersion = LevelVersion()

    @property
    def privileged(self) -> bool:
        """Whether everything is allowed in silence."""
        return all(mode.level == PRIVILEGED for mode in self)

    def equivalent(self, other: Policy) -> bool:
        return all(mine.equivalent(theirs) for mine, theirs in zip(self, other, strict=True))


NOTHING = Policy()


def version_text(version: Version) -> str:
    return "latest" if version == LATEST else f"v{version[0]}.{version[1]}"


def parse_version(text: str) -> Version | None:
    """None for what is no version."""
    if text == "latest":
        return LATEST
    found = _VERSION.fullmatch(text)
    if found is None or int(found[1]) >= 1 << 63:
        return None
    return 1, int(found[1])


def stricter(a: str, b: str) -> bool:
    """Whether level `a` allows less than level `b`."""
    return LEVELS.index(a) > LEVELS.index(b)


def policy_of(labels: dict[str, Any], defaults: Policy = NOTHING) -> tuple[Policy, list[FieldError]]:
    """The policy of a namespace, and what is wrong with its labels.

    A label that says nothing known is taken for the strictest where it is enforced and for the laxest elsewhere; what
    is enforced is warned of, too, unless there is a label for warnings.
    """
    found: list[FieldError] = []
    if not any(label.startswith(PREFIX) for label in labels):
        return defaults, found
    modes: dict[str, LevelVersion] = {}
    for mode, default in zip(Policy._fields, defaults, strict=True):
        level, version = default
        label = PREFIX + mode
        if label in labels:
            level = labels[label]
            if level not in LEVELS:
                found.append(invalid(f"metadata.labels[{label}]", level, _BAD_LEVEL))
                level = RESTRICTED if mode == "enforce" else PRIVILEGED
        label = f"{PREFIX}{mode}-version"
        if label in labels:
            parsed = parse_version(labels[label])
            if parsed is None:
                found.append(invalid(f"metadata.labels[{label}]", labels[label], _BAD_VERSION))
            version = LATEST if parsed is None else parsed
        modes[mode] = LevelVersion(level, version)
    enforce, warn = modes["enforce"], modes["warn"]
    said = labels.get(PREFIX + "enforce") in LEVELS
    if said and PREFIX + "warn" not in labels and stricter(enforce.level, warn.level):
        version = warn.version if f"{PREFIX}warn-version" in labels else enforce.version
        modes["warn"] = LevelVersion(enforce.level, version)
    return Policy(**modes), found


def labelled(labels: dict[str, Any], policy: Policy) -> str:
    """The modes that labels ask for and that are not privileged, in short."""
    shown = [
        f"{mode}={wanted}"
        for mode, wanted in zip(Policy._fields, policy, strict=True)
        if wanted.level != PRIVILEGED and (PREFIX + mode in labels or f"{PREFIX}{mode}-version" in labels)
    ]
    return ", ".join(shown)
