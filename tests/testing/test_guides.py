"""The guides' examples: what a page shows is run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wherry

DOCS = Path(__file__).parents[2] / "docs/how-to"
FILE = re.compile(r"^```python\n# (\S+\.py)\n(.*?)^```", re.M | re.S)
PAGES = sorted(page for page in DOCS.glob("test-*.md") if FILE.search(page.read_text("utf-8")))


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(wherry.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "PYTEST_PLUGINS": "wherry.testing.plugin"}
    line = [sys.executable, *command]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_files_of_a_guide_work(page: Path, tmp_path: Path) -> None:
    for name, text in FILE.findall(page.read_text("utf-8")):
        (tmp_path / name).write_text(text, "utf-8")
    done = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["embed", "share-kinds"])
def test_a_program_prints_what_its_page_says(name: str, tmp_path: Path) -> None:
    page = (DOCS / f"{name}.md").read_text("utf-8")
    (tmp_path / "program.py").write_text(re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)[0], "utf-8")
    done = run(tmp_path, "program.py")
    assert done.stdout == re.findall(r"^```text\n(.*?)^```", page, re.M | re.S)[0], done.stderr


def test_the_reference_names_all_that_fixtures_give() -> None:
    from wherry.testing import plugin
    from wherry.testing.traffic import Traffic
    from wherry.testing.workspace import Workspace

    page = (DOCS.parent / "reference/fixtures.md").read_text("utf-8")
    public = {name for cls in (Workspace, Traffic) for name in vars(cls) if not name.startswith("_")}
    inside = {"through", "recorded"}
    missing = [name for name in {*plugin.__all__, *public} - inside if not re.search(rf"`{name}[`(.]", page)]
    assert missing == []
