"""Flags about access: each sets the option of its name, and what cannot be is refused with the flag's name."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from wherry.access.options import AccessOptions
from wherry.cli.access_flags import options_of
from wherry.cli.arguments import parser
from wherry.cli.up import up


def given(*flags: str) -> AccessOptions:
    return options_of(parser().parse_args(["up", *flags]))


def test_no_flag_sets_nothing() -> None:
    assert vars(given()) == vars(AccessOptions())


def test_every_option_has_a_flag() -> None:
    known = vars(parser().parse_args(["up"]))
    assert [field.name for field in fields(AccessOptions) if field.name not in known] == ["users"]


def test_values() -> None:
    options = given(
        "--token-auth-file=t.csv",
        "--authorization-mode=Node,RBAC",
        "--oidc-required-claim=a=b=c",
        "--oidc-required-claim=d=",
        "--service-account-issuer=https://new",
        "--service-account-issuer=https://old",
        "--service-account-key-file=a",
        "--service-account-key-file=b",
        "--service-account-max-token-expiration=1h30m",
        "--authorization-webhook-cache-unauthorized-ttl=0",
        "--anonymous-auth=false",
        "--enable-bootstrap-token-auth",
        "--requestheader-allowed-names=front, back",
    )
    assert options.token_auth_file == Path("t.csv")
    assert options.authorization_mode == ("Node", "RBAC")
    assert options.oidc_required_claim == {"a": "b=c", "d": ""}
    assert options.service_account_issuer == ("https://new", "https://old")
    assert options.service_account_key_file == (Path("a"), Path("b"))
    assert options.service_account_max_token_expiration == 5400
    assert options.authorization_webhook_cache_unauthorized_ttl == 0
    assert (options.anonymous_auth, options.enable_bootstrap_token_auth) == (False, True)
    assert options.requestheader_allowed_names == ("front", "back")


@pytest.mark.parametrize(
    "flag", ["--anonymous-auth=maybe", "--oidc-required-claim=a", "--service-account-max-token-expiration=long"]
)
def test_values_that_are_none(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        given(flag)
    assert caught.value.code == 2
    assert flag.partition("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--oidc-issuer-url=https://x"], "oidc-issuer-url and oidc-client-id must be specified together"),
        (["--token-auth-file=nowhere.csv"], "the token file nowhere.csv cannot be read"),
        (["--authentication-config=nowhere.yaml"], "nowhere.yaml"),
        (["--authorization-mode=ABAC"], 'authorization-mode "ABAC" is not a valid mode'),
        (["--authorization-mode=Webhook", "--authorization-webhook-config-file=nowhere"], "nowhere"),
        (["--client-ca-file=nowhere.pem"], "the authorities in nowhere.pem"),
        (["--tls-cert-file=nowhere.crt", "--tls-private-key-file=nowhere.key"], "nowhere.crt"),
    ],
)
def test_a_start_that_fails_says_why_in_one_line(
    flags: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options: argparse.Namespace = parser().parse_args(["up", "--in-memory", "--port", "0", *flags])
    assert up(options) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("wherry: ")
    assert why in shown
    assert shown.count("\n") == 1
    assert sys.exc_info() == (None, None, None)
