"""From the claims of a verified token to a user: mappings, and rules that both must meet.

Follows k8s.io/apiserver/plugin/pkg/authenticator/token/oidc (getUsername and its neighbours). Errors are ValueErrors
with upstream's texts, but for the `oidc: ` in front.
"""

from __future__ import annotations

from typing import Any

from wherry.access.authentication.config import JwtAuthenticator
from wherry.access.chain import CREDENTIAL_ID, authenticated
from wherry.access.user import User

Obj = dict[str, Any]


def identity(settings: JwtAuthenticator, claims: Obj) -> User:
    """Raises ValueError."""
    given = _for_expressions(settings, claims)
    name = _username(settings, claims, given)
    groups = _groups(settings, claims, given)
    uid = _uid(settings, claims, given)
    user = User(name, uid, groups, _extra(settings, claims, given))
    _check_required(settings, claims)
    try:
        for rule, message in settings.claim_rules:
            rule.holds(given, message)
    except ValueError as error:
        raise ValueError(f"error evaluating claim validation expression: {error}") from None
    if settings.user_rules:
        from wherry.access.authentication.expressions import user_value

        try:
            value = user_value(user)
            for rule, message in settings.user_rules:
                rule.holds(value, message)
        except ValueError as error:
            raise ValueError(f"error evaluating user info validation rule: {error}") from None
    return authenticated(user)


def _for_expressions(settings: JwtAuthenticator, claims: Obj) -> Any:
    used = (settings.username.expression, settings.groups.expression, settings.uid.expression)
    if not any(used) and not settings.extra and not settings.claim_rules:
        return None
    from wherry.access.authentication.expressions import as_claims

    return as_claims(claims)


def _text(claims: Obj, name: str) -> str:
    """A claim that must be a text (Go takes null for an empty one)."""
    if name not in claims:
        raise ValueError("claim not present")
    value = claims[name]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"json: cannot unmarshal {_go_kind(value)} into Go value of type string")
    return value


def _username(settings: JwtAuthenticator, claims: Obj, given: Any) -> str:
    mapping = settings.username
    if mapping.expression is not None:
        try:
            value = mapping.expression.value(given)
            if not isinstance(value, str):
                raise ValueError("username claim expression must return a string")
        except ValueError as error:
            raise ValueError(f"error evaluating username claim expression: {error}") from None
        if not value:
            raise ValueError("empty username via CEL expression is not allowed")
        return value
    try:
        name = _text(claims, mapping.claim)
    except ValueError as error:
        raise ValueError(f'parse username claims "{mapping.claim}": {error}') from None
    if mapping.claim == "email" and "email_verified" in claims:
        verified = claims["email_verified"]
        if verified is not None and not isinstance(verified, bool):
            text = f"json: cannot unmarshal {_go_kind(verified)} into Go value of type bool"
            raise ValueError(f"parse 'email_verified' claim: {text}")
        if not verified:
            raise ValueError("email not verified")
    return mapping.prefix + name


def _groups(settings: JwtAuthenticator, claims: Obj, given: Any) -> tuple[str, ...]:
    mapping = settings.groups
    if mapping.claim and mapping.claim in claims:
        value = claims[mapping.claim]
        values = [value] if isinstance(value, str) else value or []
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            text = f"json: cannot unmarshal {_go_kind(value)} into Go value of type string"
            raise ValueError(f'parse groups claim "{mapping.claim}": {text}')
        return tuple(mapping.prefix + each for each in values)
    if mapping.expression is None:
        return ()
    from wherry.access.authentication.expressions import texts

    try:
        return texts(mapping.expression.value(given))
    except ValueError as error:
        raise ValueError(f"error evaluating group claim expression: {error}") from None


def _uid(settings: JwtAuthenticator, claims: Obj, given: Any) -> str:
    mapping = settings.uid
    if mapping.claim:
        try:
            return _text(claims, mapping.claim)
        except ValueError as error:
            raise ValueError(f'parse uid claim "{mapping.claim}": {error}') from None
    if mapping.expression is None:
        return ""
    try:
        value = mapping.expression.value(given)
        if not isinstance(value, str):
            raise ValueError("uid claim expression must return a string")
    except ValueError as error:
        raise ValueError(f"error evaluating uid claim expression: {error}") from None
    return value


def _extra(settings: JwtAuthenticator, claims: Obj, given: Any) -> dict[str, tuple[str, ...]]:
    extra: dict[str, tuple[str, ...]] = {}
    identifier = claims.get("jti")
    if isinstance(identifier, str) and identifier:
        extra[CREDENTIAL_ID] = (f"JTI={identifier}",)
    if not settings.extra:
        return extra
    from wherry.access.authentication.expressions import texts

    for key, expression in settings.extra:
        value = expression.value(given)
        try:
            values = texts(value)
        except ValueError as error:
            raise ValueError(f"error evaluating extra claim expression: {expression.source}: {error}") from None
        if values:
            extra[key] = values
    return extra


def _check_required(settings: JwtAuthenticator, claims: Obj) -> None:
    for claim, wanted in settings.required_claims.items():
        if claim not in claims:
            raise ValueError(f"required claim {claim} not present in ID token")
        try:
            got = _text(claims, claim)
        except ValueError as error:
            raise ValueError(f"parse claim {claim}: {error}") from None
        if got != wanted:
            raise ValueError(f"required claim {claim} value does not match. Got = {got}, want = {wanted}")


def _go_kind(value: Any) -> str:
    """What Go's decoder calls a JSON value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    return "number" if isinstance(value, int | float) else "string"
