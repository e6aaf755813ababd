"""AuthenticationConfiguration: which issuers of tokens are believed, and whether anyone may come without.

Kinds and checks as in k8s.io/apiserver/pkg/apis/apiserver (v1, and validation.ValidateAuthenticationConfiguration).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wherry.access.chain import Anonymous
from wherry.access.configuration import Obj, decode, refuse
from wherry.errors import FieldError, duplicate, invalid, required, too_many
from wherry.machinery.builtin.workloads.job_spec import prefixed_path

if TYPE_CHECKING:
    from wherry.access.authentication.expressions import Expression

VERSIONS = ("v1", "v1beta1", "v1alpha1")
_MAPPING = {"claim": str, "prefix": str, "expression": str}
_JWT = {
    "issuer": {
        "url": str,
        "discoveryURL": str,
        "certificateAuthority": str,
        "audiences": [str],
        "audienceMatchPolicy": str,
        "egressSelectorType": str,
    },
    "claimValidationRules": [{"claim": str, "requiredValue": str, "expression": str, "message": str}],
    "claimMappings": {
        "username": _MAPPING,
        "groups": _MAPPING,
        "uid": {"claim": str, "expression": str},
        "extra": [{"key": str, "valueExpression": str}],
    },
    "userValidationRules": [{"expression": str, "message": str}],
}
SHAPE = {"jwt": [_JWT], "anonymous": {"enabled": bool, "conditions": [{"path": str}]}}


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where a part of the identity comes from: a claim with a prefix, or an expression."""

    claim: str = ""
    prefix: str = ""
    expression: Expression | None = None


@dataclass(slots=True)
class JwtAuthenticator:
    """One issuer, checked and compiled."""

    url: str
    audiences: tuple[str, ...]
    discovery_url: str = ""
    authority: str = ""
    username: Mapping = field(default_factory=Mapping)
    groups: Mapping = field(default_factory=Mapping)
    uid: Mapping = field(default_factory=Mapping)
    extra: list[tuple[str, Expression]] = field(default_factory=list)
    required_claims: dict[str, str] = field(default_factory=dict)
    claim_rules: list[tuple[Expression, str]] = field(default_factory=list)
    user_rules: list[tuple[Expression, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AuthenticationConfiguration:
    """`anonymous` None: the file does not say."""

    issuers: tuple[JwtAuthenticator, ...] = ()
    anonymous: Anonymous | None = None


def read(text: bytes, disallowed: Collection[str] = ()) -> AuthenticationConfiguration:
    """A configuration file. `disallowed` issuers are this server's own. Raises ConfigurationError."""
    return checked(decode(text, "AuthenticationConfiguration", VERSIONS, SHAPE), disallowed)


def checked(document: Obj, disallowed: Collection[str] = ()) -> AuthenticationConfiguration:
    """A document of the right shape. Raises ConfigurationError."""
    given: list[Obj] = document.get("jwt") or []
    if len(given) > 64:
        refuse([too_many("jwt", len(given), 64)])
    found: list[FieldError] = []
    issuers = []
    seen: set[str] = set()
    discovered: set[str] = set()
    for index, each in enumerate(given):
        path = f"jwt[{index}]"
        issuers.append(_issuer(each, path, disallowed, found))
        issuer = each.get("issuer") or {}
        for name, known in (("url", seen), ("discoveryURL", discovered)):
            value = issuer.get(name) or ""
            if value in known and (value or name == "url"):
                found.append(duplicate(f"{path}.issuer.{name}", value))
            if value or name == "url":
                known.add(value)
    anonymous = document.get("anonymous")
    conditions = (anonymous or {}).get("conditions") or []
    if anonymous is not None and not anonymous.get("enabled") and conditions:
        shown = [{"path": each.get("path", "")} for each in conditions]
        text = "enabled should be set to true when conditions are defined"
        found.append(invalid("anonymous.conditions", shown, text))
    refuse(found)
    if anonymous is None:
        return AuthenticationConfiguration(tuple(issuers))
    paths = [each.get("path") or "" for each in conditions]
    return AuthenticationConfiguration(tuple(issuers), Anonymous(bool(anonymous.get("enabled")), paths))


def _issuer(each: Obj, path: str, disallowed: Collection[str], found: list[FieldError]) -> JwtAuthenticator:
    given = each.get("issuer") or {}
    url, discovery = given.get("url") or "", given.get("discoveryURL") or ""
    audiences: list[str] = given.get("audiences") or []
    where = f"{path}.issuer"
    found += [required(f"{where}.url")] if not url else _url_problems(url, disallowed, f"{where}.url")
    if discovery:
        if url and url.rstrip("/") == discovery.rstrip("/"):
            found.append(invalid(f"{where}.discoveryURL", discovery, "discoveryURL must be different from URL"))
        found += _url_problems(discovery, (), f"{where}.discoveryURL")
    found += _audience_problems(audiences, given.get("audienceMatchPolicy") or "", where)
    authority = given.get("certificateAuthority") or ""
    if authority and not _is_pem(authority):
        text = "data does not contain any valid RSA or ECDSA certificates"
        found.append(invalid(f"{where}.certificateAuthority", "<omitted>", text))
    if given.get("egressSelectorType"):
        text = "egress selectors are not supported: this control plane dials by itself"
        found.append(invalid(f"{where}.egressSelectorType", given["egressSelectorType"], text))
    made = JwtAuthenticator(url, tuple(audiences), discovery, authority)
    _claim_rules(made, each.get("claimValidationRules") or [], f"{path}.claimValidationRules", found)
    _mappings(made, each.get("claimMappings") or {}, f"{path}.claimMappings", found)
    _user_rules(made, each.get("userValidationRules") or [], f"{path}.userValidationRules", found)
    return made


def _url_problems(url: str, disallowed: Collection[str], path: str) -> Iterator[FieldError]:
    if url in disallowed:
        shown = f"[{' '.join(sorted(disallowed))}]"
        yield invalid(path, url, f"URL must not overlap with disallowed issuers: {shown}")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        yield invalid(path, url, str(error))
        return
    if parts.scheme != "https":
        yield invalid(path, url, "URL scheme must be https")
    if parts.username is not None or parts.password is not None:
        yield invalid(path, url, "URL must not contain a username or password")
    if parts.query:
        yield invalid(path, url, "URL must not contain a query")
    if parts.fragment:
        yield invalid(path, url, "URL must not contain a fragment")


def _audience_problems(audiences: Sequence[str], policy: str, where: str) -> Iterator[FieldError]:
    path = f"{where}.audiences"
    if not audiences:
        yield required(path, f"at least one {path} is required")
        return
    seen: set[str] = set()
    for index, audience in enumerate(audiences):
        if not audience:
            yield required(f"{path}[{index}]")
        if audience in seen:
            yield duplicate(f"{path}[{index}]", audience)
        seen.add(audience)
    if len(audiences) > 1 and policy != "MatchAny":
        text = "audienceMatchPolicy must be MatchAny for multiple audiences"
        yield invalid(f"{where}.audienceMatchPolicy", policy, text)
    elif policy not in ("", "MatchAny"):
        text = "audienceMatchPolicy must be empty or MatchAny for single audience"
        yield invalid(f"{where}.audienceMatchPolicy", policy, text)


def _is_pem(text: str) -> bool:
    from cryptography import x509

    try:
        return bool(x509.load_pem_x509_certificates(text.encode()))
    except ValueError:
        return False


def _compiled(
    source: str, variable: str, path: str, found: list[FieldError], *, condition: bool = False
) -> Expression | None:
    from wherry.access.authentication.expressions import Expression

    try:
        return Expression(source, variable, condition=condition)
    except ValueError as error:
        found.append(invalid(path, source, str(error)))
        return None


def _claim_rules(made: JwtAuthenticator, rules: list[Obj], path: str, found: list[FieldError]) -> None:
    expressions: set[str] = set()
    for index, rule in enumerate(rules):
        where = f"{path}[{index}]"
        claim, source = rule.get("claim") or "", rule.get("expression") or ""
        if claim and source:
            found.append(invalid(where, claim, "claim and expression can't both be set"))
        elif claim:
            if rule.get("message"):
                found.append(invalid(f"{where}.message", rule["message"], "may not be specified when claim is set"))
            if claim in made.required_claims:
                found.append(duplicate(f"{where}.claim", claim))
            made.required_claims[claim] = rule.get("requiredValue") or ""
        elif source:
            if rule.get("requiredValue"):
                text = "may not be specified when expression is set"
                found.append(invalid(f"{where}.requiredValue", rule["requiredValue"], text))
            if source in expressions:
                found.append(duplicate(f"{where}.expression", source))
                continue
            expressions.add(source)
            compiled = _compiled(source, "claims", f"{where}.expression", found, condition=True)
            if compiled is not None:
                made.claim_rules.append((compiled, rule.get("message") or ""))
        else:
            found.append(required(where, "claim or expression is required"))


def _mappings(made: JwtAuthenticator, given: Obj, path: str, found: list[FieldError]) -> None:
    made.username = _prefixed(given.get("username") or {}, f"{path}.username", found, needed=True)
    made.groups = _prefixed(given.get("groups") or {}, f"{path}.groups", found)
    uid = given.get("uid") or {}
    if uid.get("claim") and uid.get("expression"):
        found.append(invalid(f"{path}.uid", "", "claim and expression can't both be set"))
    elif uid.get("expression"):
        made.uid = Mapping(expression=_compiled(uid["expression"], "claims", f"{path}.uid.expression", found))
    else:
        made.uid = Mapping(claim=uid.get("claim") or "")
    _extra(made, given.get("extra") or [], f"{path}.extra", found)
    name = made.username.expression
    if name is not None and name.mentions("email"):
        others = [name, *(rule for rule, _ in made.claim_rules), *(value for _, value in made.extra)]
        if not any(each.mentions("email_verified") for each in others):
            text = (
                "claims.email_verified must be used in claimMappings.username.expression or"
                " claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is"
                " used in claimMappings.username.expression"
            )
            found.append(invalid(f"{path}.username.expression", name.source, text))


def _prefixed(given: Obj, path: str, found: list[FieldError], *, needed: bool = False) -> Mapping:
    claim, source, prefix = given.get("claim") or "", given.get("expression") or "", given.get("prefix")
    if claim and source:
        found.append(invalid(path, "", "claim and expression can't both be set"))
    elif source:
        if prefix is not None:
            found.append(invalid(f"{path}.prefix", prefix, "may not be specified when expression is set"))
        return Mapping(expression=_compiled(source, "claims", f"{path}.expression", found))
    elif claim:
        if prefix is None:
            text = "prefix is required when claim is set. It can be set to an empty string to disable prefixing"
            found.append(required(f"{path}.prefix", text))
        return Mapping(claim, prefix or "")
    elif needed:
        found.append(required(path, "claim or expression is required"))
    return Mapping()


def _extra(made: JwtAuthenticator, given: list[Obj], path: str, found: list[FieldError]) -> None:
    seen: set[str] = set()
    for index, each in enumerate(given):
        where, key = f"{path}[{index}]", each.get("key") or ""
        found += prefixed_path(key, f"{where}.key") if key else [required(f"{where}.key")]
        if key != key.lower():
            found.append(invalid(f"{where}.key", key, "must be lowercase"))
        domain = f".{key.partition('/')[0]}" if "/" in key else ""
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            text = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use"
            found.append(invalid(f"{where}.key", key, text))
        if key in seen:
            found.append(duplicate(f"{where}.key", key))
            continue
        seen.add(key)
        if not each.get("valueExpression"):
            found.append(required(f"{where}.valueExpression"))
            continue
        compiled = _compiled(each["valueExpression"], "claims", f"{where}.valueExpression", found)
        if compiled is not None:
            made.extra.append((key, compiled))


def _user_rules(made: JwtAuthenticator, rules: list[Obj], path: str, found: list[FieldError]) -> None:
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        where, source = f"{path}[{index}].expression", rule.get("expression") or ""
        if not source:
            found.append(required(where))
        elif source in seen:
            found.append(duplicate(where, source))
        else:
            seen.add(source)
            compiled = _compiled(source, "user", where, found, condition=True)
            if compiled is not None:
                made.user_rules.append((compiled, rule.get("message") or ""))
