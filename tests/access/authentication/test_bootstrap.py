"""Bootstrap tokens: which Secrets make one, and what takes its worth away."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.access.outside import Clock

from wherry.access.authentication.audiences import Agnostic
from wherry.access.authentication.bootstrap import BootstrapTokens

TOKEN = "abcdef.0123456789abcdef"


def secret(**changes: str) -> dict[str, Any]:
    data = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
    data.update(changes)
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "data": encoded,
    }


def ask(stored: dict[str, Any] | None, token: str = TOKEN) -> Any:
    def look(resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        return stored if (resource, namespace, name) == ("secrets", "kube-system", "bootstrap-token-abcdef") else None

    known = BootstrapTokens(look, Clock(1_700_000_000), Agnostic(("api",)))(token, ())
    return known.user if known is not None else None


def test_a_token_makes_a_bootstrapper() -> None:
    user = ask(secret(**{"auth-extra-groups": "system:bootstrappers:b,system:bootstrappers:a"}))
    assert user.name == "system:bootstrap:abcdef"
    assert user.groups == (
        "system:bootstrappers", "system:bootstrappers:a", "system:bootstrappers:b", "system:authenticated",
    )  # fmt: skip


@pytest.mark.parametrize("token", ["abcdef.0123456789abcdeX", "abcdef", "abcdeg.0123456789abcdef", TOKEN + "0", ""])
def test_another_token_is_for_others(token: str) -> None:
    assert ask(secret(), token) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"token-secret": "fedcba9876543210"},
        {"token-id": "fedcba"},
        {"usage-bootstrap-authentication": "True"},
        {"usage-bootstrap-authentication": "false"},
        {"expiration": "2023-11-14T22:13:19Z"},
        {"expiration": "soon"},
        {"auth-extra-groups": "system:masters"},
        {"auth-extra-groups": "system:bootstrappers:a,"},
    ],
)
def test_what_makes_a_secret_unfit(changes: dict[str, str]) -> None:
    assert ask(secret(**changes)) is None


def test_it_lives_until_its_time() -> None:
    assert ask(secret(expiration="2023-11-14T22:13:21Z")) is not None
    assert ask(secret(expiration="2023-11-15T00:13:21+02:00")) is not None


def test_a_secret_of_another_type_or_on_its_way_out() -> None:
    assert ask(None) is None
    assert ask({**secret(), "type": "Opaque"}) is None
    gone = secret()
    gone["metadata"]["deletionTimestamp"] = "2023-11-14T22:13:19Z"
    assert ask(gone) is None
