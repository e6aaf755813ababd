"""Laws about the documents: every flag and metric is described, every link leads somewhere, examples run."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.cli.arguments import parser

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
CLI_PAGE = ROOT / "docs/reference/cli.md"


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def flags() -> list[tuple[str, str]]:
    return [
        (command, option)
        for command, sub in commands()
        for action in sub._actions
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    ]


def section(text: str, title: str) -> str:
    """What stands below a heading, up to the next of the same level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, f"docs/reference/cli.md has no section {title!r}"
    return found[1]


@pytest.mark.parametrize("command", [name for name, _ in commands()])
def test_every_command_has_a_section(command: str) -> None:
    assert section(CLI_PAGE.read_text("utf-8"), f"wherry {command}").strip()


@pytest.mark.parametrize(("command", "flag"), flags())
def test_every_flag_is_described(command: str, flag: str) -> None:
    assert f"`{flag}" in section(CLI_PAGE.read_text("utf-8"), f"wherry {command}")


def test_no_flag_is_described_that_does_not_exist() -> None:
    text = CLI_PAGE.read_text("utf-8")
    for command, _ in commands():
        described = set(re.findall(r"^\| `(--[a-z-]+)", section(text, f"wherry {command}"), re.M))
        assert described == {flag for owner, flag in flags() if owner == command}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_metric_is_described() -> None:
    source = (ROOT / "src/wherry/server/metrics.py").read_text("utf-8")
    page = (ROOT / "docs/reference/metrics.md").read_text("utf-8")
    names = set(re.findall(r"\b((?:apiserver|etcd|process|wherry)_[a-z_]+)\b", source))
    assert names
    # A histogram is one metric in three series.
    families = {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in names}
    assert sorted(name for name in families if f"`{name}`" not in page) == []


BLOCK = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
EXAMPLES = [(page, text) for page in PAGES if (text := page.read_text("utf-8")) and BLOCK.search(text)]


@pytest.mark.parametrize(("page", "text"), EXAMPLES, ids=[str(page.relative_to(ROOT)) for page, _ in EXAMPLES])
def test_console_examples_show_what_really_happens(page: Path, text: str, tmp_path: Path) -> None:
    """Lines after `$ ` are run in one folder; what follows must be in the output, `...` standing for anything.

    A command that ends in `&` runs until the page ends. A page's control plane takes a free port, so that pages can be
    tried side by side.
    """
    folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "KUBECACHEDIR": str(tmp_path / ".cache")}
    environment.pop("KUBECONFIG", None)
    running: list[subprocess.Popen[str]] = []
    try:
        for block in BLOCK.findall(text):
            for command, expected in steps(block):
                command = command.replace("wherry up", "wherry up --port 0", 1)
                if command.endswith(" &"):
                    process = subprocess.Popen(
                        ["bash", "-c", f"exec {command[:-2]}"],
                        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True,
                    )  # fmt: skip
                    running.append(process)
                    assert process.stdout is not None
                    shown = process.stdout.readline()
                else:
                    done = subprocess.run(
                        ["bash", "-c", command],
                        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
                    )  # fmt: skip
                    shown = done.stdout + done.stderr
                assert matches(expected, shown), f"$ {command}\nexpected:\n{expected}\ngot:\n{shown}"
    finally:
        for process in running:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=10)


def steps(block: str) -> Iterator[tuple[str, str]]:
    """(command, expected output) of a console block; a here-document belongs to its command."""
    command, expected, until = "", [], ""
    for line in block.splitlines():
        if until:
            command += "\n" + line
            if line == until:
                until = ""
        elif line.startswith("$ "):
            if command:
                yield command, "\n".join(expected)
            command, expected = line[2:], []
            here = re.search(r"<<'?(\w+)'?$", line)
            until = here[1] if here else ""
        else:
            expected.append(line)
    if command:
        yield command, "\n".join(expected)


def matches(expected: str, shown: str) -> bool:
    """Every expected line in order; blanks count as one, `...` and anything that looks like an age as anything."""
    pattern = ""
    for line in expected.splitlines():
        if line.strip():
            parts = [r"\s+".join(map(re.escape, part.split())) for part in line.split("...")]
            body = r".*?".join(re.sub(r"(?<=\\s\+)\d+s\Z", r"\\d+m?s?", part) for part in parts)
            pattern += body + r"[^\n]*\n(?:.*\n)*?"
    return re.search(pattern, shown + "\n") is not None
