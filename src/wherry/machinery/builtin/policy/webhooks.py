"""ValidatingWebhookConfigurations and MutatingWebhookConfigurations."""

from __future__ import annotations

from dataclasses import dataclass

from wherry.errors import FieldError, duplicate, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import validate_label_selector
from wherry.machinery.builtin.common.names import dns1123_subdomain
from wherry.machinery.builtin.core.shared.meta import as_new
from wherry.machinery.builtin.policy.admission_rules import (
    FAILURE,
    MATCH,
    REINVOCATION,
    REVIEW_VERSIONS,
    default_rules,
    match_conditions,
    review_versions,
    rule_with_operations,
    static_suffix_warnings,
)
from wherry.machinery.builtin.policy.webhook_target import webhook_client
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

SIDE_EFFECTS = ["None", "NoneOnDryRun", "Some", "Unknown"]
NO_SIDE_EFFECTS = ["None", "NoneOnDryRun"]


@dataclass(frozen=True, slots=True)
class Options:
    """What an old object may keep that a new one may not have."""

    ignore_conditions: bool = False
    no_side_effects: bool = True
    known_versions: bool = True
    unique_names: bool = True
    any_label_value: bool = False


def full_name(name: str, field: str) -> list[FieldError]:
    """IsFullyQualifiedName: at least three segments."""
    if not name:
        return [required(field)]
    if texts := dns1123_subdomain(name):
        return [invalid(field, name, ",".join(texts))]
    if name.count(".") < 2:
        return [invalid(field, name, "should be a domain with at least three segments separated by dots")]
    return []


def _one_of(hook: Obj, key: str, known: list[str], field: str) -> list[FieldError]:
    value = hook.get(key)
    return [] if value is None or value in known else [not_supported(f"{field}.{key}", value, known)]


def _hook(hook: Obj, mutating: bool, options: Options, field: str) -> list[FieldError]:
    out = full_name(hook.get("name") or "", field + ".name")
    for i, rule in enumerate(hook.get("rules") or []):
        out += rule_with_operations(rule, f"{field}.rules[{i}]")
    out += _one_of(hook, "failurePolicy", FAILURE, field)
    out += _one_of(hook, "matchPolicy", MATCH, field)
    effects = NO_SIDE_EFFECTS if options.no_side_effects else SIDE_EFFECTS
    if hook.get("sideEffects") is None:
        out.append(required(field + ".sideEffects", "must specify one of " + ", ".join(effects)))
    out += _one_of(hook, "sideEffects", effects, field)
    timeout = hook.get("timeoutSeconds")
    if timeout is not None and not 1 <= timeout <= 30:
        out.append(invalid(field + ".timeoutSeconds", timeout, "the timeout value must be between 1 and 30 seconds"))
    for key in ("namespaceSelector", "objectSelector"):
        out += validate_label_selector(hook.get(key), f"{field}.{key}", allow_invalid_values=options.any_label_value)
    if mutating:
        out += _one_of(hook, "reinvocationPolicy", REINVOCATION, field)
    out += webhook_client(hook.get("clientConfig") or {}, field + ".clientConfig")
    if not options.ignore_conditions:
        out += match_conditions(hook.get("matchConditions") or [], False, field + ".matchConditions")
    return out


def _known_version(hook: Obj) -> bool:
    versions = hook.get("admissionReviewVersions") or []
    return not versions or any(version in REVIEW_VERSIONS for version in versions)


def _options(new: list[Obj], old: list[Obj]) -> Options:
    same = len(new) == len(old) and all(
        (a.get("matchConditions") or []) == (b.get("matchConditions") or []) for a, b in zip(new, old, strict=True)
    )
    names = [hook.get("name") for hook in old]
    return Options(
        ignore_conditions=same,
        no_side_effects=all(hook.get("sideEffects") in NO_SIDE_EFFECTS for hook in old),
        known_versions=all(_known_version(hook) for hook in old),
        unique_names=len(set(names)) == len(names),
        any_label_value=any(
            validate_label_selector(hook.get(key), "")
            for hook in old
            for key in ("namespaceSelector", "objectSelector")
        ),
    )


class _Webhooks(Strategy):
    meta_again = False
    standard_finalizers = False
    has_generation = True
    unconditional_update = False
    mutating = False

    def default(self, obj: Obj) -> None:
        for hook in obj.get("webhooks") or []:
            for key, value in (("failurePolicy", "Fail"), ("matchPolicy", "Equivalent"), ("timeoutSeconds", 10)):
                if hook.get(key) is None:
                    hook[key] = value
            for key in ("namespaceSelector", "objectSelector"):
                if hook.get(key) is None:
                    hook[key] = {}
            if self.mutating and hook.get("reinvocationPolicy") is None:
                hook["reinvocationPolicy"] = "Never"
            default_rules(hook.get("rules"))
            service = (hook.get("clientConfig") or {}).get("service")
            if service is not None and service.get("port") is None:
                service["port"] = 443

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        return (new.get("webhooks") or []) != (old.get("webhooks") or [])

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return self._validate(obj, Options())

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        options = _options(new.get("webhooks") or [], old.get("webhooks") or [])
        return as_new(self, new, False) + self._validate(new, options)

    def _validate(self, obj: Obj, options: Options) -> list[FieldError]:
        out: list[FieldError] = []
        seen: set[str] = set()
        for i, hook in enumerate(obj.get("webhooks") or []):
            field, name = f"webhooks[{i}]", hook.get("name") or ""
            out += _hook(hook, self.mutating, options, field)
            versions = hook.get("admissionReviewVersions") or []
            out += review_versions(versions, options.known_versions, field + ".admissionReviewVersions")
            if options.unique_names and name:
                if name in seen:
                    out.append(duplicate(field + ".name", name))
                seen.add(name)
        return out

    def warnings_create(self, obj: Obj) -> list[str]:
        return static_suffix_warnings(obj)

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return static_suffix_warnings(new)


class ValidatingWebhookStrategy(_Webhooks):
    """Webhooks that may only refuse."""


class MutatingWebhookStrategy(_Webhooks):
    mutating = True
