"""Random well-typed expressions, and values for the variables that they name.

Left out, since cel-cpp differs there from cel-go, which Kubernetes uses: the conversion of a constant that cannot be
converted (cel-go fails before the run, even where the run would not come to it), `substring` up to the very end
(cel-cpp refuses it), `''.split('')` (nothing in cel-go, one empty text in cel-cpp) and, without `dyn`, `<` between two
kinds of numbers (cel-cpp's checker refuses it).
"""

from __future__ import annotations

import re

from hypothesis import strategies as st

_HOLE = re.compile(r"<([a-z(), ]+)>")
# variable -> its type, as both sides name it
VARIABLES = {
    "i": "int",
    "j": "int",
    "u": "uint",
    "d": "double",
    "b": "bool",
    "s": "string",
    "t": "string",
    "l": "list(int)",
    "k": "list(string)",
    "m": "map(string, int)",
}
_INTS = st.one_of(st.integers(-3, 12), st.sampled_from([2**63 - 1, -(2**63), 2**31, -(2**31), 10**12]))
_UINTS = st.one_of(st.integers(0, 12), st.sampled_from([2**64 - 1, 2**63, 2**32]))
_DOUBLES = st.sampled_from([0.0, -0.0, 1.0, -1.5, 0.1, 1e300, 1e-300, 3.0, 2.5, 9.3e18, 1.9e19, -1e19])
_WORDS = st.sampled_from(["", "a", "b", "ab", "ba", "aab", "é", "日本", "😀", "a.b", "10", "-7", "true", "1.5"])

BINDINGS = st.fixed_dictionaries(
    {
        "i": _INTS,
        "j": _INTS,
        "u": _UINTS,
        "d": _DOUBLES,
        "b": st.booleans(),
        "s": _WORDS,
        "t": _WORDS,
        "l": st.lists(_INTS, max_size=4),
        "k": st.lists(_WORDS, max_size=4),
        "m": st.dictionaries(_WORDS, _INTS, max_size=3),
    }
)

_LITERALS: dict[str, st.SearchStrategy[str]] = {
    "int": st.one_of(_INTS.map(str), st.sampled_from(["i", "j", "0x1F"])),
    "uint": st.one_of(_UINTS.map(lambda n: f"{n}u"), st.just("u")),
    "double": st.one_of(_DOUBLES.map(repr), st.just("d")),
    "bool": st.sampled_from(["true", "false", "b"]),
    "string": st.one_of(_WORDS.map(lambda w: f"'{w}'"), st.sampled_from(["s", "t", "r'\\d'", '"\\u00e9"'])),
    "list(int)": st.sampled_from(["l", "[1, 2, 3]", "[i, j]"]),
    "list(string)": st.sampled_from(["k", "['a', s]"]),
    "map(string, int)": st.sampled_from(["m", "{'a': 1, s: i}"]),
    "bytes": st.sampled_from(["b'a'", "b''", "b'\\xff'"]),
}

# type -> templates; `<type>` is where an expression of that type goes
_TEMPLATES: dict[str, list[str]] = {
    "int": [
        *(f"(<int> {sign} <int>)" for sign in "+-*/%"),
        "(-(<int>))",
        "size(<string>)",
        "<list(int)>.size()",
        "size(<map(string, int)>)",
        "size(<bytes>)",
        "int((d + <double>))",
        "int((u + <uint>))",
        "int((s + <string>))",
        "(<bool> ? <int> : <int>)",
        "<list(int)>[<int>]",
        "<map(string, int)>[<string>]",
        "<string>.indexOf(<string>)",
        "<string>.lastIndexOf(<string>)",
    ],
    "uint": [
        *(f"(<uint> {sign} <uint>)" for sign in "+-*/%"),
        "uint((i + <int>))",
        "uint((d * <double>))",
        "uint((s + <string>))",
    ],
    "double": [
        *(f"(<double> {sign} <double>)" for sign in "+-*/"),
        "(-(<double>))",
        "double(<int>)",
        "double(<uint>)",
        "double((s + <string>))",
    ],
    "bool": [
        *(f"(<{kind}> {sign} <{kind}>)" for kind in ("int", "uint", "double", "string") for sign in ("<", ">=")),
        *(f"(<{kind}> {sign} <{kind}>)" for kind in ("int", "double", "string", "bytes") for sign in ("==", "!=")),
        *(f"(<{kind}> == <{kind}>)" for kind in ("list(int)", "list(string)", "map(string, int)", "bool", "uint")),
        *(f"(dyn(<{left}>) == <{right}>)" for left, right in (("int", "double"), ("uint", "int"), ("string", "int"))),
        *(f"(dyn(<{left}>) < <{right}>)" for left, right in (("int", "double"), ("uint", "int"), ("double", "uint"))),
        "(<bool> && <bool>)",
        "(<bool> || <bool>)",
        "(!<bool>)",
        "(<bool> ? <bool> : <bool>)",
        "(<int> in <list(int)>)",
        "(<string> in <map(string, int)>)",
        "<string>.contains(<string>)",
        "<string>.startsWith(<string>)",
        "<string>.endsWith(<string>)",
        "<string>.matches('^[a-z]+$')",
        "<list(int)>.all(x, x < <int>)",
        "<list(int)>.exists(x, 10 / x > <int>)",
        "<list(string)>.exists_one(x, x == <string>)",
        "<map(string, int)>.all(x, x != <string>)",
        "has(<map(string, int)>.a)",
        "bool((s + <string>))",
    ],
    "string": [
        "(<string> + <string>)",
        "string(<int>)",
        "string(<uint>)",
        "string(<bool>)",
        "string((bytes(s) + <bytes>))",
        "(<bool> ? <string> : <string>)",
        "<list(string)>[<int>]",
        "<string>.charAt(<int>)",
        "<string>.substring(<int>)",
        "(<string> + '..').substring(<int>, 1)",
        "<string>.replace(<string>, <string>)",
        "<string>.lowerAscii()",
        "<string>.upperAscii()",
        "<string>.trim()",
        "<list(string)>.join(<string>)",
    ],
    "list(int)": [
        "(<list(int)> + <list(int)>)",
        "[<int>, <int>]",
        "<list(int)>.map(x, x + <int>)",
        "<list(int)>.filter(x, x != <int>)",
        "<list(int)>.map(x, x > <int>, x * 2)",
    ],
    "list(string)": ["(<list(string)> + <list(string)>)", "[<string>]", "(<string> + '-').split(<string>)"],
    "map(string, int)": ["{<string>: <int>}"],
    "bytes": ["(<bytes> + <bytes>)", "bytes(<string>)"],
}


@st.composite
def expressions(draw: st.DrawFn, kind: str | None = None, depth: int = 3) -> str:
    """The text of an expression of the type `kind`, or of any."""
    kind = kind or draw(st.sampled_from(sorted(_TEMPLATES)))
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(_LITERALS[kind])
    template = draw(st.sampled_from(_TEMPLATES[kind]))
    return _HOLE.sub(lambda hole: draw(expressions(hole[1], depth - 1)), template)
