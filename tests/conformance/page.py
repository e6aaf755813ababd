"""Writes docs/reference/conformance.md from the catalogue: `python -m tests.conformance.page`."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.conformance.behaviours import page

PAGE = Path(__file__).parents[2] / "docs/reference/conformance.md"


def content() -> str:
    """The page as it should be: a chapter for each module that has an area."""
    files = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
    modules = [importlib.import_module(f"tests.conformance.{name}") for name in files]
    return page([module.area for module in modules if hasattr(module, "area")])


if __name__ == "__main__":
    PAGE.write_text(content(), "utf-8")
