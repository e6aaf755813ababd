"""AuthorizationConfiguration: which authorizers are asked, in which order, and when webhooks are.

Kinds, defaults and checks as in k8s.io/apiserver/pkg/apis/apiserver (v1, and
validation.ValidateAuthorizationConfiguration).
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wherry.access.authorization.modes import MODES
from wherry.access.authorization.settings import AuthorizerSettings, WebhookSettings
from wherry.access.configuration import Duration, Obj, decode, refuse, seconds
from wherry.errors import FieldError, duplicate, invalid, not_supported, required, too_many
from wherry.machinery.builtin.common.names import dns1123_subdomain

if TYPE_CHECKING:
    from wherry.machinery.cel.env import Program

VERSIONS = ("v1", "v1beta1", "v1alpha1")
_WEBHOOK = {
    "authorizedTTL": Duration,
    "cacheAuthorizedRequests": bool,
    "unauthorizedTTL": Duration,
    "cacheUnauthorizedRequests": bool,
    "timeout": Duration,
    "subjectAccessReviewVersion": str,
    "matchConditionSubjectAccessReviewVersion": str,
    "failurePolicy": str,
    "connectionInfo": {"type": str, "kubeConfigFile": str},
    "matchConditions": [{"expression": str}],
}
SHAPE = {"authorizers": [{"type": str, "name": str, "webhook": _WEBHOOK}]}


def read(text: bytes) -> list[AuthorizerSettings]:
    """A configuration file. Raises ConfigurationError."""
    return checked(decode(text, "AuthorizationConfiguration", VERSIONS, SHAPE))


def checked(document: Obj) -> list[AuthorizerSettings]:
    """A document of the right shape. Raises ConfigurationError."""
    given: list[Obj] = document.get("authorizers") or []
    found: list[FieldError] = []
    if not given:
        found.append(required("authorizers", "at least one authorization mode must be defined"))
    made: list[AuthorizerSettings] = []
    for index, each in enumerate(given):
        _authorizer(each, f"authorizers[{index}]", made, found)
    refuse(found)
    return made


def _authorizer(each: Obj, path: str, made: list[AuthorizerSettings], found: list[FieldError]) -> None:
    mode, name = each.get("type") or "", each.get("name") or ""
    if not mode:
        found.append(required(f"{path}.type"))
        return
    if mode not in MODES:
        found.append(not_supported(f"{path}.type", mode, MODES))
        return
    if mode != "Webhook" and any(before.mode == mode for before in made):
        found.append(duplicate(f"{path}.type", mode))
        return
    if not name:
        found.append(required(f"{path}.name"))
    elif any(before.name == name for before in made):
        found.append(duplicate(f"{path}.name", name))
    else:
        problems = dns1123_subdomain(name)
        if problems:
            found.append(invalid(f"{path}.name", name, f"authorizer name is invalid: {', '.join(problems)}"))
    webhook = each.get("webhook")
    if mode != "Webhook":
        if webhook is not None:
            found.append(invalid(f"{path}.webhook", "non-null", "may only be specified when type=Webhook"))
        made.append(AuthorizerSettings(mode, name))
    elif webhook is None:
        found.append(required(f"{path}.webhook", "required when type=Webhook"))
    else:
        made.append(_webhook(webhook, name, path, found))


def _webhook(given: Obj, name: str, path: str, found: list[FieldError]) -> AuthorizerSettings:
    timeout = seconds(given.get("timeout") or "0")
    if not timeout:
        found.append(required(f"{path}.timeout"))
    elif not 0 < timeout <= 30:
        found.append(invalid(f"{path}.timeout", given["timeout"], "must be > 0s and <= 30s"))
    allowed = _ttl(given, "authorizedTTL", "5m", path, found)
    refused = _ttl(given, "unauthorizedTTL", "30s", path, found)
    version = given.get("subjectAccessReviewVersion") or ""
    _one_of(version, ("v1", "v1beta1"), f"{path}.subjectAccessReviewVersion", found)
    conditions: list[Obj] = given.get("matchConditions") or []
    of_conditions = given.get("matchConditionSubjectAccessReviewVersion") or ""
    where = f"{path}.matchConditionSubjectAccessReviewVersion"
    if of_conditions:
        _one_of(of_conditions, ("v1",), where, found)
    elif conditions:
        found.append(required(where, "required if match conditions are specified"))
    policy = given.get("failurePolicy") or ""
    _one_of(policy, ("NoOpinion", "Deny"), f"{path}.failurePolicy", found)
    kubeconfig = _connection(given.get("connectionInfo") or {}, f"{path}.connectionInfo", found)
    settings = WebhookSettings(
        name,
        version,
        timeout,
        allowed if given.get("cacheAuthorizedRequests") is not False else 0,
        refused if given.get("cacheUnauthorizedRequests") is not False else 0,
        policy == "Deny",
        _conditions(conditions, path, found),
    )
    return AuthorizerSettings("Webhook", name, kubeconfig, settings)


def _ttl(given: Obj, name: str, default: str, path: str, found: list[FieldError]) -> float:
    value = seconds(given.get(name) or default)
    if value == 0:  # an explicit zero is the default too
        value = seconds(default)
    if value < 0:
        found.append(invalid(f"{path}.{name}", given[name], "must be > 0s"))
    return value


def _one_of(value: str, known: Sequence[str], path: str, found: list[FieldError]) -> None:
    if not value:
        found.append(required(path))
    elif value not in known:
        found.append(not_supported(path, value, known))


def _connection(given: Obj, path: str, found: list[FieldError]) -> Path | None:
    kind, file = given.get("type") or "", given.get("kubeConfigFile")
    where = f"{path}.kubeConfigFile"
    if kind == "InClusterConfig":
        text = "there is no cluster around this control plane: name a KubeConfigFile"
        found.append(invalid(f"{path}.type", kind, text))
        return None
    _one_of(kind, ("KubeConfigFile",), f"{path}.type", found)
    if kind != "KubeConfigFile":
        return None
    if not file:
        found.append(required(where))
        return None
    kubeconfig = Path(file)
    if not kubeconfig.is_absolute():
        found.append(invalid(where, file, "must be an absolute path"))
        return None
    try:
        if not stat.S_ISREG(kubeconfig.stat().st_mode):
            found.append(invalid(where, file, "must be a regular file"))
    except OSError as error:
        why = (error.strerror or "").lower()
        found.append(invalid(where, file, f"error loading file: stat {file}: {why}"))
    return kubeconfig


def _conditions(given: list[Obj], path: str, found: list[FieldError]) -> tuple[Program, ...]:
    if len(given) > 64:
        found.append(too_many(f"{path}.matchConditions", len(given), 64))
        return ()
    seen: set[str] = set()
    made: list[Program] = []
    for index, condition in enumerate(given):
        source, where = condition.get("expression") or "", f"{path}.matchConditions[{index}].expression"
        if not source.strip():
            found.append(required(where))
        elif source in seen:
            found.append(duplicate(where, source))
        else:
            seen.add(source)
            from wherry.access.authorization.conditions import compiled

            try:
                made.append(compiled(source))
            except ValueError as error:
                found.append(invalid(where, source, str(error)))
    return tuple(made)
