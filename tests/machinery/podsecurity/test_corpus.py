"""Upstream's fixtures: pods that a level at a version takes, and pods that it does not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from wherry.machinery import builtins
from wherry.machinery.builtin import strategy
from wherry.machinery.podsecurity import LevelVersion, evaluate
from wherry.machinery.podsecurity.levels import parse_version
from wherry.machinery.typed import decoder

pytestmark = pytest.mark.skipif("WHERRY_CORPORA" not in os.environ, reason="WHERRY_CORPORA is not set: no pods")
LEVELS = ("baseline", "restricted")


def _decoded(text: str, made: dict[str, Any]) -> Any:
    """As admission sees it: canonical and defaulted. Many versions share a pod."""
    if text not in made:
        assert builtins.resource("", "v1", "pods") is not None
        made[text] = decoder("", "v1", "Pod").convert(yaml.load(text, yaml.CSafeLoader)).obj
        strategy("", "pods").default(made[text])
    return made[text]


def _fixtures(level: str) -> Iterator[tuple[str, str, Path]]:
    folder = Path(os.environ["WHERRY_CORPORA"]) / "pod-security" / level
    for path in sorted(folder.glob("*/*/*.yaml")):
        yield path.parts[-3], path.parts[-2], path


@pytest.mark.parametrize("level", LEVELS)
def test_pods_are_judged_as_upstream_judges_them(level: str) -> None:
    made: dict[str, Any] = {}
    wrong, count = [], 0
    for version, verdict, path in _fixtures(level):
        parsed = parse_version(version)
        assert parsed is not None
        pod = _decoded(path.read_text(), made)
        found = evaluate(LevelVersion(level, parsed), pod["metadata"], pod["spec"])
        count += 1
        if found.allowed is not (verdict == "pass"):
            wrong.append(f"{version}/{verdict}/{path.name}: {found.detail()}")
    assert count > 500
    assert not wrong
