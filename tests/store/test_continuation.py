"""Continue tokens: what was packed comes out, and every fault has upstream's words."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import BadRequest
from wherry.store import continuation

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)


def packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@given(st.integers(1, 1 << 62), st.lists(NAMES, min_size=1, max_size=2).map("/".join))
def test_a_token_keeps_its_place(revision: int, start: str) -> None:
    token = continuation.encode(revision, start)
    assert continuation.decode(token) == (start, revision)
    assert continuation.decode(continuation.at_present(token)) == (start, 0)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("x", "illegal base64 data at input byte 0"),
        ("abcd=", "illegal base64 data at input byte 4"),
        ("ab!d", "illegal base64 data at input byte 2"),
        ("abcde", "illegal base64 data at input byte 4"),
        (packed("[]"), "json: cannot unmarshal array into Go value of type storage.continueToken"),
        (packed('{"rv":"1"}'), "json: cannot unmarshal string into Go struct field continueToken.rv of type int64"),
        (packed("{}"), "server does not recognize this encoded version "),
        (packed('{"v":"v2"}'), "server does not recognize this encoded version v2"),
        (
            packed('{"v":"meta.k8s.io/v1","start":"a"}'),
            "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        ),
        (packed('{"v":"meta.k8s.io/v1","rv":1}'), "encoded start key empty (version meta.k8s.io/v1)"),
        (packed('{"v":"meta.k8s.io/v1","rv":1,"start":"../x"}'), "../x"),
        (packed('{"v":"meta.k8s.io/v1","rv":1,"start":"a//b"}'), "a//b"),
    ],
)
def test_faults(token: str, why: str) -> None:
    with pytest.raises(BadRequest) as refused:
        continuation.decode(token)
    assert refused.value.message == f"invalid continue token: continue key is not valid: {why}"
