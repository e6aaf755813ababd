"""Client certificates: the common name is the user, each organization a group.

TLS has verified them (`kit/tls.py`). Follows CommonNameUserConversion in
k8s.io/apiserver/pkg/authentication/request/x509.
"""

from __future__ import annotations

from wherry.access.authentication.audiences import Agnostic
from wherry.access.chain import CREDENTIAL_ID, Credentials, Rejected, authenticated
from wherry.access.user import Known, User
from wherry.kit.pki import Peer

_REMEMBERED = 1024  # certificates; clients choose how many there are


class Certificates:
    """An authenticator. A connection shows the same certificate with each request: its user is made once."""

    def __init__(self, agnostic: Agnostic):
        self._agnostic = agnostic
        self._users: dict[Peer, User] = {}

    def __call__(self, shown: Credentials) -> Known | None:
        if shown.problem:
            raise Rejected(f"verifying certificate failed: {shown.problem}")
        peer = shown.certificate
        if peer is None or not peer.name:
            return None
        user = self._users.get(peer)
        if user is None:
            if len(self._users) >= _REMEMBERED:
                self._users.clear()
            user = self._users[peer] = _user(peer)
        return self._agnostic(user, shown.audiences)


def _user(peer: Peer) -> User:
    if len(peer.uids) > 1:
        raise Rejected(f"expected 1 UID, but found multiple: [{' '.join(peer.uids)}]")
    if peer.uids == ("",):
        raise Rejected("UID cannot be an empty string")
    extra: dict[str, tuple[str, ...]] = {}
    if peer.digest:
        extra[CREDENTIAL_ID] = (f"X509SHA256={peer.digest}",)
    return authenticated(User(peer.name, "".join(peer.uids), peer.groups, extra))
