"""What all OpenAPI documents share: their bytes with a hash, their title, how clients authenticate."""

from __future__ import annotations

from typing import NamedTuple

INFO = {"title": "Kubernetes", "version": "v1.36.0"}
SECURITY = {
    "BearerToken": {
        "type": "apiKey",
        "description": "Bearer Token authentication",
        "name": "authorization",
        "in": "header",
    }
}


class OpenAPIDocument(NamedTuple):
    """A document's bytes; `hash` changes with its content, and is what URLs in the index of v3 carry."""

    body: bytes
    hash: str

    @property
    def etag(self) -> str:
        return f'"{self.hash}"'
