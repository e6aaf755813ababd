"""Character classes of Go regular expressions as ranges of code points: Perl, POSIX and Unicode ones.

Asked by `parser` only when a pattern has such a class. Unicode categories come from `unicodedata`; scripts, which it
does not have, from the names of the characters.
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

from wherry.machinery.regex.syntax import Ranges

LAST = sys.maxunicode

_DIGIT, _UPPER, _LOWER = (0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)
PERL: dict[str, Ranges] = {
    "d": [_DIGIT],
    "s": [(0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20)],
    "w": [_DIGIT, _UPPER, (0x5F, 0x5F), _LOWER],
}
POSIX: dict[str, Ranges] = {
    "alnum": [_DIGIT, _UPPER, _LOWER],
    "alpha": [_UPPER, _LOWER],
    "ascii": [(0x00, 0x7F)],
    "blank": [(0x09, 0x09), (0x20, 0x20)],
    "cntrl": [(0x00, 0x1F), (0x7F, 0x7F)],
    "digit": [_DIGIT],
    "graph": [(0x21, 0x7E)],
    "lower": [_LOWER],
    "print": [(0x20, 0x7E)],
    "punct": [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)],
    "space": [(0x09, 0x0D), (0x20, 0x20)],
    "upper": [_UPPER],
    "word": [_DIGIT, _UPPER, (0x5F, 0x5F), _LOWER],
    "xdigit": [_DIGIT, (0x41, 0x46), (0x61, 0x66)],
}
_LETTERS, _MARKS, _NUMBERS = ("L", "Ll", "Lm", "Lo", "Lt", "Lu"), ("M", "Mc", "Me", "Mn"), ("N", "Nd", "Nl", "No")
_PUNCTUATION, _SYMBOLS = ("P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps"), ("S", "Sc", "Sk", "Sm", "So")
_REST = ("C", "Cc", "Cf", "Co", "Cs", "Z", "Zl", "Zp", "Zs")
_CATEGORIES = frozenset((*_LETTERS, *_MARKS, *_NUMBERS, *_PUNCTUATION, *_SYMBOLS, *_REST))
# script -> how the names of its letters begin; the scripts that people write patterns for
_SCRIPTS = {
    "Arabic": ("ARABIC ",),
    "Armenian": ("ARMENIAN ",),
    "Bengali": ("BENGALI ",),
    "Cherokee": ("CHEROKEE ",),
    "Cyrillic": ("CYRILLIC ",),
    "Devanagari": ("DEVANAGARI ",),
    "Ethiopic": ("ETHIOPIC ",),
    "Georgian": ("GEORGIAN ",),
    "Greek": ("GREEK ",),
    "Gujarati": ("GUJARATI ",),
    "Gurmukhi": ("GURMUKHI ",),
    "Han": ("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "CJK RADICAL", "KANGXI RADICAL"),
    "Hangul": ("HANGUL ",),
    "Hebrew": ("HEBREW ",),
    "Hiragana": ("HIRAGANA ",),
    "Kannada": ("KANNADA ",),
    "Katakana": ("KATAKANA ",),
    "Khmer": ("KHMER ",),
    "Lao": ("LAO ",),
    "Latin": ("LATIN ", "FULLWIDTH LATIN ", "FEMININE ORDINAL", "MASCULINE ORDINAL"),
    "Malayalam": ("MALAYALAM ",),
    "Mongolian": ("MONGOLIAN ",),
    "Myanmar": ("MYANMAR ",),
    "Sinhala": ("SINHALA ",),
    "Tamil": ("TAMIL ",),
    "Telugu": ("TELUGU ",),
    "Thai": ("THAI ",),
    "Tibetan": ("TIBETAN ",),
}


def negate(ranges: Ranges) -> Ranges:
    out: Ranges = []
    start = 0
    for low, high in sorted(ranges):
        if low > start:
            out.append((start, low - 1))
        start = max(start, high + 1)
    if start <= LAST:
        out.append((start, LAST))
    return out


@cache
def unicode_class(name: str) -> tuple[tuple[int, int], ...] | None:
    """The ranges of a category or script, None when Go does not know the name (or this table does not)."""
    if name == "Any":
        return ((0, LAST),)
    if name in _CATEGORIES:
        return _collect(lambda char: unicodedata.category(char).startswith(name))
    prefixes = _SCRIPTS.get(name)
    if prefixes is None:
        return None
    return _collect(lambda char: unicodedata.name(char, "").startswith(prefixes))


def _collect(wanted: object) -> tuple[tuple[int, int], ...]:
    assert callable(wanted)
    out: list[tuple[int, int]] = []
    start = -1
    for code in range(LAST + 1):
        if wanted(chr(code)):
            if start < 0:
                start = code
        elif start >= 0:
            out.append((start, code - 1))
            start = -1
    if start >= 0:
        out.append((start, LAST))
    return tuple(out)
