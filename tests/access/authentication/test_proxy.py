"""Authenticating proxies: headers count with a proxy's certificate, and mean nothing without."""

from __future__ import annotations

import pytest

from wherry.access.authentication.audiences import Agnostic
from wherry.access.authentication.certificates import Certificates
from wherry.access.authentication.proxy import Proxy, ProxyHeaders
from wherry.access.chain import Anonymous, Chain, Credentials, Rejected
from wherry.access.user import User
from wherry.kit.pki import Peer

NAMED = [("x-remote-user", "jane"), ("x-remote-group", "dev"), ("x-remote-group", "ops"), ("x-remote-uid", "7")]
EXTRA = [("x-remote-extra-example.com%2ftenant", "a"), ("x-remote-extra-example.com%2ftenant", "b")]
AGNOSTIC = Agnostic(("api",))


def chain(*allowed: str) -> Chain:
    headers = ProxyHeaders(allowed=allowed)
    return Chain([Proxy(headers, AGNOSTIC), Certificates(AGNOSTIC)])


def test_the_proxy_names_the_user() -> None:
    user = chain("front").authenticate(Credentials(proxy="front", headers=NAMED + EXTRA))
    assert user == User("jane", "7", ("dev", "ops", "system:authenticated"), {"example.com/tenant": ("a", "b")})


def test_without_the_proxys_certificate_headers_mean_nothing() -> None:
    assert chain().authenticate(Credentials(headers=NAMED)).name == "system:anonymous"
    own = Credentials(certificate=Peer("bob"), headers=[*NAMED, ("x-remote-group", "system:masters")])
    assert chain().authenticate(own).name == "bob"
    assert "system:masters" not in chain().authenticate(own).groups


def test_another_common_name_is_not_allowed() -> None:
    with pytest.raises(Rejected) as caught:
        chain("front").authenticate(Credentials(proxy="back", headers=NAMED))
    assert caught.value.why == "x509: subject with cn=back is not in the allowed list"


def test_a_proxy_that_names_nobody_is_nobody() -> None:
    groups_alone = [("x-remote-group", "system:masters")]
    assert chain().authenticate(Credentials(proxy="front", headers=groups_alone)).name == "system:anonymous"
    empty = [("x-remote-user", ""), ("x-remote-user", "root")]
    assert chain().authenticate(Credentials(proxy="front", headers=empty)).name == "system:anonymous"


@pytest.mark.parametrize("name", ["x_remote_user", "x-remote-user-", "x-remote_user", "remote-user"])
def test_lookalikes_of_headers_are_other_headers(name: str) -> None:
    assert chain().authenticate(Credentials(proxy="front", headers=[(name, "root")])).name == "system:anonymous"


def test_the_first_of_several_names_counts_and_all_groups() -> None:
    headers = [("x-remote-user", "jane"), ("x-remote-user", "root"), ("x-remote-group", ""), ("x-remote-group", "a")]
    user = chain().authenticate(Credentials(proxy="front", headers=headers))
    assert (user.name, user.groups) == ("jane", ("a", "system:authenticated"))


def test_other_headers_may_be_chosen() -> None:
    proxy = Proxy(ProxyHeaders(names=("X-User", "X-Login"), extra_prefixes=("X-More-",)), AGNOSTIC)
    found = proxy(Credentials(proxy="", headers=[("x-login", "jane"), ("x-more-a%2", "b"), ("x-remote-user", "root")]))
    assert found is not None
    assert (found.user.name, found.user.extra) == ("jane", {"a%2": ("b",)})


def test_a_certificate_carries_its_digest_and_uid() -> None:
    user = chain().authenticate(Credentials(certificate=Peer("bob", ("dev",), ("u",), "abc")))
    assert (user.uid, user.groups) == ("u", ("dev", "system:authenticated"))
    assert user.extra == {"authentication.kubernetes.io/credential-id": ("X509SHA256=abc",)}
    with pytest.raises(Rejected):
        chain().authenticate(Credentials(certificate=Peer("bob", (), ("u", "v"))))


def test_anonymous_on_some_paths_only() -> None:
    here = Chain([], anonymous=Anonymous(paths=["/healthz"]))
    assert here.authenticate(Credentials(path="/healthz")).name == "system:anonymous"
    for path in ("/healthz/", "/healthz/ping", "/HEALTHZ", "//healthz", "/api"):
        with pytest.raises(Rejected):
            here.authenticate(Credentials(path=path))
    with pytest.raises(Rejected):
        Chain([], anonymous=Anonymous(enabled=False)).authenticate(Credentials(path="/healthz"))
