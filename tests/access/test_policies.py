"""What admission policies do with a write: refuse it, tell the audit log, change it, and change it again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from tests.access.policies import put_to_work
from tests.server.handler_face import MAPS
from tests.server.test_auditing import Audited

Obj = dict[str, Any]
NO_SECRETS = {"expression": "!('secret' in object.data)", "message": "no secrets <here>"}


@pytest.fixture
def face() -> Iterator[Audited]:
    found = Audited({"level": "Metadata"}, omitStages=["RequestReceived"])
    yield found
    found.close()


def create(face: Audited, **data: str) -> Any:
    face.told()
    return face("POST", MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})


def annotations(face: Audited) -> Obj:
    (event,) = face.told()
    found: Obj = event["annotations"]
    return {key: value for key, value in found.items() if not key.startswith("authorization.")}


def set_key(key: str, value: str) -> Obj:
    """A mutation that writes one key of the data."""
    text = f"Object{{data: {{'{key}': {value}}}}}"
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": text}}


def test_a_failed_validation_can_be_audited_instead_of_refused(face: Audited) -> None:
    allowed = {"expression": "true"}
    put_to_work(
        face, "ValidatingAdmissionPolicy", validations=[allowed, NO_SECRETS], bound={"validationActions": ["Audit"]}
    )
    made = create(face, secret="s")
    assert (made.status, made.warnings) == (201, [])
    told = annotations(face)
    assert orjson.loads(told.pop("validation.policy.admission.k8s.io/validation_failure")) == [
        {
            "message": "no secrets <here>",
            "policy": "p",
            "binding": "p-binding",
            "expressionIndex": 1,
            "validationActions": ["Audit"],
        }
    ]
    assert told == {}


def test_a_policy_writes_annotations_under_its_name(face: Audited) -> None:
    noted = [
        {"key": "size", "valueExpression": "string(size(object.data)) + ' keys'"},
        {"key": "nothing", "valueExpression": "null"},
    ]
    put_to_work(face, "ValidatingAdmissionPolicy", auditAnnotations=noted)
    assert create(face, a="1", b="2").status == 201
    assert annotations(face) == {"p/size": "2 keys"}


def test_an_annotation_that_fails_refuses_whatever_the_actions_are(face: Audited) -> None:
    noted = [{"key": "k", "valueExpression": "string(object.data.missing)"}]
    put_to_work(face, "ValidatingAdmissionPolicy", auditAnnotations=noted, bound={"validationActions": ["Warn"]})
    made = create(face, a="1")
    assert made.status == 422
    assert (
        "denied request: expression 'string(object.data.missing)' resulted in error: no such key: missing"
        in made.message
    )


def test_parameters_that_are_missing_refuse_unless_failures_are_ignored(face: Audited) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    ref = {"name": "none", "namespace": "default", "parameterNotFoundAction": "Deny"}
    changed = [set_key("k", "params.data.k")]
    bound = {"paramRef": ref}
    put_to_work(
        face, "MutatingAdmissionPolicy", paramKind=kind, bound=bound, mutations=changed, reinvocationPolicy="Never"
    )
    made = create(face, a="1")
    assert (made.status, made.doc["reason"]) == (403, "Forbidden")
    why = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
    assert made.message == f"policy 'p' with binding 'p-binding' denied request: {why}"


def test_all_mutations_that_fail_are_told(face: Audited) -> None:
    for name in ("p", "q"):
        broken = [set_key("k", "object.data.missing")]
        put_to_work(face, "MutatingAdmissionPolicy", name=name, mutations=broken, reinvocationPolicy="Never")
    made = create(face, a="1")
    assert (made.status, made.doc["reason"]) == (403, "Invalid")
    causes = [cause["message"] for cause in made.doc["details"]["causes"]]
    assert [text.split(" denied")[0] for text in causes] == [
        "policy 'p' with binding 'p-binding'",
        "policy 'q' with binding 'q-binding'",
    ]
    assert made.message == causes[0]


@pytest.mark.parametrize(("reinvocation", "seen"), [("Never", "1"), ("IfNeeded", "2")])
def test_a_policy_is_asked_again_when_a_later_one_changes_the_object(
    face: Audited, reinvocation: str, seen: str
) -> None:
    count = [set_key("seen", "string(size(object.data) - (has(object.data.seen) ? 1 : 0))")]
    put_to_work(face, "MutatingAdmissionPolicy", name="a", mutations=count, reinvocationPolicy=reinvocation)
    put_to_work(
        face, "MutatingAdmissionPolicy", name="b", mutations=[set_key("later", "'x'")], reinvocationPolicy="Never"
    )
    made = create(face, one="1")
    assert made.status == 201, made.body
    assert made.doc["data"] == {"one": "1", "later": "x", "seen": seen}


def test_a_policy_that_never_wants_a_second_turn_gets_none(face: Audited) -> None:
    """Each adds one character; a second turn would show."""
    grow = [set_key("one", "object.data.one + '+'")]
    put_to_work(face, "MutatingAdmissionPolicy", name="a", mutations=grow, reinvocationPolicy="Never")
    put_to_work(face, "MutatingAdmissionPolicy", name="b", mutations=grow, reinvocationPolicy="Never")
    assert create(face, one="1").doc["data"] == {"one": "1++"}
