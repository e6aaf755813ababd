"""What a URL asks for: a selector that names an object must never select another one."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import BadRequest
from wherry.machinery.fieldselectors import parse_field_selector
from wherry.server.requestinfo import parse

PATH = "/api/v1/namespaces/ns/secrets"
PIECES = st.sampled_from(["metadata.name", "metadata.namespace", "type", "=", "==", "!=", ",", "\\", "\\,", "a", "b"])


@given(st.lists(PIECES, max_size=12).map("".join))
def test_the_name_that_is_authorized_is_the_only_one_that_is_listed(selector: str) -> None:
    name = parse("GET", PATH, f"fieldSelector={quote(selector)}").name
    if not name:
        return
    parsed = parse_field_selector(selector)
    for other in ("a", "b", "ab", name + "x", ""):
        if other != name:
            assert not parsed.matches(lambda field, other=other: other if field == "metadata.name" else "b")


@given(st.text(max_size=20))
def test_any_text_is_read_or_names_nothing(selector: str) -> None:
    name = parse("GET", PATH, f"fieldSelector={quote(selector)}").name
    try:
        parse_field_selector(selector)
    except BadRequest:
        assert name == ""


@pytest.mark.parametrize(
    ("selector", "name"),
    [
        ("metadata.name=a", "a"),
        ("metadata.name==a", "a"),
        ("type=x,metadata.name=a", "a"),
        ("metadata.name!=a", ""),
        ("type!=\\,metadata.name=a", ""),
        ("metadata.name=a\\,b", "a,b"),
        ("metadata.name=..", ""),
        ("metadata.name=a/b", ""),
        ("metadata.name=a%2fb", ""),
        ("metadata.name=a=", ""),
        ("metadata.names=a", ""),
    ],
)
def test_names_in_selectors(selector: str, name: str) -> None:
    assert parse("GET", PATH, f"fieldSelector={quote(selector)}").name == name
    assert parse("GET", PATH, f"fieldSelector={quote(selector)}&watch=1").verb == "watch"
