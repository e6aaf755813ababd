"""ServiceAccount tokens on the path of authentication: what they claim, and who may still use them.

Follows k8s.io/kubernetes/pkg/serviceaccount (claims.go, legacy.go, jwt.go): a token names its account and, maybe, a
pod, secret or node that it lives and dies with. It is valid for an audience; the API is one of many. Tokens of the old
kind lie in Secrets and are good as long as these are.
"""

from __future__ import annotations

import base64
import hmac
from calendar import timegm
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import strptime
from typing import Any

from wherry.access.authentication.audiences import common
from wherry.access.chain import AUTHENTICATED, CREDENTIAL_ID, Rejected
from wherry.access.impersonation import service_account
from wherry.access.signing import BadSignature, Signer
from wherry.access.user import Known, User
from wherry.errors import go_quote
from wherry.kit.ids import new_uid

ISSUER = "https://kubernetes.default.svc.cluster.local"
LEGACY_ISSUER = "kubernetes/serviceaccount"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
LEEWAY = 60  # clocks differ; what was deleted a moment ago still counts
# A pod's token of the kubelet's usual lifetime is good for a year: old clients never read it anew.
WARN_ONLY, EXTENDED = 3607, 365 * 86400
_EXTRA = "authentication.kubernetes.io/"
_LEGACY = "kubernetes.io/serviceaccount/"
_LEGACY_CLUSTER = f"{_LEGACY}clusterName"

Obj = dict[str, Any]
Look = Callable[[str, str, str], Obj | None]  # (resource, namespace, name): the object as it is now


@dataclass(frozen=True, slots=True)
class Bound:
    """What a token lives and dies with; a pod brings its node along."""

    pod: Obj | None = None
    secret: Obj | None = None
    node: Obj | None = None


@dataclass(slots=True)
class AccountTokens:
    """Issues tokens, and authenticates those who show one (a `chain.TokenAuthenticator`).

    The first of `issuers` issues, tokens of the others are accepted too; `audiences` are those of the API itself."""

    look: Look
    clock: Callable[[], float]
    signer: Signer = field(default_factory=Signer)
    issuers: tuple[str, ...] = (ISSUER,)
    audiences: tuple[str, ...] = (ISSUER,)
    longest: int = 0  # seconds that a token may live at most; 0: no bound
    extend: bool = True
    keys_url: str = ""  # where others find the keys, if not here
    cluster: str = ""  # the workspace whose accounts these are; empty for the root. A fork has the same uids

    def issue(self, account: Obj, audiences: Sequence[str], seconds: int, bound: Bound) -> str:
        """A token for a ServiceAccount."""
        now, meta = int(self.clock()), account["metadata"]
        seconds = self.lifetime(seconds)
        kubernetes: Obj = {"namespace": meta["namespace"], "serviceaccount": _ref(account)}
        if self.cluster:
            kubernetes["clusterName"] = self.cluster
        for key in ("pod", "secret", "node"):
            obj = getattr(bound, key)
            if obj is not None:
                kubernetes[key] = _ref(obj)
        ours = set(audiences) <= set(self.audiences)
        if self.extend and bound.pod is not None and seconds == WARN_ONLY and ours:
            kubernetes["warnafter"] = now + seconds
            seconds = EXTENDED
        claims = {
            "aud": list(audiences),
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuers[0],
            "jti": new_uid(),
            "kubernetes.io": kubernetes,
            "nbf": now,
            "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
        }
        return self.signer.sign(claims)

    def lifetime(self, seconds: int) -> int:
        """What is given to someone who asks for so many seconds."""
        return min(seconds, self.longest) if self.longest else seconds

    def legacy(self, account: Obj, secret: Obj) -> str:
        """A token of the old kind, to be kept in the Secret."""
        meta = account["metadata"]
        place = {_LEGACY_CLUSTER: self.cluster} if self.cluster else {}
        return self.signer.sign(
            {
                **place,
                "iss": LEGACY_ISSUER,
                f"{_LEGACY}namespace": meta["namespace"],
                f"{_LEGACY}secret.name": secret["metadata"]["name"],
                f"{_LEGACY}service-account.name": meta["name"],
                f"{_LEGACY}service-account.uid": meta["uid"],
                "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
            }
        )

    def __call__(self, token: str, audiences: tuple[str, ...]) -> Known | None:
        """The account behind a bearer token; None when it is not of these issuers. Raises Rejected."""
        if token.count(".") != 2:
            return None
        claims = self.signer.known(token) or self._verified(token)
        if claims is None:
            return None
        old = claims["iss"] == LEGACY_ISSUER
        place = claims.get(_LEGACY_CLUSTER) if old else (claims.get("kubernetes.io") or {}).get("clusterName")
        if (place or "") != self.cluster:
            raise Rejected("token is of another workspace")
        wanted = audiences or self.audiences
        of_token = _audiences(claims) or self.audiences
        shared = common(of_token, wanted)
        if not shared:
            asked = f"is invalid for the target audiences {_quoted(wanted)}"
            raise Rejected(f"token audiences {_quoted(of_token)} {asked}")
        return Known(self._legacy_account(token, claims) if old else self._account(claims), tuple(shared))

    def _verified(self, token: str) -> Obj | None:
        from wherry.access.authentication.jose import unverified

        said = unverified(token)
        if said is None or said.get("iss") not in (*self.issuers, LEGACY_ISSUER):
            return None
        try:
            return self.signer.verify(token)
        except BadSignature as bad:
            raise Rejected(str(bad)) from None

    def _legacy_account(self, token: str, claims: Obj) -> User:
        said: dict[str, str] = {}
        for key, what in _LEGACY_CLAIMS:
            value = claims.get(key)
            if not isinstance(value, str) or not value:
                raise Rejected(f"{what} claim is missing")
            said[what] = value
        namespace, name = said["namespace"], said["serviceAccountName"]
        if service_account(said["sub"]) != (namespace, name):
            raise Rejected("sub claim is invalid")
        secret = self.look("secrets", namespace, said["secretName"])
        if secret is None or secret["metadata"].get("deletionTimestamp"):
            raise Rejected("Token has been invalidated")
        kept = base64.b64decode((secret.get("data") or {}).get("token") or "")
        if not hmac.compare_digest(kept, token.encode("utf-8", "surrogateescape")):
            raise Rejected("Token does not match server's copy")
        account = self.look("serviceaccounts", namespace, name)
        if account is None:
            raise Rejected(f'serviceaccounts "{name}" not found')
        if account["metadata"].get("deletionTimestamp"):
            raise Rejected(f"ServiceAccount {namespace}/{name} has been deleted")
        uid = said["serviceAccountUID"]
        if account["metadata"]["uid"] != uid:
            raise Rejected(f"ServiceAccount UID ({account['metadata']['uid']}) does not match claim ({uid})")
        since = (secret["metadata"].get("labels") or {}).get(INVALID_SINCE)
        if since:
            raise Rejected(
                f"the token in secret {namespace}/{said['secretName']} for service account {namespace}/{name} has been"
                " marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or"
                f" remove the '{INVALID_SINCE}' label from the secret to temporarily allow use of this token"
            )
        return User(said["sub"], uid, _groups(namespace))

    def _account(self, claims: Obj) -> User:
        now = self.clock()
        if now - LEEWAY > claims.get("exp", 0):
            raise Rejected("service account token has expired")
        if now + LEEWAY < claims.get("nbf", 0):
            raise Rejected("service account token is not valid yet")
        if now + LEEWAY < claims.get("iat", 0):
            raise Rejected("service account token is issued in the future")
        said = claims.get("kubernetes.io") or {}
        namespace, account = said.get("namespace"), said.get("serviceaccount") or {}
        if not namespace or not account.get("name") or not account.get("uid"):
            raise Rejected("service account token claims could not be validated due to unexpected private claim")
        if service_account(claims.get("sub", "")) != (namespace, account["name"]):
            raise Rejected("service account token claims could not be validated due to unexpected private claim")
        self._check_account(namespace, account, now)
        pod, node = said.get("pod"), said.get("node")
        if "secret" in said:
            self._check_bound("secret", namespace, said["secret"], now)
        if pod is not None:
            self._check_bound("pod", namespace, pod, now)
        elif node is not None:
            self._check_bound("node", "", node, now)
        extra: dict[str, tuple[str, ...]] = {}
        if claims.get("jti"):
            extra[CREDENTIAL_ID] = (f"JTI={claims['jti']}",)
        for kind, ref in (("pod", pod), ("node", node)):
            if ref is not None:
                extra[f"{_EXTRA}{kind}-name"] = (ref["name"],)
                if ref.get("uid"):
                    extra[f"{_EXTRA}{kind}-uid"] = (ref["uid"],)
        return User(claims["sub"], account["uid"], _groups(namespace), extra)

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


_LEGACY_CLAIMS = (
    ("sub", "sub"),
    (f"{_LEGACY}namespace", "namespace"),
    (f"{_LEGACY}secret.name", "secretName"),
    (f"{_LEGACY}service-account.name", "serviceAccountName"),
    (f"{_LEGACY}service-account.uid", "serviceAccountUID"),
)


def _audiences(claims: Obj) -> list[str]:
    """The `aud` claim, which may be one text or several."""
    value = claims.get("aud") or []
    return [value] if isinstance(value, str) else list(value)


def _groups(namespace: str) -> tuple[str, ...]:
    return "system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED


def _ref(obj: Obj) -> Obj:
    meta = obj["metadata"]
    return {key: meta[key] for key in ("name", "uid") if meta.get(key)}


def _quoted(audiences: Sequence[str]) -> str:
    return f"[{' '.join(go_quote(audience) for audience in audiences)}]"


def _long_gone(obj: Obj, now: float) -> bool:
    deleted = obj["metadata"].get("deletionTimestamp")
    return bool(deleted) and timegm(strptime(deleted, "%Y-%m-%dT%H:%M:%SZ")) < now - LEEWAY
