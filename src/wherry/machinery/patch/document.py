"""From the bytes of a patch to plain JSON, and what strict decoding has to say about them.

The first station of a PATCH. Reading and wording are `kit.gojson`'s; `plain` forgets how a number was written and that
a key was repeated, for patches that are merged member by member.
"""

from __future__ import annotations

from typing import Any

from wherry.kit import gojson
from wherry.machinery.bodies import duplicate_keys

MAX_STRICT_ERRORS = 100  # sigs.k8s.io/json stops collecting there


def read(body: bytes) -> Any:
    """The document; `gojson.JSONError` with Go's text. May hold `Pairs` and `Literal`, see `plain`."""
    return gojson.loads(body)


def duplicates(document: Any) -> list[str]:
    """`duplicate field "a.b[0].c"` for every repeated key."""
    return duplicate_keys(document)[:MAX_STRICT_ERRORS]


def plain(value: Any) -> Any:
    """Without the memory of repeated keys and number texts; the same object where there is none."""
    if isinstance(value, dict):
        items = {key: plain(item) for key, item in value.items()}
        same = type(value) is dict and all(items[key] is value[key] for key in items)
        return value if same else items
    if isinstance(value, list):
        out = [plain(item) for item in value]
        return value if all(map(_is, out, value)) else out
    return float(value) if isinstance(value, gojson.Literal) else value


def _is(left: Any, right: Any) -> bool:
    return left is right
