"""Labels as a policy."""

from __future__ import annotations

import pytest

from wherry.machinery.podsecurity.levels import LATEST, LevelVersion, Policy, labelled, parse_version, policy_of

P = "pod-security.kubernetes.io/"
RESTRICTED = LevelVersion("restricted", LATEST)


@pytest.mark.parametrize(
    ("text", "version"),
    [("latest", LATEST), ("v1.0", (1, 0)), ("v1.22", (1, 22)), ("v1.022", None), ("1.22", None), ("v2.0", None)],
)
def test_versions(text: str, version: tuple[int, int] | None) -> None:
    assert parse_version(text) == version


def test_what_is_enforced_is_warned_of_as_well() -> None:
    policy, mistakes = policy_of({P + "enforce": "baseline", P + "enforce-version": "v1.20"})
    assert not mistakes
    assert policy.warn == policy.enforce == LevelVersion("baseline", (1, 20))
    assert policy.audit.level == "privileged"


def test_unless_there_is_a_label_for_warnings() -> None:
    assert policy_of({P + "enforce": "baseline", P + "warn": "restricted"})[0].warn == RESTRICTED
    assert policy_of({P + "enforce": "baseline", P + "warn": "privileged"})[0].warn.level == "privileged"


def test_mistakes_fail_closed_where_enforced_and_open_elsewhere() -> None:
    policy, mistakes = policy_of({P + "enforce": "x", P + "audit": "y", P + "warn-version": "1"})
    assert policy == Policy(RESTRICTED, LevelVersion(), LevelVersion())
    assert [str(m) for m in mistakes] == [
        f'metadata.labels[{P}enforce]: Invalid value: "x": must be one of privileged, baseline, restricted',
        f'metadata.labels[{P}audit]: Invalid value: "y": must be one of privileged, baseline, restricted',
        f'metadata.labels[{P}warn-version]: Invalid value: "1": must be "latest" or "v1.x"',
    ]


def test_labels_say_what_they_ask_for() -> None:
    labels = {P + "enforce": "baseline", P + "warn": "restricted", P + "audit": "privileged"}
    assert labelled(labels, policy_of(labels)[0]) == "enforce=baseline:latest, warn=restricted:latest"
    assert RESTRICTED.equivalent(RESTRICTED)
    assert LevelVersion("privileged", (1, 2)).equivalent(LevelVersion())
