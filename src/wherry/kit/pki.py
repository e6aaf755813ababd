"""The control plane's own certificates: one authority, the server's certificate, client certificates for people.

A second start must not pay for `cryptography` (a third of the start-up budget), so everything that a start has to know
about the certificates it already owns (who for, until when, by which authority) stands beside them in `index.json`,
tied to each file by its digest. Only making a certificate imports the library.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import ssl

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

DAY = 86400
AUTHORITY_DAYS = 3650
LEAF_DAYS = 365
RENEW_DAYS = 30  # a leaf that has less than this left is made anew at start
BACKDATE = 300  # clocks of clients are a little off

Subject = tuple[str, tuple[str, ...]]  # common name, organizations


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class Peer(NamedTuple):
    """A client's certificate: whom it names, and its digest, by which logs and reviews tell it from others."""

    name: str
    groups: tuple[str, ...] = ()
    uids: tuple[str, ...] = ()
    digest: str = ""  # SHA-256 of the whole certificate, hexadecimal


_UID = "1.3.6.1.4.1.57683.2"  # the attribute of a subject in which Kubernetes keeps a user's uid


def peer_of(peer: dict[str, Any] | None, der: bytes = b"") -> Peer | None:
    """Who stands in what `ssl.SSLSocket.getpeercert()` tells, or None when the client showed no certificate.

    Follows k8s.io/apiserver/pkg/authentication/request/x509: an empty common name is no identity.
    """
    if not peer:
        return None
    name, groups, uids = "", [], []
    for relative in peer.get("subject", ()):
        for key, value in relative:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                groups.append(value)
            elif key == _UID:
                uids.append(value)
    if not name:
        return None
    return Peer(name, tuple(groups), tuple(uids), hashlib.sha256(der).hexdigest() if der else "")


def write_private(path: Path, data: bytes) -> None:
    """Replace a file in one step, readable by its owner alone: nobody ever sees half of it, nor a wider mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not `tempfile`: importing it brings in every compression library.
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


class Pki:
    """Certificates in a folder, or in memory only when `folder` is None."""

    def __init__(self, folder: Path | None):
        self._folder = folder
        self._files: dict[str, bytes] = {}
        self._index: dict[str, Any] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._index = self._read_index()

    # --- what callers ask for ---------------------------------------------------------------------------------------

    @property
    def authority(self) -> bytes:
        """The authority's certificate, PEM: what clients must trust."""
        self._ensure_authority()
        return self._read("ca.crt")

    def server(self, hosts: Sequence[str]) -> KeyPair:
        """The server's certificate; made anew when it lacks one of `hosts`, is near its end, or the authority is new.

        Hosts that an older certificate carried are kept, so that starting on another address now and then does not
        take the name away from clients that still use it.
        """
        wanted = {"hosts": sorted(set(hosts))}
        known = self._index.get("server", {}).get("for", {}).get("hosts", [])
        if self._usable("server") and set(wanted["hosts"]) <= set(known):
            return self._pair("server")
        wanted["hosts"] = sorted({*wanted["hosts"], *known})
        return self._issue("server", ("kube-apiserver", ("wherry",)), wanted, hosts=wanted["hosts"])

    def client(self, label: str, user: str, groups: Sequence[str] = ()) -> KeyPair:
        """A client certificate for a user, kept under `label`."""
        wanted = {"user": user, "groups": list(groups)}
        if self._usable(label) and self._index[label]["for"] == wanted:
            return self._pair(label)
        return self._issue(label, (user, tuple(groups)), wanted)

    def sign_request(self, request: bytes, usages: Sequence[str], seconds: int, refused: Sequence[str] = ()) -> bytes:
        """A certificate, PEM, for a PEM request; `usages` are those of certificates.k8s.io.

        Raises ValueError for a request that cannot be read, PermissionError for one that asks for a `refused` group.
        """
        from wherry.kit import csr

        self._ensure_authority()
        if set(csr.facts(request).organizations) & set(refused):
            raise PermissionError("a request must not name a group that may do everything")
        authority = self._pair("ca")
        return csr.sign(request, authority.certificate, authority.key, usages, seconds, BACKDATE)

    def server_context(
        self, hosts: Sequence[str], certificate: Path | None = None, key: Path | None = None
    ) -> ssl.SSLContext:
        """TLS for the server: ours or no client certificate at all is welcome; HTTP/1.1 is spoken.

        `certificate` and `key` are shown instead of our own. Raises OSError for files that do not hold them."""
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=self.authority.decode("ascii"))
        context.set_alpn_protocols(["http/1.1"])
        if certificate is not None:
            context.load_cert_chain(certificate, key)
            return context
        pair = self.server(hosts)
        if self._folder is not None:
            context.load_cert_chain(self._folder / "server.crt", self._folder / "server.key")
        else:
            import tempfile

            # OpenSSL reads the chain from files only; these live for the two lines that need them.
            with tempfile.TemporaryDirectory(prefix="wherry-") as folder:
                path = Path(folder) / "server.pem"
                write_private(path, pair.certificate + pair.key)
                context.load_cert_chain(path)
        return context

    # --- files and index --------------------------------------------------------------------------------------------

    def _read_index(self) -> dict[str, Any]:
        assert self._folder is not None
        try:
            index = json.loads((self._folder / "index.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return index if isinstance(index, dict) else {}

    def _read(self, name: str) -> bytes:
        if name not in self._files:
            if self._folder is None:
                return b""
            try:
                self._files[name] = (self._folder / name).read_bytes()
            except FileNotFoundError:
                return b""
        return self._files[name]

    def _pair(self, label: str) -> KeyPair:
        return KeyPair(self._read(f"{label}.crt"), self._read(f"{label}.key"))

    def _keep(self, label: str, pair: KeyPair, *, until: float, wanted: Any, issuer: str) -> None:
        self._files[f"{label}.crt"], self._files[f"{label}.key"] = pair.certificate, pair.key
        self._index[label] = {"digest": _digest(pair), "until": int(until), "for": wanted, "issuer": issuer}
        if self._folder is not None:
            write_private(self._folder / f"{label}.key", pair.key)
            write_private(self._folder / f"{label}.crt", pair.certificate)
            # Last: an index that does not match its files only means that they are made again.
            write_private(self._folder / "index.json", json.dumps(self._index, indent=1, sort_keys=True).encode())

    def _intact(self, label: str, spare_days: int) -> bool:
        entry = self._index.get(label)
        if not isinstance(entry, dict) or entry.get("until", 0) < time.time() + spare_days * DAY:
            return False
        return bool(entry.get("digest") == _digest(self._pair(label)))

    def _usable(self, label: str) -> bool:
        self._ensure_authority()
        return self._intact(label, RENEW_DAYS) and self._index[label].get("issuer") == self._index["ca"]["digest"]

    # --- making certificates ----------------------------------------------------------------------------------------

    def _ensure_authority(self) -> None:
        # A leaf must not outlive its authority, so the authority is renewed a leaf's life before its end.
        if self._intact("ca", LEAF_DAYS):
            return
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        builder, until = _builder(("wherry-ca", ()), key, AUTHORITY_DAYS)
        builder = builder.issuer_name(_name(("wherry-ca", ())))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_usage(sign_certificates=True), critical=True)
        pair = _sign(builder, key, key)
        self._keep("ca", pair, until=until, wanted={}, issuer="")

    def _issue(self, label: str, subject: Subject, wanted: Any, *, hosts: Sequence[str] = ()) -> KeyPair:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        authority = self._pair("ca")
        authority_certificate = x509.load_pem_x509_certificate(authority.certificate)
        authority_key = serialization.load_pem_private_key(authority.key, None)
        assert isinstance(authority_key, ec.EllipticCurvePrivateKey)

        key = ec.generate_private_key(ec.SECP256R1())
        builder, until = _builder(subject, key, LEAF_DAYS)
        builder = builder.issuer_name(authority_certificate.subject)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(sign_certificates=False), critical=True)
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        pair = _sign(builder, key, authority_key)
        self._keep(label, pair, until=until, wanted=wanted, issuer=self._index["ca"]["digest"])
        return pair


def _digest(pair: KeyPair) -> str:
    return hashlib.sha256(pair.certificate + b"\0" + pair.key).hexdigest()


def _name(subject: Subject) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in subject[1]]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, subject[0])])


def _general_name(host: str) -> x509.GeneralName:
    import ipaddress

    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(subject: Subject, key: EllipticCurvePrivateKey, days: int) -> tuple[x509.CertificateBuilder, float]:
    import datetime

    from cryptography import x509

    now = int(time.time())
    start = datetime.datetime.fromtimestamp(now - BACKDATE, datetime.UTC)
    end = datetime.datetime.fromtimestamp(now + days * DAY, datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(_name(subject)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False), end.timestamp()


def _usage(*, sign_certificates: bool, signature: bool = True, key: bool = True) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=signature,
        content_commitment=False,
        key_encipherment=key and not sign_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(
    builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey, issuer_key: EllipticCurvePrivateKey
) -> KeyPair:
    from cryptography.hazmat.primitives import hashes, serialization

    certificate = builder.sign(issuer_key, hashes.SHA256())
    return KeyPair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
