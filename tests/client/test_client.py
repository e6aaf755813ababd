"""What a client makes of answers that are no Status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from wherry.client import Client
from wherry.errors import NotFound, StatusError


class Plain:
    """Answers in plain text, as servers do where they have no route."""

    async def call(self, method: str, path: str, query: str, media: str, body: bytes) -> tuple[int, bytes]:
        return (404, b"404 page not found\n") if "absent" in path else (503, b"service unavailable\n")

    def stream(self, path: str, query: str) -> AsyncIterator[bytes]:
        raise AssertionError(path)


def test_a_refusal_in_plain_text_is_an_error_too() -> None:
    async def main() -> None:
        client = Client(Plain())
        with pytest.raises(NotFound, match="404 page not found"):
            await client.request("GET", "/apis/absent")
        with pytest.raises(StatusError, match="service unavailable"):
            await client.request("GET", "/apis/there")

    asyncio.run(main())
