"""AuthenticationConfiguration: what is accepted, and the words for what is not."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from wherry.access.authentication.config import AuthenticationConfiguration, read
from wherry.access.authentication.flags import document
from wherry.access.chain import Credentials
from wherry.access.options import AccessOptions, OptionError
from wherry.errors import ConfigurationError

GROUP = "apiserver.config.k8s.io"
JWT: dict[str, Any] = {
    "issuer": {"url": "https://login.example", "audiences": ["me"]},
    "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
}


def config(*jwt: dict[str, Any], **more: Any) -> AuthenticationConfiguration:
    whole = {"apiVersion": f"{GROUP}/v1", "kind": "AuthenticationConfiguration", "jwt": list(jwt), **more}
    return read(yaml.safe_dump(whole).encode(), {"https://own"})


def changed(path: str, value: Any) -> dict[str, Any]:
    """An authenticator with one field set, the rest as it was."""
    first, _, rest = path.partition(".")
    if not rest:
        return {**JWT, first: value}
    return {**JWT, first: {**JWT[first], rest: value}}


def refused(*jwt: dict[str, Any], **more: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        config(*jwt, **more)
    return str(caught.value)


def test_all_there_is() -> None:
    whole = {
        "issuer": {
            "url": "https://login.example/a",
            "discoveryURL": "https://inside.example/d",
            "audiences": ["a", "b"],
            "audienceMatchPolicy": "MatchAny",
        },
        "claimValidationRules": [
            {"claim": "hd", "requiredValue": "x"},
            {"expression": "claims.x == 1", "message": "m"},
        ],
        "claimMappings": {
            "username": {"expression": "claims.name"},
            "groups": {"claim": "groups", "prefix": "g:"},
            "uid": {"expression": "claims.sub"},
            "extra": [{"key": "example.com/tenant", "valueExpression": "claims.tenant"}],
        },
        "userValidationRules": [{"expression": "user.username != ''"}],
    }
    made = config(whole, JWT, anonymous={"enabled": True, "conditions": [{"path": "/livez"}]})
    one, two = made.issuers
    assert (one.url, one.discovery_url, one.audiences) == (
        "https://login.example/a",
        "https://inside.example/d",
        ("a", "b"),
    )
    assert one.required_claims == {"hd": "x"}
    assert (one.groups.claim, one.groups.prefix) == ("groups", "g:")
    assert [key for key, _ in one.extra] == ["example.com/tenant"]
    assert two.username.claim == "sub"
    assert made.anonymous is not None
    assert made.anonymous(Credentials(path="/livez")) is not None
    assert made.anonymous(Credentials(path="/readyz")) is None


def test_no_issuer_is_a_configuration_too() -> None:
    assert config().issuers == ()
    assert config().anonymous is None


@pytest.mark.parametrize(
    ("jwt", "why"),
    [
        (changed("issuer.url", ""), "jwt[0].issuer.url: Required value"),
        (changed("issuer.url", "http://x"), 'jwt[0].issuer.url: Invalid value: "http://x": URL scheme must be https'),
        (changed("issuer.url", "https://a:b@x"), "URL must not contain a username or password"),
        (changed("issuer.url", "https://x?y=z"), "URL must not contain a query"),
        (changed("issuer.url", "https://x#y"), "URL must not contain a fragment"),
        (changed("issuer.url", "https://own"), "URL must not overlap with disallowed issuers: [https://own]"),
        (changed("issuer.audiences", []), "jwt[0].issuer.audiences: Required value: at least one"),
        (changed("issuer.audiences", [""]), "jwt[0].issuer.audiences[0]: Required value"),
        (changed("issuer.audiences", ["a", "b"]), "audienceMatchPolicy must be MatchAny for multiple audiences"),
        (changed("issuer", {**JWT["issuer"], "audienceMatchPolicy": "All"}), "must be empty or MatchAny for single"),
        (changed("issuer", {**JWT["issuer"], "certificateAuthority": "x"}), 'Authority: Invalid value: "<omitted>"'),
        (changed("issuer", {**JWT["issuer"], "discoveryURL": "https://login.example/"}), "must be different from URL"),
        (changed("claimMappings", {}), "claimMappings.username: Required value: claim or expression is required"),
        (changed("claimMappings.username", {"claim": "sub"}), "prefix is required when claim is set"),
        (changed("claimMappings.username", {"claim": "a", "expression": "claims.a"}), "can't both be set"),
        (changed("claimMappings.username", {"expression": "'a'", "prefix": ""}), "may not be specified when"),
        (changed("claimMappings.username", {"expression": "claims."}), "compilation failed: ERROR: <input>:1:8"),
        (changed("claimMappings.username", {"expression": "nobody"}), "undeclared reference to 'nobody'"),
        (changed("claimMappings.username", {"expression": "claims.email"}), "claims.email_verified must be used in"),
        (changed("claimMappings.extra", [{"key": "a", "valueExpression": "''"}]), "must be a domain-prefixed path"),
        (changed("claimMappings.extra", [{"key": "k8s.io/a", "valueExpression": "''"}]), "reserved for Kubernetes use"),
        (changed("claimMappings.extra", [{"key": "x.io/A", "valueExpression": "''"}]), "must be lowercase"),
        (changed("claimMappings.extra", [{"key": "x.io/a"}]), "extra[0].valueExpression: Required value"),
        (changed("claimValidationRules", [{}]), "jwt[0].claimValidationRules[0]: Required value: claim or expression"),
        (changed("claimValidationRules", [{"expression": "'a'"}]), "must evaluate to bool"),
        (changed("claimValidationRules", [{"claim": "a"}, {"claim": "a"}]), "[1].claim: Duplicate value: \"a\""),
        (changed("userValidationRules", [{"expression": "user.nothing"}]), "undefined field 'nothing'"),
        (changed("userValidationRules", [{}]), "jwt[0].userValidationRules[0].expression: Required value"),
        (changed("issuer.port", 1), 'strict decoding error: unknown field "jwt[0].issuer.port"'),
        (changed("issuer.url", 1), "cannot unmarshal int into field jwt[0].issuer.url of type str"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(jwt: dict[str, Any], why: str) -> None:
    assert why in refused(jwt)


def test_one_issuer_twice() -> None:
    assert 'jwt[1].issuer.url: Duplicate value: "https://login.example"' in refused(JWT, JWT)


def test_anonymous_by_path_must_be_on() -> None:
    text = refused(anonymous={"enabled": False, "conditions": [{"path": "/a"}]})
    assert "enabled should be set to true when conditions are defined" in text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "error converting YAML to JSON"),
        (b"[]", "not an object"),
        (b"apiVersion: v1\nkind: Pod\n", "no kind 'Pod' is known"),
        (f"apiVersion: {GROUP}/v2\nkind: AuthenticationConfiguration\n".encode(), "no kind"),
        (
            f"apiVersion: {GROUP}/v1\nkind: AuthenticationConfiguration\njwt: []\njwt: []\n".encode(),
            'key "jwt" already set',
        ),
    ],
)
def test_a_file_that_is_none(text: bytes, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        read(text)


def test_oidc_flags_are_a_configuration() -> None:
    flags = AccessOptions(oidc_issuer_url="https://x", oidc_client_id="me", oidc_groups_claim="roles")
    (jwt,) = document(flags)["jwt"]
    assert jwt["issuer"] == {"url": "https://x", "audiences": ["me"]}
    assert jwt["claimMappings"] == {
        "username": {"claim": "sub", "prefix": "https://x#"},
        "groups": {"claim": "roles", "prefix": ""},
    }
    for claim, prefix, wanted in (("email", "", ""), ("sub", "-", ""), ("email", "o:", "o:")):
        flags = AccessOptions(oidc_username_claim=claim, oidc_username_prefix=prefix)
        assert document(flags)["jwt"][0]["claimMappings"]["username"]["prefix"] == wanted


@pytest.mark.parametrize(
    "options",
    [
        {"oidc_issuer_url": "https://x"},
        {"authentication_config": "f", "oidc_client_id": "x"},
        {"authorization_config": "f", "authorization_mode": ("RBAC",)},
        {"authorization_mode": ("Webhook",)},
        {"authorization_webhook_config_file": "f"},
        {"tls_cert_file": "f"},
        {"requestheader_allowed_names": ("a",)},
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        AccessOptions(**options).check()
