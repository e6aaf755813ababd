"""Reads a pattern as Go's regexp/syntax does, and refuses in its words.

Flags are written out at every atom, so that `$`, `.`, `\\w` and case folding mean what they mean in Go wherever they
stand.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from wherry.machinery.regex.classes import LAST, PERL, POSIX, negate, unicode_class
from wherry.machinery.regex.syntax import Chars, Choice, Edge, Node, PatternError, Ranges, Repeat, Sequence

_MAX_REPEAT = 1000
_MAX_DEPTH = 100  # of groups; Go allows 1000, which Python's stack does not
_SIMPLE = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_REPEAT = re.compile(r"\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\}")
_NAME = re.compile(r"[A-Za-z0-9_]+\Z")
_ANY = Chars("(?s:.)", ((0, LAST),))
_ANY_IN_LINE = Chars(r"[^\n]", ((0, 9), (11, LAST)))
_NEVER = Chars("(?!)", ())
_OPERATORS = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def parse(pattern: str) -> Node:
    """The tree of a pattern. Raises PatternError."""
    return _Parser(pattern).parse()


class _Flags(NamedTuple):
    fold: bool = False
    lines: bool = False
    dot_all: bool = False
    lazy: bool = False


class _Atom(NamedTuple):
    """One atom, and the product of the counted repetitions in it."""

    node: Node
    repeats: int = 1


class _Group:
    """An open parenthesis: the branches so far and the flags to return to."""

    def __init__(self, flags: _Flags):
        self.flags = flags
        self.branches: list[Node] = []
        self.atoms: list[_Atom] = []
        self.repeats = 1

    def branch(self) -> None:
        self.branches.append(Sequence(tuple(atom.node for atom in self.atoms)))
        self.repeats = max([self.repeats, *(atom.repeats for atom in self.atoms)])
        self.atoms = []

    def close(self) -> _Atom:
        self.branch()
        return _Atom(Choice(tuple(self.branches)), self.repeats)


def _char(code: int) -> str:
    return re.escape(chr(code))


class _Parser:
    def __init__(self, pattern: str):
        self.whole = pattern
        self.at = 0
        self.flags = _Flags()
        self.groups = [_Group(self.flags)]

    def parse(self) -> Node:
        last_repeat = -1  # where the repetition that has just been read begins
        text = self.whole
        while self.at < len(text):
            char, repeat = text[self.at], -1
            if char == "(":
                self.open_group()
            elif char == ")":
                self.close_group()
            elif char == "|":
                self.groups[-1].branch()
                self.at += 1
            elif char in "*+?":
                repeat = self.at
                self.at += 1
                self.repeat(repeat, last_repeat, char, *_OPERATORS[char])
            elif char == "{" and (found := _REPEAT.match(text, self.at)):
                repeat = self.at
                self.at = found.end()
                self.counted(found, repeat, last_repeat)
            else:
                self.atom(char)
            last_repeat = repeat
        if len(self.groups) > 1:
            raise PatternError("missing closing )", text)
        return self.groups[0].close().node

    def push(self, node: Node) -> None:
        self.groups[-1].atoms.append(_Atom(node))

    def atom(self, char: str) -> None:
        lines = self.flags.lines
        if char == "[":
            self.push(self.char_class())
        elif char == "\\":
            self.escape()
        else:
            self.at += 1
            if char == "^":
                self.push(Edge("line_start" if lines else "text_start"))
            elif char == "$":
                self.push(Edge("line_end" if lines else "text_end"))
            elif char == ".":
                self.push(_ANY if self.flags.dot_all else _ANY_IN_LINE)
            else:
                self.literal(ord(char))

    def literal(self, code: int) -> None:
        self.push(self.chars(_char(code), [(code, code)]))

    def chars(self, source: str, ranges: Ranges) -> Chars:
        return Chars(f"(?i:{source})") if self.flags.fold else Chars(source, tuple(ranges))

    # --- groups ------------------------------------------------------------------------------------------------------
    def open_group(self) -> None:
        text, start = self.whole, self.at
        if not text.startswith("(?", start):
            self.at += 1
            self.enter()
            return
        rest = text[start:]
        name_at = (
            4 if rest.startswith("(?P<") and len(rest) > 4 else 3 if rest.startswith("(?<") and len(rest) > 3 else 0
        )
        if name_at:
            end = rest.find(">")
            if end < 0:
                raise PatternError("invalid named capture", rest)
            if _NAME.match(rest[name_at:end]) is None:
                raise PatternError("invalid named capture", rest[: end + 1])
            self.at += end + 1
            self.enter()
            return
        self.perl_flags(start)

    def perl_flags(self, start: int) -> None:
        text, position = self.whole, start + 2
        flags, value, seen = self.flags, True, False
        while position < len(text):
            char = text[position]
            position += 1
            if char == "i":
                flags, seen = flags._replace(fold=value), True
            elif char == "m":
                flags, seen = flags._replace(lines=value), True
            elif char == "s":
                flags, seen = flags._replace(dot_all=value), True
            elif char == "U":
                flags, seen = flags._replace(lazy=value), True
            elif char == "-" and value:
                value, seen = False, False
            elif char in ":)" and (value or seen):
                if char == ":":
                    self.enter()
                self.flags, self.at = flags, position
                return
            else:
                break
        raise PatternError("invalid or unsupported Perl syntax", text[start:position])

    def enter(self) -> None:
        if len(self.groups) > _MAX_DEPTH:
            raise PatternError("expression nests too deeply", self.whole)
        self.groups.append(_Group(self.flags))

    def close_group(self) -> None:
        if len(self.groups) == 1:
            raise PatternError("unexpected )", self.whole)
        group = self.groups.pop()
        self.groups[-1].atoms.append(group.close())
        self.flags = group.flags
        self.at += 1

    # --- repetition --------------------------------------------------------------------------------------------------
    def counted(self, found: re.Match[str], start: int, last: int) -> None:
        low = int(found[1])
        high = low if found[2] is None else int(found[3]) if found[3] else None
        if low > _MAX_REPEAT or (high is not None and (high > _MAX_REPEAT or low > high)):
            raise PatternError("invalid repeat count", found[0])
        self.repeat(start, last, found[0], low, high)

    def repeat(self, start: int, last: int, operator: str, low: int, high: int | None) -> None:
        text = self.whole
        lazy = self.flags.lazy
        if text.startswith("?", self.at):
            self.at += 1
            lazy = not lazy
        if last >= 0:
            raise PatternError("invalid nested repetition operator", text[last : self.at])
        atoms = self.groups[-1].atoms
        if not atoms:
            raise PatternError("missing argument to repetition operator", text[start : self.at])
        atom = atoms.pop()
        count = low if high is None else high
        repeats = atom.repeats * count if count else atom.repeats
        if count >= 2 and repeats > _MAX_REPEAT:
            raise PatternError("invalid repeat count", text[start : self.at])
        atoms.append(_Atom(Repeat(atom.node, low, high, lazy, operator), repeats))

    # --- escapes -----------------------------------------------------------------------------------------------------
    def escape(self) -> None:
        text, start = self.whole, self.at
        kind = text[start + 1 : start + 2]
        if kind in ("A", "z"):
            self.push(Edge("text_start" if kind == "A" else "text_end"))
        elif kind in ("b", "B"):
            self.push(Edge("word" if kind == "b" else "no_word"))
        elif kind == "C":
            raise PatternError("invalid escape sequence", r"\C")
        elif kind == "Q":
            end = text.find(r"\E", start + 2)
            for char in text[start + 2 : end if end >= 0 else len(text)]:
                self.literal(ord(char))
            self.at = len(text) if end < 0 else end + 2
            return
        else:
            ranges = self.class_escape()
            if ranges is not None:
                self.push(self.ranges(ranges, False))
            else:
                self.literal(self.char_escape())
            return
        self.at += 2

    def class_escape(self) -> Ranges | None:
        """A Unicode or Perl class at the backslash, which is consumed; None when it is another escape."""
        text, start = self.whole, self.at
        kind = text[start + 1 : start + 2]
        if kind and kind in "pP":
            return self.unicode_escape(kind == "P")
        ranges = PERL.get(kind.lower()) if kind else None
        if ranges is None:
            return None
        self.at += 2
        return negate(ranges) if kind.isupper() else ranges

    def unicode_escape(self, negative: bool) -> Ranges:
        text, start = self.whole, self.at
        name = text[start + 2 : start + 3]
        end = start + 3
        if name == "{":
            close = text.find("}", start)
            if close < 0:
                raise PatternError("invalid character class range", text[start:])
            name, end = text[start + 3 : close], close + 1
        if name.startswith("^"):
            name, negative = name[1:], not negative
        ranges = unicode_class(name)
        if ranges is None:
            raise PatternError("invalid character class range", text[start:end])
        self.at = end
        return negate(list(ranges)) if negative else list(ranges)

    def char_escape(self) -> int:
        """One escaped character at the backslash, which is consumed."""
        text, start = self.whole, self.at
        if start + 1 >= len(text):
            raise PatternError("trailing backslash at end of expression", "")
        char = text[start + 1]
        self.at = start + 2
        if char in _SIMPLE:
            return _SIMPLE[char]
        if char < "\x80" and not char.isalnum():
            return ord(char)
        if char in "01234567" and (char == "0" or text[start + 2 : start + 3] in tuple("01234567")):
            digits = re.compile("[0-7]{1,3}").match(text, start + 1)
            assert digits is not None
            self.at = digits.end()
            return int(digits[0], 8)
        if char == "x":
            return self.hex_escape(start)
        raise PatternError("invalid escape sequence", text[start : self.at])

    def hex_escape(self, start: int) -> int:
        text = self.whole
        braced = re.compile(r"\\x\{([0-9A-Fa-f]+)\}").match(text, start)
        plain = re.compile(r"\\x([0-9A-Fa-f]{2})").match(text, start)
        found = braced or plain
        if found is not None and int(found[1], 16) <= 0x10FFFF:
            self.at = found.end()
            return int(found[1], 16)
        end = start + 4
        if text.startswith("{", start + 2):
            end = start + 3
            value, digits = 0, 0
            while end < len(text):
                char = text[end]
                end += 1
                if char not in "0123456789abcdefABCDEF":
                    break
                value, digits = value * 16 + int(char, 16), digits + 1
                if value > 0x10FFFF:
                    break
        raise PatternError("invalid escape sequence", text[start : min(end, len(text))])

    # --- classes -----------------------------------------------------------------------------------------------------
    def char_class(self) -> Chars:
        text, start = self.whole, self.at
        self.at += 1
        negative = text.startswith("^", self.at)
        self.at += negative
        ranges: Ranges = []
        first = True
        while first or not text.startswith("]", self.at):
            first = False
            more = self.named_class() if text.startswith("[:", self.at) else None
            if more is None and text.startswith("\\", self.at):
                more = self.class_escape()
            if more is None:
                more = [self.char_range(start)]
            ranges += more
        self.at += 1
        return self.ranges(ranges, negative)

    def named_class(self) -> Ranges | None:
        text, start = self.whole, self.at
        end = text.find(":]", start + 2)
        if end < 0:
            return None
        name = text[start + 2 : end]
        ranges = POSIX.get(name.removeprefix("^"))
        if ranges is None:
            raise PatternError("invalid character class range", text[start : end + 2])
        self.at = end + 2
        return negate(ranges) if name.startswith("^") else ranges

    def char_range(self, start: int) -> tuple[int, int]:
        text, begin = self.whole, self.at
        low = self.class_char(start)
        if text.startswith("-", self.at) and len(text) - self.at >= 2 and text[self.at + 1] != "]":
            self.at += 1
            high = self.class_char(start)
            if high < low:
                raise PatternError("invalid character class range", text[begin : self.at])
            return low, high
        return low, low

    def class_char(self, start: int) -> int:
        if self.at >= len(self.whole):
            raise PatternError("missing closing ]", self.whole[start:])
        char = self.whole[self.at]
        if char == "\\":
            return self.char_escape()
        self.at += 1
        return ord(char)

    def ranges(self, ranges: Ranges, negative: bool) -> Chars:
        members = "".join(_char(a) if a == b else f"{_char(a)}-{_char(b)}" for a, b in ranges)
        if not members:
            return _ANY if negative else _NEVER
        return self.chars(f"[{'^' if negative else ''}{members}]", negate(ranges) if negative else ranges)
