"""What can go wrong: `CompileError` with positions for people, `CelError` for a run."""

from __future__ import annotations

from dataclasses import dataclass


class CelError(Exception):
    """An error value of the language; `&&` and `||` may absorb it."""


class CostExceeded(CelError):
    """The budget is spent. Nothing absorbs it."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


@dataclass(frozen=True, slots=True)
class Issue:
    """`at` is an offset in the source, -1 for none."""

    at: int
    message: str


class CompileError(Exception):
    """Everything wrong with one expression; `str()` is the text of cel-go, with a caret under the column."""

    def __init__(self, source: str, issues: list[Issue]):
        self.source = source
        self.issues = issues
        super().__init__("\n".join(display(source, issue) for issue in issues))


def display(source: str, issue: Issue) -> str:
    if issue.at < 0:
        return f"ERROR: <input>:-1:0: {issue.message}"
    line = source.count("\n", 0, issue.at) + 1
    start = source.rfind("\n", 0, issue.at) + 1
    column = issue.at - start
    end = source.find("\n", start)
    snippet = (source[start:] if end < 0 else source[start:end]).replace("\t", " ")
    text = f"ERROR: <input>:{line}:{column + 1}: {issue.message}"
    if len(snippet) > 16384:
        return text
    dots = "".join("．" if ord(c) > 127 else "." for c in snippet[:column])
    mark = "＾" if column < len(snippet) and ord(snippet[column]) > 127 else "^"
    return f"{text}\n | {snippet}\n | {dots}{mark}"


def no_overload() -> CelError:
    return CelError("no such overload")
