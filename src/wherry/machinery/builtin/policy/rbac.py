"""Roles, ClusterRoles and their bindings (pkg/apis/rbac/validation, pkg/registry/rbac).

Escalation and bind checks ask the authorizer and are not here.
"""

from __future__ import annotations

from typing import ClassVar

from wherry.errors import FieldError, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import selector_is_convertible, validate_label_selector
from wherry.machinery.builtin.common.names import dns1123_subdomain, name_is_path_segment
from wherry.machinery.builtin.core.shared.fields import checked
from wherry.machinery.builtin.core.shared.meta import as_change, as_new
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

GROUP = "rbac.authorization.k8s.io"


def _name(name: str, prefix: bool = False) -> list[str]:
    """Unlike other kinds, the whole-name rule also for a generateName."""
    return name_is_path_segment(name, False)


def policy_rule(rule: Obj, namespaced: bool, field: str) -> list[FieldError]:
    """ValidatePolicyRule."""
    out: list[FieldError] = []
    if not rule.get("verbs"):
        out.append(required(field + ".verbs", "verbs must contain at least one value"))
    urls = rule.get("nonResourceURLs") or []
    if urls:
        where = field + ".nonResourceURLs"
        if namespaced:
            out.append(invalid(where, urls, "namespaced rules cannot apply to non-resource URLs"))
        if any(rule.get(key) for key in ("apiGroups", "resources", "resourceNames")):
            out.append(invalid(where, urls, "rules cannot apply to both regular resources and non-resource URLs"))
        return out
    if not rule.get("apiGroups"):
        out.append(required(field + ".apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        out.append(required(field + ".resources", "resource rules must supply at least one resource"))
    return out


def _rules(obj: Obj, namespaced: bool) -> list[FieldError]:
    out: list[FieldError] = []
    for i, rule in enumerate(obj.get("rules") or []):
        out += policy_rule(rule, namespaced, f"rules[{i}]")
    return out


class _Rbac(Strategy):
    meta_again = False
    create_on_update = True
    validate_name = staticmethod(_name)


class RoleStrategy(_Rbac):
    def validate_create(self, obj: Obj) -> list[FieldError]:
        return _rules(obj, True)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return as_new(self, new, True) + self.validate_create(new) + as_change(self, new, old)


def _selectors(obj: Obj) -> list[Obj]:
    return (obj.get("aggregationRule") or {}).get("clusterRoleSelectors") or []


class ClusterRoleStrategy(_Rbac):
    def validate_create(self, obj: Obj) -> list[FieldError]:
        return self._validate(obj, False)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        any_value = any(validate_label_selector(selector, "") for selector in _selectors(old))
        return as_new(self, new, False) + self._validate(new, any_value) + as_change(self, new, old)

    def _validate(self, obj: Obj, any_value: bool) -> list[FieldError]:
        out = _rules(obj, False)
        if obj.get("aggregationRule") is None:
            return out
        field = "aggregationRule.clusterRoleSelectors"
        if not _selectors(obj):
            why = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            out.append(required(field, why))
        for i, selector in enumerate(_selectors(obj)):
            where = f"{field}[{i}]"
            out += validate_label_selector(selector, where, allow_invalid_values=any_value)
            if not selector_is_convertible(selector):
                # upstream's variable is overwritten by the failed conversion: nothing is left to print
                out.append(invalid(where, None, "invalid label selector."))
        return out


def _subject(subject: Obj, namespaced: bool, field: str) -> list[FieldError]:
    name, kind, group = subject.get("name") or "", subject.get("kind") or "", subject.get("apiGroup") or ""
    out = [] if name else [required(field + ".name")]
    if kind == "ServiceAccount":
        if name:
            out += checked(field + ".name", name, dns1123_subdomain(name))
        if group:
            out.append(not_supported(field + ".apiGroup", group, [""]))
        if not namespaced and not subject.get("namespace"):
            out.append(required(field + ".namespace"))
    elif kind in ("User", "Group"):
        if group != GROUP:
            out.append(not_supported(field + ".apiGroup", group, [GROUP]))
    else:
        out.append(not_supported(field + ".kind", kind, ["ServiceAccount", "User", "Group"]))
    return out


def _reference(obj: Obj) -> tuple[str, str, str]:
    ref = obj.get("roleRef") or {}
    return ref.get("apiGroup") or "", ref.get("kind") or "", ref.get("name") or ""


class _Binding(_Rbac):
    namespaced = True
    kinds: ClassVar[list[str]] = ["Role", "ClusterRole"]

    def default(self, obj: Obj) -> None:
        ref = obj.get("roleRef")
        if ref is None:
            ref = obj["roleRef"] = {"apiGroup": GROUP, "kind": "", "name": ""}
        if not ref.get("apiGroup"):
            ref["apiGroup"] = GROUP
        for subject in obj.get("subjects") or []:
            if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
                subject["apiGroup"] = GROUP

    def validate_create(self, obj: Obj) -> list[FieldError]:
        group, kind, name = _reference(obj)
        out: list[FieldError] = []
        if group != GROUP:
            out.append(not_supported("roleRef.apiGroup", group, [GROUP]))
        if kind not in self.kinds:
            out.append(not_supported("roleRef.kind", kind, self.kinds))
        if name:
            out += checked("roleRef.name", name, name_is_path_segment(name))
        else:
            out.append(required("roleRef.name"))
        for i, subject in enumerate(obj.get("subjects") or []):
            out += _subject(subject, self.namespaced, f"subjects[{i}]")
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = as_new(self, new, self.namespaced) + self.validate_create(new) + as_change(self, new, old)
        now = _reference(new)
        if now != _reference(old):
            shown = dict(zip(("APIGroup", "Kind", "Name"), now, strict=True))
            out.append(invalid("roleRef", shown, "cannot change roleRef"))
        return out


class RoleBindingStrategy(_Binding):
    """A binding inside one namespace."""


class ClusterRoleBindingStrategy(_Binding):
    namespaced = False
    kinds: ClassVar[list[str]] = ["ClusterRole"]
