"""Go (RE2) regular expressions on top of `re`.

A first translation: the differences that matter for the patterns people write ($, \\z, ASCII classes, POSIX classes).
"""

from __future__ import annotations

import re
from functools import lru_cache

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7F",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1F\\x7F",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}


class PatternError(ValueError):
    """A pattern that does not compile; the text is Go's."""


@lru_cache(maxsize=4096)
def compile_go(pattern: str) -> re.Pattern[str]:
    """The pattern for `search`. Raises PatternError."""
    out: list[str] = []
    i, in_class, size = 0, False, len(pattern)
    while i < size:
        char = pattern[i]
        if char == "\\" and i + 1 < size:
            pair = pattern[i : i + 2]
            out.append("\\Z" if pair == "\\z" and not in_class else pair)
            i += 2
            continue
        if in_class:
            if pattern.startswith("[:", i) and (end := pattern.find(":]", i)) > 0:
                name = pattern[i + 2 : end]
                out.append(_POSIX.get(name, name))
                i = end + 2
                continue
            out.append("\\[" if char == "[" else char)
            in_class = char != "]"
        elif char == "[":
            in_class = True
            out.append(char)
            if pattern.startswith("^", i + 1):
                out.append("^")
                i += 1
            if pattern.startswith("]", i + 1):
                out.append("\\]")
                i += 1
        elif char == "$":
            out.append("\\Z")
        elif pattern.startswith("(?<", i) and not pattern.startswith(("(?<=", "(?<!"), i):
            out.append("(?P<")
            i += 2
        else:
            out.append(char)
        i += 1
    try:
        return re.compile("".join(out), re.ASCII)
    except re.error as error:
        raise PatternError(f"error parsing regexp: {error}") from None
