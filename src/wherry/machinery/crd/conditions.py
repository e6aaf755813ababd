"""What the naming, establishing, non-structural-schema and approval controllers decide about a definition, as one
pure function from the definition and its neighbours to a status.

Driven by the store, which writes the status when it differs. Follows k8s.io/apiextensions-apiserver/pkg/controller/
status, establish, nonstructuralschema and apiapproval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from wherry.errors import go_quote
from wherry.machinery.crd.conversion import check_ca_bundle
from wherry.machinery.crd.names import approval, is_protected
from wherry.machinery.crd.structural_rules import check_structural, unsupported

Obj = dict[str, Any]
_APPROVED = {
    "invalid": ("False", "InvalidAnnotation"),
    "missing": ("False", "MissingAnnotation"),
    "bypassed": ("False", "UnapprovedAnnotation"),
    "approved": ("True", "ApprovedAnnotation"),
}


def established(status: Obj) -> bool:
    """Whether the kinds of a definition with this status are served."""
    return _is(status, "Established", "True")


def _find(status: Obj, kind: str) -> Obj | None:
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), None)


def _is(status: Obj, kind: str, value: str) -> bool:
    found = _find(status, kind)
    return found is not None and found.get("status") == value


def _condition(kind: str, status: str, reason: str, message: str) -> Obj:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _set(status: Obj, wanted: Obj, now: str) -> Obj:
    """A status with the condition set; the time moves only when the condition's status does (SetCRDCondition)."""
    conditions: list[Obj] = list(status.get("conditions") or ())
    for index, old in enumerate(conditions):
        if old.get("type") == wanted["type"]:
            same = old.get("status") == wanted["status"] and old.get("lastTransitionTime")
            conditions[index] = _ordered(wanted, old["lastTransitionTime"] if same else now)
            break
    else:
        conditions.append(_ordered(wanted, now))
    return {**status, "conditions": conditions}


def _ordered(condition: Obj, when: str) -> Obj:
    return {
        "type": condition["type"],
        "status": condition["status"],
        "lastTransitionTime": when,
        "reason": condition["reason"],
        "message": condition["message"],
    }


def _equivalent(left: Obj, right: Obj | None) -> bool:
    if right is None:
        return False
    return all((left.get(k) or "") == (right.get(k) or "") for k in ("type", "status", "reason", "message"))


def decide(crd: Obj, others: Iterable[Obj], now: str) -> Obj | None:
    """The status the definition should have, or None when it is right as it is.

    `others` are the other definitions of the group: names that they have been given are taken.
    """
    before: Obj = crd.get("status") or {}
    status = _names(crd, before, others, now)
    status = _schema(crd, status, now)
    status = _approval(crd, status, now)
    if _is(status, "NamesAccepted", "True") and not established(status):
        status = _set(status, _establishment(crd), now) if not _refused(crd, status) else status
    return None if status == before else status


def _establishment(crd: Obj) -> Obj:
    client = ((crd["spec"].get("conversion") or {}).get("webhook") or {}).get("clientConfig") or {}
    bundle = client.get("caBundle")
    if bundle and check_ca_bundle(bundle, ""):
        return _condition("Established", "False", "InvalidCABundle", "The conversion webhook CABundle is invalid")
    return _condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted")


def _refused(crd: Obj, status: Obj) -> bool:
    """Whether the status says already that the kind cannot be established."""
    return _equivalent(_establishment(crd), _find(status, "Established"))


def _names(crd: Obj, status: Obj, others: Iterable[Obj], now: str) -> Obj:
    wanted: Obj = crd["spec"]["names"]
    accepted: Obj = status.get("acceptedNames") or {}
    if _same_names(wanted, accepted):
        return status
    resources, kinds = _taken([crd, *others])
    new, conflict = dict(accepted), None
    for member, taken, reason in (
        ("plural", resources, "PluralConflict"),
        ("singular", resources, "SingularConflict"),
        ("shortNames", resources, "ShortNamesConflict"),
        ("kind", kinds, "KindConflict"),
        ("listKind", kinds, "ListKindConflict"),
    ):
        wrong = _conflict(wanted.get(member), accepted.get(member), taken)
        if wrong:
            conflict = _condition("NamesAccepted", "False", reason, wrong)
        else:
            _give(new, member, wanted.get(member))
    _give(new, "categories", wanted.get("categories"))
    naming = conflict or _condition("NamesAccepted", "True", "NoConflicts", "no conflicts found")
    if new == accepted and _equivalent(naming, _find(status, "NamesAccepted")):
        return status
    order = ("plural", "singular", "shortNames", "kind", "listKind", "categories")
    out = {**status, "acceptedNames": {member: new[member] for member in order if member in new}}
    out = _set(out, naming, now)
    old = _find(status, "Established")
    if old is None and conflict is not None:
        out = _set(out, _condition("Established", "False", "NotAccepted", "not all names are accepted"), now)
    return out


def _give(names: Obj, member: str, value: Any) -> None:
    if value or member in ("plural", "kind"):
        names[member] = value or ""
    else:
        names.pop(member, None)


def _same_names(left: Obj, right: Obj) -> bool:
    members = ("plural", "singular", "shortNames", "kind", "listKind", "categories")
    return all((left.get(m) or None) == (right.get(m) or None) for m in members)


def _taken(definitions: Sequence[Obj]) -> tuple[set[str], set[str]]:
    resources: set[str] = set()
    kinds: set[str] = set()
    for definition in definitions:
        names: Obj = (definition.get("status") or {}).get("acceptedNames") or {}
        resources |= {names.get("plural") or "", names.get("singular") or "", *(names.get("shortNames") or ())}
        kinds |= {names.get("kind") or "", names.get("listKind") or ""}
    return resources, kinds


def _conflict(wanted: Any, accepted: Any, taken: set[str]) -> str | None:
    if isinstance(wanted, list) or isinstance(accepted, list):
        ours = set(accepted or ())
        wrong = [f"{go_quote(name)} is already in use" for name in wanted or () if name not in ours and name in taken]
        wrong = list(dict.fromkeys(wrong))
        return None if not wrong else wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
    wanted = wanted or ""
    if wanted == (accepted or "") or wanted not in taken:
        return None
    return f"{go_quote(wanted)} is already in use"


def _schema(crd: Obj, status: Obj, now: str) -> Obj:
    """NonStructuralSchema, which only definitions from before v1 can have."""
    from wherry.machinery.crd.internal import to_internal

    wrong: list[str] = []
    spec = to_internal(crd)
    wrappers = [(spec.validation, "spec.validation.openAPIV3Schema")]
    wrappers += [(v.schema, f"spec.versions[{i}].schema.openAPIV3Schema") for i, v in enumerate(spec.each)]
    for wrapper, path in wrappers:
        schema = (wrapper or {}).get("openAPIV3Schema")
        if schema is not None:
            failed = unsupported(schema)
            wrong += [f'{path}: Invalid value: "": {failed}'] if failed else map(str, check_structural(schema, path))
    if spec.preserve_unknown:
        wrong.append("spec.preserveUnknownFields: Invalid value: true: must be false")
    if not wrong:
        if _find(status, "NonStructuralSchema") is None:
            return status
        return {**status, "conditions": [c for c in status["conditions"] if c["type"] != "NonStructuralSchema"]}
    message = wrong[0] if len(wrong) == 1 else f"[{', '.join(dict.fromkeys(wrong))}]"
    wanted = _condition("NonStructuralSchema", "True", "Violations", message)
    return status if _equivalent(wanted, _find(status, "NonStructuralSchema")) else _set(status, wanted, now)


def _approval(crd: Obj, status: Obj, now: str) -> Obj:
    if not is_protected(crd["spec"]["group"]):
        return status
    state, message = approval((crd.get("metadata") or {}).get("annotations"))
    wanted = _condition("KubernetesAPIApprovalPolicyConformant", *_APPROVED[state], message)
    if _equivalent(wanted, _find(status, "KubernetesAPIApprovalPolicyConformant")):
        return status
    return _set(status, wanted, now)


def terminating(status: Obj, now: str) -> Obj:
    """The status of a definition that a delete has marked, before its objects are removed."""
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    return _set(status, _condition("Terminating", "True", "InstanceDeletionPending", message), now)
