"""The flags of `wherry up` about access: kube-apiserver's names and meanings, and what they set in `AccessOptions`.

Each flag is named after the option that it sets, so that nothing has to be translated.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wherry.access.options import AccessOptions

_FILES = (
    ("token-auth-file", 'further bearer tokens, lines of token,user,uid,"group1,group2"'),
    ("authentication-config", "an AuthenticationConfiguration; read again when it changes"),
    ("authorization-config", "an AuthorizationConfiguration; read again when it changes"),
    ("authentication-token-webhook-config-file", "a kubeconfig of who reviews bearer tokens"),
    ("authorization-webhook-config-file", "a kubeconfig of who reviews requests"),
    ("oidc-ca-file", "the authority of the issuer's certificate"),
    ("client-ca-file", "authorities of client certificates, beside the control plane's own"),
    ("requestheader-client-ca-file", "authorities of authenticating proxies' certificates"),
    ("proxy-client-cert-file", "the certificate by which API servers beside this one know it"),
    ("proxy-client-key-file", "the key to it"),
    ("service-account-signing-key-file", "the key that signs tokens of ServiceAccounts"),
    ("admission-control-config-file", "an AdmissionConfiguration: what single plugins are configured with"),
    ("tls-cert-file", "the server's certificate, instead of the control plane's own"),
    ("tls-private-key-file", "the key to it"),
)
_TEXTS = (
    ("authentication-token-webhook-version", "v1 or v1beta1 (default v1)"),
    ("authorization-webhook-version", "v1 or v1beta1 (default v1)"),
    ("oidc-issuer-url", "an OpenID Connect issuer whose tokens are believed"),
    ("oidc-client-id", "the audience that its tokens must be for"),
    ("oidc-username-claim", "the claim that names the user (default sub)"),
    ("oidc-username-prefix", "put before the name (default URL#; - for none)"),
    ("oidc-groups-claim", "the claim that names groups"),
    ("oidc-groups-prefix", "put before each group"),
    ("service-account-jwks-uri", "where others find the keys of ServiceAccount tokens"),
)
_LISTS = (
    ("authorization-mode", "authorizers in order: AlwaysAllow, AlwaysDeny, Node, RBAC, Webhook (default RBAC)"),
    ("enable-admission-plugins", "plugins to run beside the default ones"),
    ("disable-admission-plugins", "default plugins not to run"),
    ("api-audiences", "audiences of the API (default: the issuers)"),
    ("oidc-signing-algs", "algorithms of tokens that are believed (default RS256)"),
    ("requestheader-allowed-names", "common names that proxies may have (default: any)"),
    ("requestheader-username-headers", "headers with the user's name (default X-Remote-User)"),
    ("requestheader-uid-headers", "headers with the user's uid (default X-Remote-Uid)"),
    ("requestheader-group-headers", "headers with the user's groups (default X-Remote-Group)"),
    ("requestheader-extra-headers-prefix", "how headers with more begin (default X-Remote-Extra-)"),
)
_DURATIONS = (
    ("authentication-token-webhook-cache-ttl", "how long an answer counts (default 2m)"),
    ("authorization-webhook-cache-authorized-ttl", "how long a yes counts (default 5m)"),
    ("authorization-webhook-cache-unauthorized-ttl", "how long a no counts (default 30s)"),
    ("service-account-max-token-expiration", "how long a token may live at most"),
)


def add(up: argparse.ArgumentParser) -> None:
    """All of them, as a group of their own in the help."""
    group = up.add_argument_group("authentication, authorization and admission", "named as kube-apiserver names them")
    for name, text in _FILES:
        group.add_argument(f"--{name}", type=Path, metavar="FILE", help=text)
    for name, text in _TEXTS:
        group.add_argument(f"--{name}", metavar="TEXT", help=text)
    for name, text in _LISTS:
        group.add_argument(f"--{name}", type=_list, action="extend", metavar="A,B", help=text)
    for name, text in _DURATIONS:
        group.add_argument(f"--{name}", type=_duration, metavar="TIME", help=text)
    group.add_argument(
        "--oidc-required-claim", type=_pair, action="append", metavar="KEY=VALUE", help="a claim that tokens must have"
    )
    group.add_argument(
        "--service-account-issuer", action="append", metavar="URL",
        help="who issues tokens of ServiceAccounts; the first issues, more are believed",
    )  # fmt: skip
    group.add_argument(
        "--service-account-key-file", type=Path, action="append", metavar="FILE",
        help="further keys that verify tokens of ServiceAccounts; may be repeated",
    )  # fmt: skip
    for name, text in (
        ("anonymous-auth", "let in who shows no credentials (default true)"),
        ("enable-bootstrap-token-auth", "believe bootstrap tokens in kube-system (default false)"),
        ("service-account-extend-token-expiration", "tokens of pods outlive their hour (default true)"),
    ):
        group.add_argument(f"--{name}", type=_boolean, nargs="?", const=True, metavar="BOOL", help=text)


def options_of(given: argparse.Namespace) -> AccessOptions:
    """What the flags say. Raises nothing: `AccessOptions.check` looks at how they go together."""
    from wherry.access.options import AccessOptions

    said: dict[str, Any] = {}
    for field in fields(AccessOptions):
        value = getattr(given, field.name, None)
        if value is None:
            continue
        said[field.name] = tuple(value) if isinstance(value, list) else value
    if "oidc_required_claim" in said:
        said["oidc_required_claim"] = dict(said["oidc_required_claim"])
    return AccessOptions(**said)


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def _duration(text: str) -> float:
    from wherry.access.configuration import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
