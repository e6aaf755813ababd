"""Laws about the shape of the code: who may import whom, how long a file may be, what a module must say of itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src/wherry").rglob("*.py"))


def test_rooms_import_only_downwards() -> None:
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize("folder", ["src", "tests", "bench", "tools"])
def test_no_file_is_over_600_lines(folder: str) -> None:
    long = {
        str(file.relative_to(ROOT)): count
        for file in (ROOT / folder).rglob("*.py")
        if (count := len(file.read_text("utf-8").splitlines())) > 600
    }
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file in SOURCES
        if (tree := ast.parse(file.read_text("utf-8"))).body and not ast.get_docstring(tree)
    ]
    assert silent == []


def test_exported_names_exist_and_say_what_they_are() -> None:
    import wherry

    for name in getattr(wherry, "__all__", ()):
        assert getattr(wherry, name).__doc__, name


def test_importing_the_command_imports_next_to_nothing() -> None:
    program = "import sys, wherry.cli; print(*[m for m in sys.modules if m.startswith('wherry')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"wherry", "wherry.cli", "wherry.kit", "wherry.kit.version"}


def test_help_imports_no_server() -> None:
    program = (
        "import sys, wherry.cli, contextlib\n"
        "with contextlib.suppress(SystemExit): wherry.cli.main(['up', '--help'])\n"
        "sys.exit(any(m in sys.modules for m in ('asyncio', 'ssl', 'wherry.controlplane', 'orjson')))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


def test_test_modules_can_be_told_apart() -> None:
    """pytest names a module by the path below the first folder without `__init__.py`; two of one name cannot load."""
    seen: dict[str, Path] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        top = file.parent
        while (top / "__init__.py").exists():
            top = top.parent
        name = str(file.relative_to(top))
        assert name not in seen, f"{file} and {seen[name]}: put an empty __init__.py beside one of them"
        seen[name] = file
