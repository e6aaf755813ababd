"""The authority and its certificates: what TLS accepts, what is reused, what is made anew."""

from __future__ import annotations

import json
import os
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from wherry.kit.pki import KeyPair, Peer, Pki, peer_of, write_private

HOSTS = ["localhost", "127.0.0.1", "::1", "*.localhost"]


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> dict[str, object]:
    """A handshake in memory; what the server learned about the client."""
    c_in, c_out, s_in, s_out = (ssl.MemoryBIO() for _ in range(4))
    c = client.wrap_bio(c_in, c_out, server_hostname=host)
    s = server.wrap_bio(s_in, s_out, server_side=True)
    for _ in range(4):
        for side in (c, s):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            s_in.write(c_out.read())
            c_in.write(s_out.read())
    return s.getpeercert() or {}


def trusting(pki: Pki, pair: KeyPair | None = None, folder: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=pki.authority.decode())
    if pair is not None:
        assert folder is not None
        write_private(folder / "client.pem", pair.certificate + pair.key)
        context.load_cert_chain(folder / "client.pem")
    return context


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_client_that_trusts_the_authority_reaches_every_name(tmp_path: Path, host: str, in_memory: bool) -> None:
    pki = Pki(None if in_memory else tmp_path)
    assert handshake(pki.server_context(HOSTS), trusting(pki), host) == {}


def test_a_name_that_was_not_asked_for_is_refused(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(pki.server_context(HOSTS), trusting(pki), "example.org")


def test_the_server_learns_user_and_groups_of_a_client_certificate(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    pair = pki.client("admin", "jane", ("dev", "ops"))
    peer = handshake(pki.server_context(HOSTS), trusting(pki, pair, tmp_path), "localhost")
    assert peer_of(peer) == Peer("jane", ("dev", "ops"))


def test_a_certificate_of_another_authority_ends_the_handshake(tmp_path: Path) -> None:
    pki, other = Pki(tmp_path / "a"), Pki(tmp_path / "b")
    stranger = other.client("x", "jane", ("system:masters",))
    with pytest.raises(ssl.SSLError):
        handshake(pki.server_context(HOSTS), trusting(pki, stranger, tmp_path), "localhost")


def test_no_certificate_and_no_common_name_are_no_identity() -> None:
    assert peer_of(None) is None
    assert peer_of({}) is None
    assert peer_of({"subject": ((("organizationName", "system:masters"),),)}) is None


def test_a_second_start_reuses_everything_and_imports_no_cryptography(tmp_path: Path) -> None:
    first = Pki(tmp_path)
    made = first.server(HOSTS), first.client("admin", "jane", ("dev",)), first.authority
    program = (
        "import sys; from pathlib import Path; from wherry.kit.pki import Pki; p = Pki(Path(sys.argv[1]));"
        f"p.server_context({HOSTS!r}); p.client('admin', 'jane', ('dev',));"
        "sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 0
    again = Pki(tmp_path)
    assert (again.server(HOSTS), again.client("admin", "jane", ("dev",)), again.authority) == made


def test_a_new_name_makes_a_new_server_certificate_that_keeps_the_old_names(tmp_path: Path) -> None:
    before = Pki(tmp_path).server(HOSTS)
    pki = Pki(tmp_path)
    assert pki.server(["10.0.0.1"]) != before
    for host in ("10.0.0.1", "localhost"):
        handshake(pki.server_context(["10.0.0.1"]), trusting(pki), host)


def test_other_groups_make_a_new_client_certificate(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    assert pki.client("admin", "jane", ("dev",)) != pki.client("admin", "jane", ("ops",))


@pytest.mark.parametrize("label", ["server", "ca"])
def test_what_is_near_its_end_is_made_anew(tmp_path: Path, label: str) -> None:
    before = Pki(tmp_path).server(HOSTS)
    index = json.loads((tmp_path / "index.json").read_text())
    index[label]["until"] = 0
    (tmp_path / "index.json").write_text(json.dumps(index))
    pki = Pki(tmp_path)
    assert pki.server(HOSTS) != before
    handshake(pki.server_context(HOSTS), trusting(pki), "localhost")


@pytest.mark.parametrize("damage", ["ca.key", "server.crt", "index.json"])
def test_lost_or_damaged_files_are_made_again(tmp_path: Path, damage: str) -> None:
    Pki(tmp_path).server(HOSTS)
    (tmp_path / damage).write_text("not what it was")
    pki = Pki(tmp_path)
    handshake(pki.server_context(HOSTS), trusting(pki), "localhost")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_files_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    pki.server(HOSTS)
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700
    for file in (tmp_path / "pki").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_the_host_name_of_this_machine_can_be_named() -> None:
    name = socket.gethostname()
    if name.isascii():
        assert Pki(None).server([name]).certificate
