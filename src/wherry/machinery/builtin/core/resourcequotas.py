"""ResourceQuotas: names, amounts and scopes (ValidateResourceQuota*); what is counted belongs to admission."""

from __future__ import annotations

from typing import Any, ClassVar

from wherry.errors import FieldError, invalid, required
from wherry.machinery.builtin.common.quantities import parse, round_to_milli
from wherry.machinery.builtin.core.shared.fields import IMMUTABLE, spec_of
from wherry.machinery.builtin.core.shared.resources import STANDARD, quantity_value, resource_name
from wherry.machinery.builtin.core.shared.status import ResetStatus
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

QUOTA_NAMES = STANDARD - {"storage"}
POD_SCOPES = ("Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity")
SCOPES = {*POD_SCOPES, "BestEffort", "VolumeAttributesClass"}
EXISTS_ONLY = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
COMPUTE = {"pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
VOLUMES = {"persistentvolumeclaims", "requests.storage"}
PAIRS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
KNOWN = ("cpu", "memory", "storage", "ephemeral-storage")


def is_quota_name(name: str) -> bool:
    return name in QUOTA_NAMES or name.startswith(("hugepages-", "requests.hugepages-"))


def quota_resource_name(name: str, field: str) -> list[FieldError]:
    out = resource_name(name, field)
    if "/" not in name and not is_quota_name(name):
        out.append(invalid(field, name, "must be a standard resource for quota"))
    return out


def _list(values: Obj | None, field: str) -> list[FieldError]:
    out: list[FieldError] = []
    for name, text in (values or {}).items():
        where = f"{field}[{name}]"
        out += quota_resource_name(name, where) + quantity_value(name, text, where)
    return out


def _fits(scope: str, name: str) -> bool:
    if scope in POD_SCOPES:
        return name in COMPUTE
    if scope == "BestEffort":
        return name == "pods"
    return name in VOLUMES if scope == "VolumeAttributesClass" else True


def _unfit(scope: str, hard: list[str], field: str, shown: Any) -> list[FieldError]:
    why = "unsupported scope applied to resource"
    return [invalid(field, shown, why) for name in hard if is_quota_name(name) and not _fits(scope, name)]


def _scopes(spec: Obj) -> list[FieldError]:
    scopes, hard = spec.get("scopes") or [], sorted(spec.get("hard") or {})
    out: list[FieldError] = []
    for scope in scopes:
        if scope not in SCOPES:
            out.append(invalid("spec.scopes", scopes, "unsupported scope"))
        out += _unfit(scope, hard, "spec.scopes", scopes)
    return out + [invalid("spec.scopes", scopes, "conflicting scopes") for pair in PAIRS if pair <= set(scopes)]


def _shown_selector(selector: Obj) -> Obj:
    items = [
        {"ScopeName": i.get("scopeName", ""), "Operator": i.get("operator", ""), "Values": i.get("values")}
        for i in selector.get("matchExpressions") or []
    ]
    return {"MatchExpressions": items if "matchExpressions" in selector else None}


def _selector(spec: Obj) -> list[FieldError]:
    selector = spec.get("scopeSelector")
    if selector is None:
        return []
    field, hard = "spec.scopeSelector.matchExpressions", sorted(spec.get("hard") or {})
    out: list[FieldError] = []
    seen: set[str] = set()
    for item in selector.get("matchExpressions") or []:
        scope, operator, values = item.get("scopeName") or "", item.get("operator") or "", item.get("values") or []
        if scope not in SCOPES:
            out.append(invalid(field + ".scopeName", scope, "unsupported scope"))
        out += _unfit(scope, hard, field, _shown_selector(selector))
        if scope in EXISTS_ONLY and operator != "Exists":
            why = (
                "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
                "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
                "ResourceQuotaScopeCrossNamespacePodAffinity"
            )
            out.append(invalid(field + ".operator", operator, why))
        if operator in ("In", "NotIn"):
            if not values:
                why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                out.append(required(field + ".values", why))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                out.append(invalid(field + ".values", values, why))
        else:
            out.append(invalid(field + ".operator", operator, "not a valid selector operator"))
        seen.add(scope)
    scopes = spec.get("scopes")
    return out + [invalid(field, scopes, "conflicting scopes") for pair in PAIRS if pair <= seen]


def _spec(spec: Obj) -> list[FieldError]:
    return _list(spec.get("hard"), "spec.hard") + _scopes(spec) + _selector(spec)


def _round(values: Obj | None) -> None:
    for name in values or {}:
        values[name] = round_to_milli(values[name])  # type: ignore[index]


class ResourceQuotaStrategy(ResetStatus, Strategy):
    empty_status: ClassVar[Obj | None] = {}

    def default(self, obj: Obj) -> None:
        _round(spec_of(obj).get("hard"))
        for key in ("hard", "used"):
            _round((obj.get("status") or {}).get(key))

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return _spec(spec_of(obj)) + self._status(obj)

    def _status(self, obj: Obj) -> list[FieldError]:
        status = obj.get("status") or {}
        return _list(status.get("hard"), "status.hard") + _list(status.get("used"), "status.used")

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = _spec(spec_of(new))
        scopes = spec_of(new).get("scopes")
        if set(scopes or []) != set(spec_of(old).get("scopes") or []):
            out.append(invalid("spec.scopes", scopes, IMMUTABLE))
        return out

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = [] if new["metadata"].get("resourceVersion") else [required("resourceVersion")]
        return out + self._status(new)

    def warnings_create(self, obj: Obj) -> list[str]:
        hard = spec_of(obj).get("hard") or {}
        out: list[str] = []
        for name in KNOWN:
            request = f"requests.{name}"
            if request not in hard and name in ("cpu", "memory"):
                request = name
            limit = f"limits.{name}"
            if request in hard and limit in hard and parse(hard[request]) > parse(hard[limit]):
                pair = f"ResourceQuota {request} ({hard[request]}) should be less than {limit} ({hard[limit]})"
                out.append(pair)
        return out
