"""TLS of the server: two kinds of authorities, and rotation of everything while it serves."""

from __future__ import annotations

import datetime
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wherry.kit.pki import KeyPair, Pki, write_private
from wherry.kit.tls import LOOPBACK, Identity, ServerTls, TlsError, TlsFiles


class Talk:
    """Client and server in one process, through memory."""

    def __init__(self, tls: ServerTls, client: ssl.SSLContext, host: str = "localhost"):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(to_client, to_server, server_hostname=host)
        self.server = tls.context.wrap_bio(to_server, to_client, server_side=True)
        done: set[Any] = set()
        for _ in range(10):
            for side in (self.client, self.server):
                try:
                    side.do_handshake()
                    done.add(side)
                except ssl.SSLWantReadError:
                    pass
        assert len(done) == 2


def client(authority: bytes, pair: KeyPair | None = None, folder: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.decode())
    if pair is not None:
        assert folder is not None
        write_private(folder / "client.pem", pair.certificate + pair.key)
        context.load_cert_chain(folder / "client.pem")
    return context


def identify(tls: ServerTls, context: ssl.SSLContext) -> Identity:
    return tls.identify(Talk(tls, context).server)


def served(talk: Talk) -> bytes:
    found = talk.client.getpeercert(True)
    assert found is not None
    return found


def leaf(pki: Pki, *, start: int = -3600, end: int = 3600, usage: Any = ExtendedKeyUsageOID.CLIENT_AUTH) -> KeyPair:
    """A client's certificate of an authority, valid between two seconds from now."""
    authority = x509.load_pem_x509_certificate(pki.authority)
    signer = serialization.load_pem_private_key(pki._pair("ca").key, None)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(seconds=start))
        .not_valid_after(now + datetime.timedelta(seconds=end))
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    made = builder.sign(signer, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    return KeyPair(made.public_bytes(pem), key.private_bytes(pem, form, serialization.NoEncryption()))


def test_users_and_proxies_are_told_apart(tmp_path: Path) -> None:
    pki, more, proxies = Pki(tmp_path / "a"), Pki(None), Pki(None)
    (tmp_path / "more").write_bytes(more.authority)
    (tmp_path / "proxies").write_bytes(proxies.authority)
    files = TlsFiles(client_authority=tmp_path / "more", proxy_authority=tmp_path / "proxies")
    tls = ServerTls(pki, ["localhost"], files)
    assert tls.files == (tmp_path / "more", tmp_path / "proxies")
    for authority in (pki, more):
        found = identify(tls, client(pki.authority, authority.client("x", "jane", ("dev",)), tmp_path))
        assert found.peer is not None
        assert (found.peer.name, found.peer.groups, found.proxy) == ("jane", ("dev",), None)
        assert len(found.peer.digest) == 64
    masters = proxies.client("x", "front", ("system:masters",))
    found = identify(tls, client(pki.authority, masters, tmp_path))
    assert (found.peer, found.proxy) == (None, "front")  # a proxy is nobody by itself, whatever its groups say
    assert identify(tls, client(pki.authority)) == Identity()


@pytest.mark.parametrize(
    "bad",
    [{"end": -60}, {"start": 60}, {"usage": ExtendedKeyUsageOID.SERVER_AUTH}],
    ids=["expired", "not yet valid", "a server's"],
)
def test_certificates_that_are_not_good(tmp_path: Path, bad: dict[str, Any]) -> None:
    pki = Pki(tmp_path)
    good = client(pki.authority, leaf(pki), tmp_path)
    assert identify(ServerTls(pki, ["localhost"]), good).peer is not None
    with pytest.raises(ssl.SSLError):
        Talk(ServerTls(pki, ["localhost"]), client(pki.authority, leaf(pki, **bad), tmp_path))


def test_a_certificate_of_another_authority(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    stranger = Pki(None).client("x", "jane", ("system:masters",))
    with pytest.raises(ssl.SSLError):
        Talk(ServerTls(pki, ["localhost"]), client(pki.authority, stranger, tmp_path))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_is_refused(version: ssl.TLSVersion) -> None:
    pki = Pki(None)
    old = client(pki.authority)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = version
    with pytest.raises(ssl.SSLError):
        Talk(ServerTls(pki, ["localhost"]), old)


def test_the_servers_certificate_rotates(tmp_path: Path) -> None:
    ours, theirs, later = Pki(None), Pki(None), Pki(None)
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    def bring(pki: Pki) -> bytes:
        pair = pki.server(["localhost"])
        write_private(certificate, pair.certificate)
        write_private(key, pair.key)
        return ssl.PEM_cert_to_DER_cert(pair.certificate.decode())

    first = bring(theirs)
    tls = ServerTls(ours, ["localhost"], TlsFiles(certificate, key))
    assert served(Talk(tls, client(theirs.authority))) == first
    second = bring(later)
    tls.reload()
    assert served(Talk(tls, client(later.authority))) == second
    with pytest.raises(ssl.SSLCertVerificationError):
        Talk(tls, client(theirs.authority))
    certificate.write_text("broken")
    with pytest.raises(TlsError, match=r"tls\.crt"):
        tls.reload()
    assert served(Talk(tls, client(later.authority))) == second


def test_the_authority_of_clients_rotates(tmp_path: Path) -> None:
    pki, before, after = Pki(tmp_path / "own"), Pki(None), Pki(None)
    path = tmp_path / "clients"
    path.write_bytes(before.authority)
    tls = ServerTls(pki, ["localhost"], TlsFiles(client_authority=path))
    old = client(pki.authority, before.client("x", "jane"), tmp_path)
    new = client(pki.authority, after.client("x", "joe"), tmp_path)
    assert identify(tls, old).peer is not None
    path.write_bytes(after.authority)
    tls.reload()
    found = identify(tls, new).peer
    assert found is not None
    assert found.name == "joe"
    with pytest.raises(ssl.SSLError):
        Talk(tls, old)  # also where the client would resume a session


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    for files in (TlsFiles(client_authority=tmp_path / "empty"), TlsFiles(proxy_authority=tmp_path / "nowhere")):
        with pytest.raises(TlsError, match="the authorities in"):
            ServerTls(Pki(None), ["localhost"], files)


def test_a_certificate_that_ends_on_an_open_connection_is_nobodys(tmp_path: Path) -> None:
    pki, now = Pki(tmp_path), [time.time()]
    tls = ServerTls(pki, ["localhost"], clock=lambda: now[0])
    shown = identify(tls, client(pki.authority, leaf(pki, end=60), tmp_path))
    assert tls.current(shown) is shown
    assert shown.peer is not None
    now[0] += 61
    ended = tls.current(shown)
    assert (ended.peer, ended.proxy, ended.problem) == (
        None, None, "x509: certificate has expired or is not yet valid",
    )  # fmt: skip
    assert tls.current(ended) is ended


def test_an_authority_that_goes_takes_open_connections_along(tmp_path: Path) -> None:
    pki, more, proxies = Pki(tmp_path / "own"), Pki(None), Pki(None)
    clients, fronts = tmp_path / "clients", tmp_path / "fronts"
    clients.write_bytes(more.authority)
    fronts.write_bytes(proxies.authority)
    tls = ServerTls(pki, ["localhost"], TlsFiles(client_authority=clients, proxy_authority=fronts))
    ours = identify(tls, client(pki.authority, pki.client("x", "jane"), tmp_path))
    theirs = identify(tls, client(pki.authority, more.client("x", "joe"), tmp_path))
    front = identify(tls, client(pki.authority, proxies.client("x", "front"), tmp_path))
    tls.reload()  # nothing has changed
    assert [tls.current(each) for each in (ours, theirs, front)] == [ours, theirs, front]
    clients.write_bytes(proxies.authority)
    fronts.write_bytes(Pki(None).authority)
    tls.reload()
    assert tls.current(ours).peer == ours.peer
    gone = tls.current(theirs)
    assert (gone.peer, gone.problem) == (None, "x509: certificate signed by unknown authority")
    turned = tls.current(front)  # that authority speaks for users now
    assert (turned.peer and turned.peer.name, turned.proxy) == ("front", None)
    clients.write_bytes(more.authority)
    tls.reload()
    back = tls.current(gone).peer
    assert back is not None
    assert back.name == "joe"


def test_our_own_certificate_is_shown_to_who_asks_for_it(tmp_path: Path) -> None:
    ours, theirs = Pki(tmp_path / "own"), Pki(None)
    pair = theirs.server(["elsewhere.example"])
    write_private(tmp_path / "crt", pair.certificate)
    write_private(tmp_path / "key", pair.key)
    tls = ServerTls(ours, ["localhost"], TlsFiles(tmp_path / "crt", tmp_path / "key"))
    assert served(Talk(tls, client(theirs.authority), "elsewhere.example"))
    assert served(Talk(tls, client(ours.authority), LOOPBACK))
    found = tls.identify(Talk(tls, client(ours.authority, ours.client("x", "jane"), tmp_path), LOOPBACK).server)
    assert found.peer is not None
    assert found.peer.name == "jane"
    with pytest.raises(ssl.SSLCertVerificationError):
        Talk(tls, client(ours.authority), "localhost")


def authority(name: str, path: Path) -> bytes:
    """Write a certificate that signed itself; the DER of its name."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    whose = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(whose)
        .issuer_name(whose)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return whose.public_bytes()


def first_answer(tls: ServerTls, pki: Pki) -> bytes:
    """What a server says first; TLS 1.2 sends the request for a certificate in the open."""
    context = client(pki.authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    for side in (
        context.wrap_bio(to_client, to_server, server_hostname="localhost"),
        tls.context.wrap_bio(to_server, to_client, server_side=True),
    ):
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
    return to_client.read()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="other Pythons' ssl can't be asked")
def test_clients_are_told_whose_certificates_are_welcome(tmp_path: Path) -> None:
    pki = Pki(None)
    users = authority("users of the house", tmp_path / "users.pem")
    proxies = authority("proxies before it", tmp_path / "proxies.pem")
    tls = ServerTls(pki, ["localhost"], TlsFiles(None, None, tmp_path / "users.pem", tmp_path / "proxies.pem"))
    said = first_answer(tls, pki)
    assert users in said
    assert proxies in said
    users = authority("other users", tmp_path / "users.pem")
    tls.reload()
    said = first_answer(tls, pki)
    assert users in said
    assert b"users of the house" not in said
    assert proxies not in first_answer(ServerTls(pki, ["localhost"]), pki)
