"""Field selectors: syntax, escapes, and what each built-in kind can be selected by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import BadRequest
from wherry.machinery.fieldselectors import (
    FieldRequirement,
    FieldSelector,
    custom_field_labels,
    escape,
    field_labels,
    parse_field_selector,
)

TERMS = st.lists(
    st.tuples(st.sampled_from(["metadata.name", "spec.x", "y"]), st.sampled_from(["=", "!="]), st.text(max_size=6)).map(
        lambda t: FieldRequirement(*t)
    ),
    max_size=4,
)


@given(TERMS)
def test_what_is_printed_parses_to_the_same(terms: list[FieldRequirement]) -> None:
    selector = FieldSelector(tuple(terms))
    assert sorted(parse_field_selector(str(selector)).requirements) == sorted(terms)


@given(TERMS, st.dictionaries(st.sampled_from(["metadata.name", "spec.x", "y"]), st.text(max_size=2)))
def test_bound_and_unbound_agree(terms: list[FieldRequirement], fields: dict[str, str]) -> None:
    selector = FieldSelector(tuple(terms))
    labels = custom_field_labels({k: (lambda obj, k=k: obj.get(k, "")) for k in ("metadata.name", "spec.x", "y")})
    assert selector.bind(labels)(fields) == selector.matches(lambda label: fields.get(label, ""))


def test_forms() -> None:
    assert parse_field_selector("").empty
    assert parse_field_selector(",,").empty
    assert parse_field_selector("=").empty
    assert parse_field_selector("metadata.name=x,").requirements == (FieldRequirement("metadata.name", "=", "x"),)
    assert parse_field_selector("b==2,a!=1").requirements == (
        FieldRequirement("a", "!=", "1"),
        FieldRequirement("b", "=", "2"),
    )
    assert parse_field_selector(r"a=x\,y\=z\\").requirements == (FieldRequirement("a", "=", "x,y=z\\"),)
    assert escape("a,b=c\\") == r"a\,b\=c\\"
    assert parse_field_selector("a!=1,a=2").exact("a") == "2"
    assert parse_field_selector("a!=1").exact("a") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("b=1,a>2", "invalid selector: 'b=1,a>2'; can't understand 'a>2'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_field_selector(text)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("group", "resource", "label", "message"),
    [
        (
            "",
            "configmaps",
            "data.k",
            '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        ("", "pods", "spec.priority", "field label not supported: spec.priority"),
        ("", "nodes", "metadata.namespace", "field label not supported: metadata.namespace"),
        ("batch", "jobs", "x", 'field label "x" not supported for Job'),
        (
            "resource.k8s.io",
            "resourceslices",
            "spec.pool",
            "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: spec.pool",
        ),
        ("events.k8s.io", "events", "involvedObject.kind", "field label not supported: involvedObject.kind"),
        ("", "events", "regarding.kind", "field label not supported: regarding.kind"),
    ],
)
def test_labels_that_a_kind_does_not_know(group: str, resource: str, label: str, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_field_selector(f"{label}=x").bind(field_labels(group, resource))
    assert caught.value.message == message


def picks(group: str, resource: str, text: str, obj: dict[str, object]) -> bool:
    return parse_field_selector(text).bind(field_labels(group, resource))({"metadata": {"name": "n"}, **obj})


def test_reading_fields() -> None:
    assert picks("", "pods", "spec.nodeName=", {})
    assert picks("", "pods", "spec.host=a", {"spec": {"nodeName": "a"}})
    assert picks("", "pods", "spec.hostNetwork=false,status.podIP=1.2.3.4", {"status": {"podIPs": [{"ip": "1.2.3.4"}]}})
    assert picks("", "pods", "spec.hostNetwork=true", {"spec": {"hostNetwork": True}})
    assert picks("", "nodes", "spec.unschedulable=false", {"spec": {}})
    assert picks("", "replicationcontrollers", "status.replicas=0", {})
    assert picks("batch", "jobs", "status.successful=3", {"status": {"succeeded": 3}})
    assert picks("", "events", "source=kubelet", {"reportingComponent": "kubelet"})
    assert picks(
        "", "events", "source=a,reportingComponent=b", {"source": {"component": "a"}, "reportingComponent": "b"}
    )
    assert picks("events.k8s.io", "events", "regarding.name=p", {"involvedObject": {"name": "p"}})
    assert picks("", "configmaps", "metadata.namespace!=x", {})
