"""The page of behaviours is the one that the tests make."""

from __future__ import annotations

from tests.conformance.page import PAGE, content


def test_the_page_lists_what_is_tested() -> None:
    assert PAGE.read_text("utf-8") == content(), "stale: run `python -m tests.conformance.page`"
