"""The chain as options make it: what is on, in which order, and what changes while it serves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.access.outside import Clock, Outside

from wherry.access.authentication import jose
from wherry.access.chain import Credentials, Rejected
from wherry.access.options import AccessOptions, OptionError
from wherry.access.pending import settled
from wherry.access.setup import Access
from wherry.access.tokens import Bound
from wherry.access.user import Attributes, User
from wherry.errors import ConfigurationError, Forbidden
from wherry.storage import open_storage

URL = "https://login.example"
ACCOUNT = {"metadata": {"name": "sa", "namespace": "ns", "uid": "u"}}
EVE = User("eve", groups=("system:authenticated",))
KEY = rsa.generate_private_key(65537, 2048)


class World:
    def __init__(self, access: Access, clock: Clock):
        self.access, self.clock, self.chain = access, clock, access.chain

    async def who(self, token: str = "", path: str = "/") -> str:
        shown = Credentials(f"Bearer {token}" if token else "", path=path)
        try:
            return (await settled(lambda: self.chain.authenticate(shown))).name
        except Rejected:
            return ""

    def look(self) -> None:
        self.access.watch.look()


def run(
    options: AccessOptions, work: Callable[[World], Awaitable[None]], outside: Outside | None = None, **more: Any
) -> None:
    async def whole() -> None:
        storage, clock = open_storage("memory:"), Clock()
        objects = {("serviceaccounts", "ns", "sa"): ACCOUNT}
        access = Access(storage, lambda *key: objects.get(key), clock, options, outside or Outside(), **more)
        access.start()
        try:
            await work(World(access, clock))
        finally:
            await access.stop()
            await storage.close()

    asyncio.run(whole())


def replace(path: Path, text: str | bytes) -> None:
    fresh = path.with_name("fresh")
    fresh.write_bytes(text.encode() if isinstance(text, str) else text)
    os.replace(fresh, path)


def test_without_options() -> None:
    async def work(world: World) -> None:
        assert await world.who("secret") == "kubernetes-admin"
        assert await world.who("other") == ""
        assert await world.who() == "system:anonymous"
        assert await world.who(world.access.accounts.issue(ACCOUNT, ("x",), 600, Bound())) == ""
        token = world.access.accounts.issue(ACCOUNT, world.access.accounts.audiences, 600, Bound())
        assert await world.who(token) == "system:serviceaccount:ns:sa"
        world.clock.now += 700
        assert await world.who(token) == ""

    run(AccessOptions(), work, token="secret")


def test_anonymous_switched_off() -> None:
    async def work(world: World) -> None:
        assert await world.who() == ""

    run(AccessOptions(anonymous_auth=False), work)


def test_strangers_stay_out_where_everybody_may_do_everything() -> None:
    async def work(world: World) -> None:
        assert await world.who() == ""

    run(AccessOptions(anonymous_auth=True, authorization_mode=("RBAC", "AlwaysAllow")), work)


def test_issuers_and_audiences_of_accounts() -> None:
    async def work(world: World) -> None:
        accounts = world.access.accounts
        claims = jose.unverified(accounts.issue(ACCOUNT, accounts.audiences, 600, Bound()))
        assert claims is not None
        assert (claims["iss"], claims["aud"]) == ("https://new", ["api"])
        assert claims["exp"] - claims["iat"] == 300
        older = accounts.signer.sign({**claims, "iss": "https://old"})
        assert await world.who(older) == "system:serviceaccount:ns:sa"
        assert await world.who(accounts.signer.sign({**claims, "iss": "https://other"})) == ""

    issuers = ("https://new", "https://old")
    options = AccessOptions(
        service_account_issuer=issuers, api_audiences=("api",), service_account_max_token_expiration=300.0
    )
    run(options, work)


def pem(key: Any, *, private: bool = True) -> bytes:
    if not private:
        return key.public_key().public_bytes(  # type: ignore[no-any-return]
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())  # type: ignore[no-any-return]


def test_keys_of_accounts_rotate(tmp_path: Path) -> None:
    """Old tokens are good as long as their key is among those that verify."""
    signing, old = tmp_path / "signing", tmp_path / "old"
    first, second = ec.generate_private_key(ec.SECP384R1()), KEY
    signing.write_bytes(pem(first))
    old.write_bytes(pem(ec.generate_private_key(ec.SECP256R1()), private=False))

    async def work(world: World) -> None:
        accounts = world.access.accounts

        def issue() -> str:
            return accounts.issue(ACCOUNT, accounts.audiences, 600, Bound())

        before = issue()
        assert [key["alg"] for key in accounts.signer.publics()] == ["ES384", "ES256"]
        replace(signing, pem(second))
        replace(old, pem(first, private=False))
        world.look()
        after = issue()
        assert [key["alg"] for key in accounts.signer.publics()] == ["RS256", "ES384"]
        assert await world.who(before) == await world.who(after) == "system:serviceaccount:ns:sa"
        replace(old, "broken")
        world.look()  # is logged; what was in force stays
        assert await world.who(before) == "system:serviceaccount:ns:sa"
        replace(old, pem(second, private=False))
        world.look()
        assert await world.who(before) == ""
        assert await world.who(after) == "system:serviceaccount:ns:sa"

    run(AccessOptions(service_account_signing_key_file=signing, service_account_key_file=(old,)), work)


def test_a_file_without_a_key_is_known_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("nothing")
    for options in (
        AccessOptions(service_account_signing_key_file=tmp_path / "k"),
        AccessOptions(service_account_key_file=(tmp_path / "k",)),
    ):
        with pytest.raises(ConfigurationError, match="does not contain"):
            run(options, lambda world: turns())


def test_a_webhooks_kubeconfig_rotates(tmp_path: Path) -> None:
    kubeconfig, token = tmp_path / "kubeconfig", tmp_path / "token"
    token.write_text("one")
    cluster, user = {"server": "https://r/a"}, {"tokenFile": "token"}
    config = {"clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}]}
    kubeconfig.write_text(yaml.safe_dump(config))
    outside = Outside()
    status = {"authenticated": True, "user": {"username": "jane"}}
    for path in ("a", "b"):
        outside.answers[f"https://r/{path}"] = {"kind": "TokenReview", "status": status}

    async def work(world: World) -> None:
        assert await world.who("x") == "jane"
        replace(token, "two")
        world.look()
        assert await world.who("y") == "jane"
        cluster["server"] = "https://r/b"
        replace(kubeconfig, yaml.safe_dump(config))
        world.look()
        assert await world.who("z") == "jane"

    run(AccessOptions(authentication_token_webhook_config_file=kubeconfig), work, outside)
    assert [target.headers.split()[-1] for target in outside.targets] == ["one", "two", "two"]
    assert [url for url, _ in outside.asked] == ["https://r/a", "https://r/a", "https://r/b"]


def configuration(prefix: str, url: str = URL, **more: Any) -> str:
    jwt = {
        "issuer": {"url": url, "audiences": ["me"]},
        "claimMappings": {"username": {"claim": "sub", "prefix": prefix}},
    }
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration"}
    return yaml.safe_dump({**head, "jwt": [jwt], **more})


def provider(*urls: str) -> Outside:
    outside = Outside()
    for url in urls:
        outside.answers[f"{url}/.well-known/openid-configuration"] = {"issuer": url, "jwks_uri": f"{url}/keys"}
        outside.answers[f"{url}/keys"] = {"keys": [jose.to_jwk(jose.Key(KEY.public_key(), "k"))]}
    return outside


def id_token(clock: Clock, url: str = URL) -> str:
    return jose.sign(KEY, "RS256", "k", {"iss": url, "aud": "me", "sub": "jane", "exp": clock.now + 60})


async def turns(number: int = 20) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def test_the_authentication_configuration_is_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "authentication.yaml"
    path.write_text(configuration("a:"))

    async def work(world: World) -> None:
        await turns()
        assert await world.who(id_token(world.clock)) == "a:jane"
        assert await world.who() == "system:anonymous"
        replace(path, configuration("b:", anonymous={"enabled": True, "conditions": [{"path": "/livez"}]}))
        world.look()
        await turns()
        assert await world.who(id_token(world.clock)) == "b:jane"
        assert await world.who() == ""
        assert await world.who(path="/livez") == "system:anonymous"
        replace(path, "kind: Nonsense")
        world.look()
        await turns()
        assert await world.who(id_token(world.clock)) == "b:jane"
        assert "not taken over" in caplog.text
        replace(path, configuration("c:", "https://silent"))
        world.look()
        await turns()
        assert await world.who(id_token(world.clock)) == "b:jane"  # until the new issuer answers
        assert world.access.reloads == {("authentication", "success"): 1, ("authentication", "failure"): 1}

    run(AccessOptions(authentication_config=path), work, provider(URL))


def test_oidc_options() -> None:
    async def work(world: World) -> None:
        await turns()
        assert await world.who(id_token(world.clock)) == f"{URL}#jane"

    run(AccessOptions(oidc_issuer_url=URL, oidc_client_id="me"), work, provider(URL))


def test_an_own_issuer_is_no_foreign_one(tmp_path: Path) -> None:
    path = tmp_path / "authentication.yaml"
    path.write_text(configuration("", "https://kubernetes.default.svc.cluster.local"))
    with pytest.raises(ConfigurationError, match="disallowed issuers"):
        run(AccessOptions(authentication_config=path), lambda world: turns())


def test_anonymous_is_said_in_one_place(tmp_path: Path) -> None:
    path = tmp_path / "authentication.yaml"
    path.write_text(configuration("", anonymous={"enabled": False}))
    with pytest.raises(OptionError, match="cannot be set when anonymous field is configured"):
        run(AccessOptions(authentication_config=path, anonymous_auth=True), lambda world: turns())


# --- authorization ---------------------------------------------------------------------------------------------------
PODS = Attributes(EVE, "get", "", True, "", "v1", "pods", "", "ns", "p")


def authorizers(*modes: str) -> str:
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration"}
    return yaml.safe_dump({**head, "authorizers": [{"type": mode, "name": mode.lower()} for mode in modes]})


@pytest.mark.parametrize(
    ("modes", "allowed", "reason"),
    [
        (("AlwaysAllow",), True, ""),
        (("AlwaysDeny",), False, "Everything is forbidden."),
        (("RBAC", "AlwaysAllow"), True, ""),
        (("Node", "RBAC"), False, ""),
    ],
)
def test_modes(modes: tuple[str, ...], allowed: bool, reason: str) -> None:
    async def work(world: World) -> None:
        decision = world.chain.ask(PODS)
        assert (decision.allowed, decision.reason) == (allowed, reason)
        assert world.chain.ask(Attributes(User("root", groups=("system:masters",)), "get", "/")).allowed
        rules = world.chain.rules(EVE, "ns", "root")
        assert bool(rules["resourceRules"]) is allowed

    run(AccessOptions(authorization_mode=modes), work)


@pytest.mark.parametrize("modes", [("Nobody",), ("RBAC", "RBAC")])
def test_modes_that_are_none(modes: tuple[str, ...]) -> None:
    with pytest.raises(OptionError):
        run(AccessOptions(authorization_mode=modes), lambda world: turns())


def test_the_authorization_configuration_is_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "authorization.yaml"
    path.write_text(authorizers("RBAC"))

    async def work(world: World) -> None:
        with pytest.raises(Forbidden):
            world.chain.authorize(PODS)
        replace(path, authorizers("RBAC", "AlwaysAllow"))
        world.look()
        world.chain.authorize(PODS)
        replace(path, authorizers("RBAC", "ABAC"))
        world.look()
        assert "not taken over" in caplog.text
        world.chain.authorize(PODS)
        replace(path, authorizers("RBAC"))
        world.look()
        with pytest.raises(Forbidden):
            world.chain.authorize(PODS)
        assert world.access.reloads == {("authorization", "success"): 2, ("authorization", "failure"): 1}

    run(AccessOptions(authorization_config=path), work)


def test_a_webhook_from_options(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump({"clusters": [{"name": "c", "cluster": {"server": "https://r/a"}}]}))
    outside = Outside()
    outside.answers["https://r/a"] = {"kind": "SubjectAccessReview", "status": {"allowed": True, "reason": "hook"}}

    async def work(world: World) -> None:
        assert (await settled(lambda: world.chain.ask(PODS))).reason == "hook"
        rules = world.chain.rules(EVE, "ns", "root")
        assert rules["incomplete"]
        assert rules["evaluationError"] == "webhook authorizer does not support user rule resolution"

    options = AccessOptions(authorization_mode=("RBAC", "Webhook"), authorization_webhook_config_file=kubeconfig)
    run(options, work, outside)
    assert orjson.dumps(outside.asked[0][1])
