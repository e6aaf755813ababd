"""What is known of an authorizer before it is made: from a configuration (`config.py`) or from flags (`modes.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.machinery.cel.env import Program


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """What a configuration says of one webhook; a TTL of 0 keeps nothing."""

    name: str = "webhook"
    version: str = "v1"
    timeout: float = 30.0
    authorized_ttl: float = 300.0
    unauthorized_ttl: float = 30.0
    deny_on_failure: bool = False
    conditions: tuple[Program, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthorizerSettings:
    """One authorizer; `kubeconfig` and `webhook` are those of a webhook."""

    mode: str
    name: str
    kubeconfig: Path | None = None
    webhook: WebhookSettings | None = None
