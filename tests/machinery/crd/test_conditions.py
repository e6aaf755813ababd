"""What is decided about definitions: names, establishment, approval, structure."""

from __future__ import annotations

from typing import Any

from wherry.machinery.crd import conditions

Obj = dict[str, Any]
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
SCHEMA: Obj = {"type": "object"}


def definition(plural: str = "things", kind: str = "Thing", group: str = "g.io", **names: Any) -> Obj:
    full = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List", **names}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}
    return {
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": full, "scope": "Namespaced", "versions": [version]},
        "status": {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": ["v1"]},
    }


def shown(status: Obj) -> list[tuple[str, str, str, str]]:
    return [(c["type"], c["status"], c["reason"], c["message"]) for c in status["conditions"]]


def test_free_names_are_accepted_and_the_kind_established() -> None:
    crd = definition(shortNames=["th"], categories=["all"])
    status = conditions.decide(crd, [], NOW)
    assert status is not None
    assert shown(status) == [
        ("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
        ("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    assert status["acceptedNames"] == crd["spec"]["names"]
    assert list(status["conditions"][0]) == ["type", "status", "lastTransitionTime", "reason", "message"]
    assert conditions.established(status)
    assert conditions.decide({**crd, "status": status}, [], LATER) is None


def test_taken_names_are_refused_one_by_one() -> None:
    first = definition("others", "Other", shortNames=["o", "th"])
    first["status"] = conditions.decide(first, [], NOW)
    second = definition("things", "Thing", listKind="OtherList", shortNames=["th", "o", "new"])
    status = conditions.decide(second, [first], NOW)
    assert status is not None
    assert shown(status) == [
        ("NamesAccepted", "False", "ListKindConflict", '"OtherList" is already in use'),
        ("Established", "False", "NotAccepted", "not all names are accepted"),
    ]
    assert status["acceptedNames"] == {"plural": "things", "singular": "thing", "kind": "Thing"}
    assert not conditions.established(status)
    freed = conditions.decide({**second, "status": status}, [], LATER)
    assert freed is not None
    assert conditions.established(freed)
    assert [c["lastTransitionTime"] for c in freed["conditions"]] == [LATER, LATER]


def test_short_names_conflict_together() -> None:
    first = definition("others", "Other", shortNames=["o", "th"])
    first["status"] = conditions.decide(first, [], NOW)
    status = conditions.decide(definition(shortNames=["th", "o"]), [first], NOW)
    assert status is not None
    message = '["th" is already in use, "o" is already in use]'
    assert shown(status)[0] == ("NamesAccepted", "False", "ShortNamesConflict", message)


def test_an_established_kind_stays_when_a_new_name_is_refused() -> None:
    first, second = definition("others", "Other"), definition()
    first["status"], second["status"] = conditions.decide(first, [], NOW), conditions.decide(second, [], NOW)
    second["spec"]["names"]["singular"] = "other"
    status = conditions.decide(second, [first], LATER)
    assert status is not None
    assert shown(status)[0] == ("NamesAccepted", "False", "SingularConflict", '"other" is already in use')
    assert conditions.established(status)
    assert status["acceptedNames"]["singular"] == "thing"


def test_protected_groups_have_a_condition() -> None:
    crd = definition(group="x.k8s.io")
    crd["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, a test"}
    status = conditions.decide(crd, [], NOW)
    assert status is not None
    found = [c for c in shown(status) if c[0] == "KubernetesAPIApprovalPolicyConformant"]
    assert found == [
        ("KubernetesAPIApprovalPolicyConformant", "False", "UnapprovedAnnotation", 'not approved: "unapproved, a test"')
    ]
    crd["metadata"]["annotations"] = {"api-approved.kubernetes.io": "https://h/1"}
    status = conditions.decide({**crd, "status": status}, [], LATER)
    assert status is not None
    assert ("KubernetesAPIApprovalPolicyConformant", "True", "ApprovedAnnotation", "approved in https://h/1") in shown(
        status
    )


def test_schemas_that_are_not_structural_are_named() -> None:
    crd = definition()
    crd["spec"]["versions"][0]["schema"] = {"openAPIV3Schema": {"type": "object", "properties": {"a": {}}}}
    status = conditions.decide(crd, [], NOW)
    assert status is not None
    path = "spec.validation.openAPIV3Schema.properties[a].type"
    message = f"{path}: Required value: must not be empty for specified object fields"
    assert ("NonStructuralSchema", "True", "Violations", message) in shown(status)
    crd["spec"]["versions"][0]["schema"] = {"openAPIV3Schema": SCHEMA}
    status = conditions.decide({**crd, "status": status}, [], LATER)
    assert status is not None
    assert "NonStructuralSchema" not in [c[0] for c in shown(status)]


def test_deletion_is_announced() -> None:
    status = conditions.terminating({"conditions": None}, NOW)
    assert shown(status) == [
        ("Terminating", "True", "InstanceDeletionPending",
         "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"),
    ]  # fmt: skip


def test_a_bad_certificate_bundle_keeps_the_kind_from_being_served() -> None:
    crd = definition()
    webhook = {"clientConfig": {"url": "https://h/", "caBundle": "eHh4"}, "conversionReviewVersions": ["v1"]}
    crd["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
    status = conditions.decide(crd, [], NOW)
    assert status is not None
    message = "The conversion webhook CABundle is invalid"
    assert shown(status)[1] == ("Established", "False", "InvalidCABundle", message)
    assert conditions.decide({**crd, "status": status}, [], LATER) is None
