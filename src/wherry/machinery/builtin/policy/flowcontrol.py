"""FlowSchemas and PriorityLevelConfigurations (pkg/apis/flowcontrol/validation, pkg/registry/flowcontrol)."""

from __future__ import annotations

import math
from typing import ClassVar

from wherry.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.names import dns1123_label, dns1123_subdomain
from wherry.machinery.builtin.core.shared.fields import checked, make, spec_of
from wherry.machinery.builtin.core.shared.meta import as_new
from wherry.machinery.builtin.core.shared.status import ResetStatus, keep_roots
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"]
KINDS = ("ServiceAccount", "User", "Group")
ZERO_SHARES = "flowcontrol.k8s.io/preserve-zero-concurrency-shares"


def _conditions(obj: Obj) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, condition in enumerate((obj.get("status") or {}).get("conditions") or []):
        field, kind = f"status.conditions[{i}].type", condition.get("type") or ""
        if kind in seen:
            out.append(duplicate(field, kind))
        seen.add(kind)
        if not kind:
            out.append(required(field))
    return out


class _FlowControl(ResetStatus, Strategy):
    has_generation = True
    meta_again = False
    empty_status: ClassVar[Obj | None] = {}

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        return spec_of(new) != spec_of(old)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return as_new(self, new, False) + self.validate_create(new)

    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        """All of the metadata stays, save the record of who manages what."""
        keep_roots(new, old)
        managed = new["metadata"].get("managedFields")
        version = new["metadata"].get("resourceVersion")
        new["metadata"] = {k: v for k, v in old["metadata"].items() if k != "managedFields"}
        if managed is not None:
            new["metadata"]["managedFields"] = managed
        if version is not None:
            new["metadata"]["resourceVersion"] = version

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return _conditions(new)


# --- flow schemas ----------------------------------------------------------------------------------------------------


def _account(account: Obj, field: str) -> list[FieldError]:
    name, namespace = account.get("name") or "", account.get("namespace") or ""
    out: list[FieldError] = []
    if not name:
        out.append(required(field + ".name"))
    elif name != "*":
        out += checked(field + ".name", name, dns1123_subdomain(name))
    if namespace:
        return out + checked(field + ".namespace", namespace, dns1123_label(namespace))
    return [*out, required(field + ".namespace", "must specify namespace for service account")]


def _subject(subject: Obj, field: str) -> list[FieldError]:
    kind = subject.get("kind") or ""
    if kind not in KINDS:
        return [not_supported(field + ".kind", kind, sorted(KINDS))]
    key = kind[0].lower() + kind[1:]
    own, where = subject.get(key), f"{field}.{key}"
    out: list[FieldError] = []
    if own is None:
        out.append(required(where, f"{key} is required when subject kind is '{kind}'"))
    elif kind == "ServiceAccount":
        out += _account(own, where)
    elif not own.get("name"):
        out.append(required(where + ".name"))
    for other in KINDS:
        other_key = other[0].lower() + other[1:]
        if other != kind and subject.get(other_key) is not None:
            why = f"{other_key} is forbidden when subject kind is not '{other}'"
            out.append(forbidden(f"{field}.{other_key}", why))
    return out


def _verbs(verbs: list[str], field: str) -> list[FieldError]:
    if not verbs:
        return [required(field, "verbs must contain at least one value")]
    if "*" in verbs:
        if len(verbs) > 1:
            return [invalid(field, verbs, "if '*' is present, must not specify other verbs")]
    elif not set(verbs) <= set(VERBS):
        return [not_supported(field, verbs, VERBS)]
    return []


def _url_problem(path: str) -> str:
    if not path:
        return "must not be empty"
    if path == "/":
        return ""
    if not path.startswith("/"):
        return "must start with slash"
    if " " in path:
        return "must not contain white-space"
    if "//" in path:
        return "must not contain double slash"
    stars = path.count("*")
    if stars > 1 or (stars == 1 and not path.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""


def _non_resource_rule(rule: Obj, field: str) -> list[FieldError]:
    out = _verbs(rule.get("verbs") or [], field + ".verbs")
    urls, where = rule.get("nonResourceURLs") or [], field + ".nonResourceURLs"
    if not urls:
        out.append(required(where, "nonResourceURLs must contain at least one value"))
    elif "*" in urls:
        if len(urls) > 1:
            out.append(invalid(where, urls, "if '*' is present, must not specify other non-resource URLs"))
    else:
        for i, url in enumerate(urls):
            if problem := _url_problem(url):
                out.append(invalid(f"{where}[{i}]", url, problem))
    return out


def _resource_rule(rule: Obj, field: str) -> list[FieldError]:
    out = _verbs(rule.get("verbs") or [], field + ".verbs")
    words = {"apiGroups": ("api group", "api groups"), "resources": ("resource", "resources")}
    for key, (one, many) in words.items():
        values, where = rule.get(key) or [], f"{field}.{key}"
        if not values:
            out.append(required(where, f"resource rules must supply at least one {one}"))
        elif len(values) > 1 and "*" in values:
            out.append(invalid(where, values, f"if '*' is present, must not specify other {many}"))
    namespaces, where = rule.get("namespaces") or [], field + ".namespaces"
    if not namespaces and not rule.get("clusterScope"):
        why = "resource rules that are not cluster scoped must supply at least one namespace"
        out.append(required(where, why))
    elif "*" in namespaces:
        if len(namespaces) > 1:
            out.append(invalid(where, namespaces, "if '*' is present, must not specify other namespaces"))
    else:
        intro = "each member of this list must be '*' or a DNS-1123 label; "
        for i, name in enumerate(namespaces):
            out += checked(f"{where}[{i}]", name, [intro + text for text in dns1123_label(name)])
    return out


def _rule(rule: Obj, field: str) -> list[FieldError]:
    subjects = rule.get("subjects") or []
    resources, urls = rule.get("resourceRules") or [], rule.get("nonResourceRules") or []
    out: list[FieldError] = []
    for i, subject in enumerate(subjects):
        out += _subject(subject, f"{field}.subjects[{i}]")
    if not subjects:
        out.append(required(field + ".subjects", "subjects must contain at least one value"))
    if not resources and not urls:
        why = "at least one of resourceRules and nonResourceRules has to be non-empty"
        out.append(required(field, why))
    for i, item in enumerate(resources):
        out += _resource_rule(item, f"{field}.resourceRules[{i}]")
    for i, item in enumerate(urls):
        out += _non_resource_rule(item, f"{field}.nonResourceRules[{i}]")
    return out


def _precedence(value: int, name: str) -> list[FieldError]:
    field = "spec.matchingPrecedence"
    out: list[FieldError] = []
    if value <= 0:
        out.append(invalid(field, value, "must be a positive value"))
    if value > 10000:
        out.append(invalid(field, value, "must not be greater than 10000"))
    if value == 1 and name != "exempt":
        out.append(invalid(field, value, "only the schema named 'exempt' may have matchingPrecedence 1"))
    return out


class FlowSchemaStrategy(_FlowControl):
    def default(self, obj: Obj) -> None:
        spec = make(obj, "spec")
        if not spec.get("matchingPrecedence"):
            spec["matchingPrecedence"] = 1000

    def validate_create(self, obj: Obj) -> list[FieldError]:
        spec, name = spec_of(obj), obj["metadata"].get("name", "")
        out = _precedence(spec.get("matchingPrecedence") or 0, name)
        method = spec.get("distinguisherMethod")
        if method is not None and method.get("type") not in ("ByNamespace", "ByUser"):
            shown = {"Type": method.get("type", "")}
            known = ["ByNamespace", "ByUser"]
            out.append(not_supported("spec.distinguisherMethod.type", shown, known))
        level = (spec.get("priorityLevelConfiguration") or {}).get("name") or ""
        where = "spec.priorityLevelConfiguration.name"
        if level:
            out += checked(where, level, dns1123_subdomain(level))
        else:
            out.append(required(where, "must reference a priority level"))
        for i, rule in enumerate(spec.get("rules") or []):
            out += _rule(rule, f"spec.rules[{i}]")
        if name in ("exempt", "catch-all"):
            from wherry.machinery.builtin.policy.flowcontrol_fixed import flow_schema_change

            out += flow_schema_change(name, spec)
        return out + _conditions(obj)


# --- priority levels -------------------------------------------------------------------------------------------------


def _entropy_bits(queues: int, hand: int) -> int:
    """shufflesharding.RequiredEntropyBits: roughly the bits of hash that dealing a hand takes."""
    return math.ceil(math.log2(queues) * hand)


def _queuing(queuing: Obj, field: str) -> list[FieldError]:
    length, queues, hand = (queuing.get(key) or 0 for key in ("queueLengthLimit", "queues", "handSize"))
    out: list[FieldError] = []
    if length <= 0:
        out.append(invalid(field + ".queueLengthLimit", length, "must be positive"))
    if queues <= 0:
        out.append(invalid(field + ".queues", queues, "must be positive"))
    elif queues > 10_000_000:
        out.append(invalid(field + ".queues", queues, "must not be greater than 10000000"))
    where = field + ".handSize"
    if hand <= 0:
        out.append(invalid(where, hand, "must be positive"))
    elif hand > queues:
        out.append(invalid(where, hand, f"should not be greater than queues ({queues})"))
    elif _entropy_bits(queues, hand) > 60:
        why = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than 60"
        out.append(invalid(where, hand, why))
    return out


def _percent(value: int | None, field: str) -> list[FieldError]:
    if value is None or 0 <= value <= 100:
        return []
    return [invalid(field, value, "must be between 0 and 100, inclusive")]


def _shares(config: Obj, field: str) -> list[FieldError]:
    shares = config.get("nominalConcurrencyShares") or 0
    where = field + ".nominalConcurrencyShares"
    return [invalid(where, shares, "must be a non-negative integer")] if shares < 0 else []


def _limited(config: Obj, field: str) -> list[FieldError]:
    out = _shares(config, field)
    response = config.get("limitResponse") or {}
    kind, queuing, where = response.get("type") or "", response.get("queuing"), field + ".limitResponse"
    if kind == "Reject":
        if queuing is not None:
            why = "must be nil if limited.limitResponse.type is not Limited"
            out.append(forbidden(where + ".queuing", why))
    elif kind == "Queue":
        if queuing is None:
            why = "must not be empty if limited.limitResponse.type is Limited"
            out.append(required(where + ".queuing", why))
        else:
            out += _queuing(queuing, where + ".queuing")
    else:
        out.append(not_supported(where + ".type", kind, ["Queue", "Reject"]))
    out += _percent(config.get("lendablePercent"), field + ".lendablePercent")
    limit = config.get("borrowingLimitPercent")
    if limit is not None and limit < 0:
        out.append(invalid(field + ".borrowingLimitPercent", limit, "if specified, must be a non-negative integer"))
    return out


class PriorityLevelStrategy(_FlowControl):
    def default(self, obj: Obj) -> None:
        spec = spec_of(obj)
        for key, shares in (("exempt", 0), ("limited", 30)):
            config = spec.get(key)
            if config is None:
                continue
            if config.get("nominalConcurrencyShares") is None:
                config["nominalConcurrencyShares"] = shares
            if config.get("lendablePercent") is None:
                config["lendablePercent"] = 0
        queuing = ((spec.get("limited") or {}).get("limitResponse") or {}).get("queuing")
        if queuing is not None:
            for key, value in (("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)):
                if not queuing.get(key):
                    queuing[key] = value

    def validate_create(self, obj: Obj) -> list[FieldError]:
        spec, meta = spec_of(obj), obj["metadata"]
        name, kind = meta.get("name", ""), spec.get("type") or ""
        out: list[FieldError] = []
        if ZERO_SHARES in (meta.get("annotations") or {}):
            out.append(forbidden("metadata.annotations", f"annotation '{ZERO_SHARES}' is forbidden"))
        if (name == "exempt") != (kind == "Exempt"):
            out.append(invalid("spec.type", kind, "must be 'Exempt' if and only if `name` is 'exempt'"))
        out += self._by_type(spec, kind)
        if name in ("exempt", "catch-all"):
            from wherry.machinery.builtin.policy.flowcontrol_fixed import priority_level_change

            out += priority_level_change(name, spec)
        return out + _conditions(obj)

    def _by_type(self, spec: Obj, kind: str) -> list[FieldError]:
        limited, exempt = spec.get("limited"), spec.get("exempt")
        if kind == "Exempt":
            out = [forbidden("spec.limited", "must be nil if the type is not Limited")] if limited is not None else []
            if exempt is not None:
                out += _shares(exempt, "spec.exempt")
                out += _percent(exempt.get("lendablePercent"), "spec.exempt.lendablePercent")
            return out
        if kind == "Limited":
            out = [forbidden("spec.exempt", "must be nil if the type is Limited")] if exempt is not None else []
            if limited is None:
                return [*out, required("spec.limited", "must not be empty when type is Limited")]
            return out + _limited(limited, "spec.limited")
        return [not_supported("spec.type", kind, ["Exempt", "Limited"])]
