"""Endpoints about ServiceAccount tokens: the `token` subresource, token reviews, and the issuer's documents
(registry/core/serviceaccount/storage/token.go, registry/authentication/tokenreview, OpenID Connect discovery)."""

from __future__ import annotations

from time import gmtime, strftime
from typing import Any

import orjson

from wherry import errors
from wherry.access.admission import user_info
from wherry.access.chain import ANONYMOUS, Credentials, Rejected
from wherry.access.pending import settled
from wherry.access.tokens import AccountTokens, Bound
from wherry.machinery.builtin.policy.reviews import TokenRequestStrategy
from wherry.machinery.fields import managed
from wherry.machinery.kinds import Obj, Resource
from wherry.server import answers, reads, writes
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.store import names, read
from wherry.store.metadata import set_managed
from wherry.store.registry import Registry

CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"
_GROUP, _KIND = "authentication.k8s.io", "TokenRequest"
_RESOURCE = Resource(_GROUP, "v1", "tokenrequests", "tokenrequest", _KIND, True, ("create",))
_FOR_AN_HOUR = ("cache-control", "public, max-age=3600")


def account_tokens(call: Call) -> AccountTokens:
    """The issuer of this server's tokens."""
    tokens = call.api.accounts
    if tokens is None:
        raise errors.StatusError("this server issues no tokens", reason="NotImplemented", code=501)
    return tokens


async def request(call: Call) -> Response:
    """POST .../serviceaccounts/NAME/token: a token for the account."""
    form = reads.form_of(call)
    media = writes.media_type(call)
    ctx = writes.context(call, "CreateOptions")
    tokens, d, strategy = account_tokens(call), Registry.detached(_RESOURCE), TokenRequestStrategy()
    obj, warnings = d.decode(call.request.body, media, ctx.field_validation)
    ctx.warnings.extend(warnings)
    if call.trail is not None:
        call.trail.request_object(obj)
    strategy.default(obj)
    meta = obj.setdefault("metadata", {})
    names.match_namespace(_RESOURCE, meta, call.namespace)
    entries = managed.create(
        obj, ctx.manager, _RESOURCE.api_version, call.api.store.now(), d.node(), d.reset(""), "token"
    )
    set_managed(meta, entries)
    await ctx.admit_mutating("CREATE", obj)
    account = _fill(call, obj, tokens.audiences)
    found = strategy.validate_create(obj)
    if found:
        raise errors.Invalid.of(_GROUP, _KIND, "", found)
    await ctx.admit_validating("CREATE", obj)
    spec, bound = obj["spec"], _bound(call, obj["spec"].get("boundObjectRef"))
    seconds = tokens.lifetime(spec["expirationSeconds"])
    if seconds != spec["expirationSeconds"]:
        ctx.warnings.append(
            f"requested expiration of {spec['expirationSeconds']} seconds shortened to {seconds} seconds"
        )
        spec["expirationSeconds"] = seconds
    until = gmtime(tokens.clock() + seconds)
    token = tokens.issue(account, spec["audiences"], seconds, bound)
    obj["status"] = {"token": token, "expirationTimestamp": strftime("%Y-%m-%dT%H:%M:%SZ", until)}
    return answers.encoded(orjson.dumps(obj), form, 201, ctx.warnings)


def _fill(call: Call, obj: Obj, audiences: tuple[str, ...]) -> Obj:
    """What the request left open comes from the account. Raises Invalid, NotFound, Conflict."""
    meta, spec, name = obj["metadata"], obj["spec"], call.info.name
    if meta.get("name") and meta["name"] != name:
        why = "must match the service account name if specified"
        raise errors.Invalid.of(_GROUP, _KIND, name, [errors.invalid("metadata.name", meta["name"], why)])
    account = _get(call, "serviceaccounts", call.namespace, name)
    uid = account["metadata"]["uid"]
    if meta.get("uid") and meta["uid"] != uid:
        why = f"the UID in the token request ({meta['uid']}) does not match the UID of the service account ({uid})"
        raise errors.Conflict.of(_GROUP, _KIND, name, why)
    meta.update(name=name, namespace=call.namespace, uid=uid, creationTimestamp=call.api.store.now())
    if not spec.get("audiences"):
        spec["audiences"] = list(audiences)
    spec.setdefault("boundObjectRef", None)
    obj.pop("status", None)
    return account


def _get(call: Call, resource: str, namespace: str, name: str) -> Obj:
    if not name:
        raise errors.BadRequest("Name parameter required.")
    d = call.api.registry.find(call.info.workspace, "", "v1", resource)
    assert d is not None
    obj: Obj = orjson.loads(read.get(call.api.store, d, namespace, name).value)
    return obj


def _bound(call: Call, ref: Obj | None) -> Bound:
    """The object that a token shall live and die with. Raises BadRequest, NotFound, Conflict."""
    if ref is None:
        return Bound()
    version, kind, name = ref.get("apiVersion", ""), ref.get("kind", ""), ref.get("name", "")
    group, _, number = version.rpartition("/")
    if group or kind not in ("Pod", "Node", "Secret"):
        raise errors.BadRequest(f"cannot bind token to object of type {group}/{number}, Kind={kind}")
    namespace = "" if kind == "Node" else call.namespace
    obj = _get(call, f"{kind.lower()}s", namespace, name)
    if kind == "Pod" and (obj.get("spec") or {}).get("serviceAccountName") != call.info.name:
        quoted = errors.go_quote(call.info.name)
        raise errors.BadRequest(
            f"cannot bind token for serviceaccount {quoted} to pod running with different serviceaccount name."
        )
    uid = obj["metadata"]["uid"]
    if ref.get("uid") and ref["uid"] != uid:
        why = f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
        raise errors.Conflict.of("", kind, name, f"{why}The object might have been deleted and then recreated")
    if kind == "Secret":
        return Bound(secret=obj)
    return Bound(node=obj) if kind == "Node" else Bound(pod=obj, node=_node_of(call, obj))


def _node_of(call: Call, pod: Obj) -> Obj | None:
    name = (pod.get("spec") or {}).get("nodeName", "")
    if not name:
        return None
    try:
        return _get(call, "nodes", "", name)
    except errors.NotFound:
        return {"metadata": {"name": name}}  # its name still tells readers of the token where the pod is


async def review(call: Call, spec: Obj) -> Obj:
    """The status of a TokenReview. Raises BadRequest for one without a token."""
    token, wanted = spec.get("token", ""), tuple(spec.get("audiences") or ())
    if not token:
        raise errors.BadRequest("token is required for TokenReview in authentication")
    shown = Credentials(f"Bearer {token}", audiences=wanted)
    chain = call.api.chain
    try:
        user, audiences = await settled(lambda: chain.identify(shown))
    except Rejected as rejected:
        return {"user": {}, "error": rejected.why}
    if user is ANONYMOUS:  # a token that is none, such as one that begins with a blank
        return {"user": {}}
    return {"authenticated": True, "user": user_info(user), "audiences": list(audiences)}


def issuer(call: Call) -> Response:
    """GET of what others need to verify tokens: the configuration, and the keys."""
    if call.request.method != "GET":
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
    tokens = account_tokens(call)
    if call.info.path == KEYS:
        keys = orjson.dumps({"keys": tokens.signer.publics()})
        return Response(200, [("content-type", "application/jwk-set+json"), _FOR_AN_HOUR], keys)
    host = call.request.header("host") or "kubernetes.default.svc"
    configuration: dict[str, Any] = {
        "issuer": tokens.issuers[0],
        "jwks_uri": tokens.keys_url or f"https://{host}{KEYS}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({key["alg"] for key in tokens.signer.publics()}),
    }
    return Response(200, [("content-type", "application/json"), _FOR_AN_HOUR], orjson.dumps(configuration))
