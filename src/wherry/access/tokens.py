"""ServiceAccount tokens on the path of authentication: what they claim, and who may still use them.

Follows k8s.io/kubernetes/pkg/serviceaccount (claims.go, jwt.go): a token names its account and, maybe, a pod, secret
or node that it lives and dies with. It is valid for an audience; the API is one of many.
"""

from __future__ import annotations

from calendar import timegm
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import strptime
from typing import Any

from wherry.access.chain import AUTHENTICATED, Credentials
from wherry.access.signing import BadSignature, Signer, unverified
from wherry.access.user import User
from wherry.errors import Unauthorized, go_quote
from wherry.kit.ids import new_uid

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCES = (ISSUER,)  # of the API itself
LEEWAY = 60  # clocks differ; what was deleted a moment ago still counts
# A pod's token of the kubelet's usual lifetime is good for a year: old clients never read it anew.
WARN_ONLY, EXTENDED = 3607, 365 * 86400
_EXTRA = "authentication.kubernetes.io/"

Obj = dict[str, Any]
Look = Callable[[str, str, str], Obj | None]  # (resource, namespace, name): the object as it is now


class Rejected(Unauthorized):
    """A token of ours that is not accepted; `why` is for token reviews, the caller only hears Unauthorized."""

    def __init__(self, why: str):
        super().__init__()
        self.why = why


@dataclass(frozen=True, slots=True)
class Bound:
    """What a token lives and dies with; a pod brings its node along."""

    pod: Obj | None = None
    secret: Obj | None = None
    node: Obj | None = None


@dataclass(slots=True)
class AccountTokens:
    """Issues tokens, and authenticates those who show one (a `chain.Authenticator`)."""

    look: Look
    clock: Callable[[], float]
    signer: Signer = field(default_factory=Signer)

    def issue(self, account: Obj, audiences: Sequence[str], seconds: int, bound: Bound) -> str:
        """A token for a ServiceAccount."""
        now, meta = int(self.clock()), account["metadata"]
        kubernetes: Obj = {"namespace": meta["namespace"], "serviceaccount": _ref(account)}
        for key in ("pod", "secret", "node"):
            obj = getattr(bound, key)
            if obj is not None:
                kubernetes[key] = _ref(obj)
        if bound.pod is not None and seconds == WARN_ONLY and set(audiences) <= set(AUDIENCES):
            kubernetes["warnafter"] = now + seconds
            seconds = EXTENDED
        claims = {
            "aud": list(audiences),
            "exp": now + seconds,
            "iat": now,
            "iss": ISSUER,
            "jti": new_uid(),
            "kubernetes.io": kubernetes,
            "nbf": now,
            "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
        }
        return self.signer.sign(claims)

    def __call__(self, shown: Credentials) -> User | None:
        """The account behind a bearer token; None when it is not of this issuer. Raises Rejected."""
        scheme, _, token = shown.authorization.strip().partition(" ")
        token = token.partition(" ")[0]
        if scheme.lower() != "bearer" or token.count(".") != 2:
            return None
        claims = self.signer.known(token) or self._verified(token)
        if claims is None:
            return None
        wanted = shown.audiences or AUDIENCES
        if not common_audiences(claims["aud"], wanted):
            asked = f"is invalid for the target audiences {_quoted(wanted)}"
            raise Rejected(f"token audiences {_quoted(claims['aud'])} {asked}")
        return self._account(claims)

    def _verified(self, token: str) -> Obj | None:
        said = unverified(token)
        if said is None or said.get("iss") != ISSUER:
            return None
        try:
            return self.signer.verify(token)
        except BadSignature as bad:
            raise Rejected(str(bad)) from None

    def audiences(self, token: str, wanted: Sequence[str]) -> list[str]:
        """Those of the token's audiences that were asked for; call it for an accepted token."""
        return common_audiences((unverified(token) or {}).get("aud", []), wanted or AUDIENCES)

    def _account(self, claims: Obj) -> User:
        now = self.clock()
        if now - LEEWAY > claims["exp"]:
            raise Rejected("service account token has expired")
        if now + LEEWAY < claims["nbf"]:
            raise Rejected("service account token is not valid yet")
        if now + LEEWAY < claims["iat"]:
            raise Rejected("service account token is issued in the future")
        said = claims["kubernetes.io"]
        namespace, account = said["namespace"], said["serviceaccount"]
        self._check_account(namespace, account, now)
        pod, node = said.get("pod"), said.get("node")
        if "secret" in said:
            self._check_bound("secret", namespace, said["secret"], now)
        if pod is not None:
            self._check_bound("pod", namespace, pod, now)
        elif node is not None:
            self._check_bound("node", "", node, now)
        extra: dict[str, tuple[str, ...]] = {f"{_EXTRA}credential-id": (f"JTI={claims['jti']}",)}
        for kind, ref in (("pod", pod), ("node", node)):
            if ref is not None:
                extra[f"{_EXTRA}{kind}-name"] = (ref["name"],)
                if ref.get("uid"):
                    extra[f"{_EXTRA}{kind}-uid"] = (ref["uid"],)
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
        return User(claims["sub"], account["uid"], groups, extra)

    def _check_account(self, namespace: str, ref: Obj, now: float) -> None:
        obj = self.look("serviceaccounts", namespace, ref["name"])
        if obj is None:
            raise Rejected(f'serviceaccounts "{ref["name"]}" not found')
        uid = obj["metadata"]["uid"]
        if uid != ref["uid"]:
            raise Rejected(f"service account UID ({uid}) does not match claim ({ref['uid']})")
        if _long_gone(obj, now):
            raise Rejected(f"service account {namespace}/{ref['name']} has been deleted")

    def _check_bound(self, kind: str, namespace: str, ref: Obj, now: float) -> None:
        obj = self.look(f"{kind}s", namespace, ref["name"])
        if obj is None:
            raise Rejected("service account token has been invalidated")
        uid = obj["metadata"]["uid"]
        if uid != ref["uid"]:
            claim = f"service account {kind} ref claim ({ref['uid']})"
            raise Rejected(f"{kind} UID ({uid}) does not match {claim}")
        if _long_gone(obj, now):
            raise Rejected("service account token has been invalidated")


def common_audiences(of_token: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """In the order in which they were asked for."""
    return [audience for audience in wanted if audience in of_token]


def _ref(obj: Obj) -> Obj:
    meta = obj["metadata"]
    return {key: meta[key] for key in ("name", "uid") if meta.get(key)}


def _quoted(audiences: Sequence[str]) -> str:
    return f"[{' '.join(go_quote(audience) for audience in audiences)}]"


def _long_gone(obj: Obj, now: float) -> bool:
    deleted = obj["metadata"].get("deletionTimestamp")
    return bool(deleted) and timegm(strptime(deleted, "%Y-%m-%dT%H:%M:%SZ")) < now - LEEWAY
