"""Validation of the names, versions' names and approval of a definition.

Part of `validate` (k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation and pkg/apihelpers).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from wherry.errors import FieldError, invalid, required
from wherry.machinery.builtin.common.names import dns1035_label
from wherry.machinery.schema.formats_uri import is_uri

Obj = dict[str, Any]
APPROVAL = "api-approved.kubernetes.io"
_WHY = "see https://github.com/kubernetes/enhancements/pull/1111"


def check_names(names: Obj, path: str) -> list[FieldError]:
    """ValidateCustomResourceDefinitionNames, for spec.names and status.acceptedNames."""
    errors: list[FieldError] = []
    for member in ("plural", "singular"):
        text = names.get(member) or ""
        errors += _label(text, text, f"{path}.{member}", "") if text else []
    for member in ("kind", "listKind"):
        text = names.get(member) or ""
        prefix = "may have mixed case, but should otherwise match: "
        errors += _label(text, text.lower(), f"{path}.{member}", prefix) if text else []
    for index, short in enumerate(names.get("shortNames") or ()):
        errors += _label(short, short, f"{path}.shortNames[{index}]", "")
    kind = names.get("kind") or ""
    if kind and kind == names.get("listKind"):
        errors.append(invalid(f"{path}.listKind", kind, "kind and listKind may not be the same"))
    for index, category in enumerate(names.get("categories") or ()):
        errors += _label(category, category, f"{path}.categories[{index}]", "")
    return errors


def _label(shown: str, text: str, path: str, prefix: str) -> list[FieldError]:
    wrong = dns1035_label(text)
    return [invalid(path, shown, prefix + ",".join(wrong))] if wrong else []


def is_protected(group: str) -> bool:
    """IsProtectedCommunityGroup."""
    return group in ("k8s.io", "kubernetes.io") or group.endswith((".k8s.io", ".kubernetes.io"))


def approval(annotations: Obj | None) -> tuple[str, str]:
    """(state, reason): state is missing, bypassed, approved or invalid (GetAPIApprovalState)."""
    text = (annotations or {}).get(APPROVAL) or ""
    if not text:
        return "missing", f'protected groups must have approval annotation "{APPROVAL}", {_WHY}'
    if text.startswith("unapproved"):
        from wherry.errors import go_quote

        return "bypassed", f"not approved: {go_quote(text)}"
    parts = urlsplit(text) if is_uri(text) else None
    if parts is not None and parts.scheme and parts.netloc.rpartition("@")[2]:
        return "approved", f"approved in {text}"
    what = f'protected groups must have approval annotation "{APPROVAL}" with either a URL or a reason starting with'
    return "invalid", f'{what} "unapproved", {_WHY}'


def check_approval(new: Obj, old: Obj | None) -> list[FieldError]:
    """validateAPIApproval: an unchanged state never fails."""
    if not is_protected((new.get("spec") or {}).get("group") or ""):
        return []
    annotations = (new.get("metadata") or {}).get("annotations")
    state, reason = approval(annotations)
    if old is not None and approval((old.get("metadata") or {}).get("annotations"))[0] == state:
        return []
    path = f"metadata.annotations[{APPROVAL}]"
    if state == "invalid":
        return [invalid(path, (annotations or {}).get(APPROVAL, ""), reason)]
    if state == "missing":
        return [required(path, reason)]
    return []
