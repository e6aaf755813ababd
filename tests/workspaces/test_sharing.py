"""Exports, bindings, and the kinds that they bring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.workspaces.many import ADMIN, Many, names, somebody
from tests.workspaces.providers import (
    APIS,
    CRDS,
    MERGE,
    SCHEMAS,
    WIDGETS,
    binder,
    binding,
    bound,
    conditions,
    consume,
    definition_of,
    export,
    grant,
    provide,
    schema,
    widget,
)


@pytest.fixture
def many() -> Iterator[Many]:
    with Many() as found:
        yield found


def test_an_export_gets_an_identity_and_a_binding_serves_its_kinds(many: Many) -> None:
    provide(many)
    found = many.must("GET", f"/clusters/root:provider{APIS}/apiexports/widgets")
    assert len(found["status"]["identityHash"]) == 64
    assert conditions(found)["IdentityValid"] == ("True", "")
    consume(many, "root:consumer")
    status = bound(many, "root:consumer")["status"]
    assert status["phase"] == "Bound"
    assert status["boundResources"][0]["schema"]["identityHash"] == found["status"]["identityHash"]
    place = f"/clusters/root:consumer{WIDGETS}"
    assert many.ask("POST", place, widget("a", size=1))[0] == 201
    assert many.ask("POST", place, widget("b", size="x"))[0] == 422
    assert names(many.must("GET", place)) == ["a"]
    assert many.ask("GET", f"/clusters/root:provider{WIDGETS}")[0] == 404


def test_bindings_outlive_a_restart_and_the_export(tmp_path: Path) -> None:
    with Many(f"sqlite:{tmp_path}/state.db") as many:
        provide(many)
        consume(many, "root:consumer")
        many.must("POST", f"/clusters/root:consumer{WIDGETS}", widget("a", size=1))
        many.again()
        assert names(many.must("GET", f"/clusters/root:consumer{WIDGETS}")) == ["a"]
        many.must("DELETE", "/apis/tenancy.kcp.io/v1alpha1/workspaces/provider")
        many.shared()
        many.again()
        many.shared()
        found = bound(many, "root:consumer")
        assert conditions(found)["APIExportValid"] == ("False", "APIExportNotFound")
        assert conditions(found)["Ready"] == ("True", "")
        assert names(many.must("GET", f"/clusters/root:consumer{WIDGETS}")) == ["a"]


def test_two_providers_kinds_of_one_name_never_meet(many: Many) -> None:
    for path in ("root:one", "root:two"):
        provide(many, path)
    consume(many, "root:consumer", provider="root:one")
    many.must("POST", f"/clusters/root:consumer{WIDGETS}", widget("of-one"))
    many.must("DELETE", f"/clusters/root:consumer{APIS}/apibindings/widgets")
    many.shared()
    many.must("POST", f"/clusters/root:consumer{APIS}/apibindings", binding("root:two"))
    assert names(many.must("GET", f"/clusters/root:consumer{WIDGETS}")) == []


def test_two_bindings_that_want_the_same_kind_the_second_gets_nothing(many: Many) -> None:
    for path in ("root:one", "root:two"):
        provide(many, path)
    consume(many, "root:consumer", provider="root:one")
    many.must("POST", f"/clusters/root:consumer{APIS}/apibindings", binding("root:two", called="late"))
    late = bound(many, "root:consumer", "late")
    assert late["status"]["phase"] == "Binding"
    assert "boundResources" not in late["status"]
    assert conditions(late)["InitialBindingCompleted"] == ("False", "NamingConflicts")
    message = next(c["message"] for c in late["status"]["conditions"] if c["type"] == "BindingUpToDate")
    assert message == (
        'Unable to bind APIs: naming conflict with APIBinding "widgets" bound to APIExport root:one:widgets: '
        "spec.names.plural=widgets is forbidden"
    )
    many.must("DELETE", f"/clusters/root:consumer{APIS}/apibindings/widgets")
    many.shared()
    assert bound(many, "root:consumer", "late")["status"]["phase"] == "Bound"


def test_a_binding_and_a_definition_of_one_kind_exclude_each_other(many: Many) -> None:
    provide(many)
    many.make("root:consumer")
    definition = definition_of(schema())
    many.must("POST", f"/clusters/root:consumer{CRDS}", definition)
    many.must("POST", f"/clusters/root:consumer{APIS}/apibindings", binding("root:provider"))
    assert conditions(bound(many, "root:consumer"))["BindingUpToDate"] == ("False", "NamingConflicts")
    many.must("DELETE", f"/clusters/root:consumer{CRDS}/widgets.example.com")
    many.shared()
    assert bound(many, "root:consumer")["status"]["phase"] == "Bound"
    status, answer = many.ask("POST", f"/clusters/root:consumer{CRDS}", definition)
    assert status == 403
    assert answer["message"].endswith('cannot create because resource is bound by APIBinding "widgets"')
    assert many.ask("GET", f"/clusters/root:consumer{WIDGETS}")[0] == 200


def test_nobody_brings_kinds_that_every_workspace_has(many: Many) -> None:
    many.make("root:provider")
    own = {"kind": "Workspace", "plural": "workspaces", "singular": "workspace", "listKind": "WorkspaceList"}
    group = "tenancy.kcp.io"
    many.must("POST", f"/clusters/root:provider{SCHEMAS}", schema(names=own, group=group))
    offer = {"group": group, "name": "workspaces", "schema": f"v1.workspaces.{group}"}
    many.must("POST", f"/clusters/root:provider{APIS}/apiexports", export(resources=[offer]))
    consume(many, "root:consumer")
    assert conditions(bound(many, "root:consumer"))["BindingUpToDate"] == ("False", "NamingConflicts")
    many.make("root:consumer:child")


def test_deleting_a_binding_takes_its_objects_along_and_waits_for_their_finalizers(many: Many) -> None:
    provide(many)
    consume(many, "root:consumer")
    place = f"/clusters/root:consumer{WIDGETS}"
    many.must("POST", place, widget("a"))
    held = widget("held")
    held["metadata"]["finalizers"] = ["example.com/wait"]
    many.must("POST", place, held)
    many.must("DELETE", f"/clusters/root:consumer{APIS}/apibindings/widgets")
    many.shared()
    assert names(many.must("GET", place)) == ["held"]
    going = bound(many, "root:consumer")
    assert conditions(going)["BindingResourceDeleteSuccess"] == ("False", "SomeFinalizersRemain")
    assert many.ask("POST", place, widget("new"))[0] == 403
    many.must("PATCH", f"{place}/held", {"metadata": {"finalizers": None}}, media=MERGE)
    many.shared()
    assert many.ask("GET", place)[0] == 404
    assert many.ask("GET", f"/clusters/root:consumer{APIS}/apibindings/widgets")[0] == 404


def test_an_export_is_upgraded_without_a_break(many: Many) -> None:
    provide(many)
    consume(many, "root:consumer")
    place = f"/clusters/root:consumer{WIDGETS}"
    many.must("POST", place, widget("old", size=1, colour="red"))
    assert "colour" not in many.must("GET", f"{place}/old")["spec"]
    many.must("POST", f"/clusters/root:provider{SCHEMAS}", schema("v2", colour={"type": "string"}))
    offer = {"group": "example.com", "name": "widgets", "schema": "v2.widgets.example.com"}
    change = {"spec": {"resources": [offer]}}
    many.must("PATCH", f"/clusters/root:provider{APIS}/apiexports/widgets", change, media=MERGE)
    many.shared()
    assert bound(many, "root:consumer")["status"]["boundResources"][0]["schema"]["name"] == offer["schema"]
    many.must("POST", place, widget("new", size=1, colour="red"))
    assert [w["spec"] for w in many.must("GET", place)["items"]] == [{"size": 1, "colour": "red"}, {"size": 1}]


def test_a_schema_that_breaks_consumers_leaves_their_objects_readable(many: Many) -> None:
    provide(many)
    consume(many, "root:consumer")
    place = f"/clusters/root:consumer{WIDGETS}"
    many.must("POST", place, widget("old", size=1))
    offer(many, schema("v2", size={"type": "string"}))
    assert many.must("GET", f"{place}/old")["spec"] == {"size": 1}
    many.must("PATCH", f"{place}/old", {"metadata": {"labels": {"a": "b"}}}, media=MERGE)
    assert many.ask("PATCH", f"{place}/old", {"spec": {"size": 2}}, media=MERGE)[0] == 422


def test_a_schema_of_another_scope_is_told_and_leaves_what_is_bound(many: Many) -> None:
    provide(many)
    consume(many, "root:consumer")
    many.must("POST", f"/clusters/root:consumer{WIDGETS}", widget("old", size=1))
    wide = schema("v2")
    wide["spec"]["scope"] = "Cluster"
    offer(many, wide)
    found = bound(many, "root:consumer")
    assert conditions(found)["BindingUpToDate"] == ("False", "APIResourceSchemaInvalid")
    assert names(many.must("GET", f"/clusters/root:consumer{WIDGETS}")) == ["old"]
    many.must("DELETE", f"/clusters/root:consumer{APIS}/apibindings/widgets")
    many.shared()
    assert many.ask("GET", f"/clusters/root:consumer{APIS}/apibindings/widgets")[0] == 404


def offer(many: Many, described: Any) -> None:
    """Let the export have widgets of another schema."""
    many.must("POST", f"/clusters/root:provider{SCHEMAS}", described)
    offered = {"group": "example.com", "name": "widgets", "schema": described["metadata"]["name"]}
    change = {"spec": {"resources": [offered]}}
    many.must("PATCH", f"/clusters/root:provider{APIS}/apiexports/widgets", change, media=MERGE)
    many.shared()


def test_a_schema_that_is_missing_is_told_and_leaves_what_is_bound(many: Many) -> None:
    provide(many)
    consume(many, "root:consumer")
    offer = {"group": "example.com", "name": "widgets", "schema": "v9.widgets.example.com"}
    change = {"spec": {"resources": [offer]}}
    many.must("PATCH", f"/clusters/root:provider{APIS}/apiexports/widgets", change, media=MERGE)
    many.shared()
    found = bound(many, "root:consumer")
    assert conditions(found)["APIExportValid"] == ("False", "InternalError")
    assert many.ask("POST", f"/clusters/root:consumer{WIDGETS}", widget("a"))[0] == 201


def test_who_may_not_bind_learns_nothing_of_an_export(many: Many) -> None:
    provide(many)
    ann = somebody("ann")
    many.make("root:ann", user=ADMIN)
    grant(many, "root:ann", "ann", "cluster-admin")
    place = f"/clusters/root:ann{APIS}/apibindings"
    status, refusal = many.ask("POST", place, binding("root:provider"), user=ann)
    assert status == 403
    text = "unable to create APIBinding: no permission to bind to export root:provider:widgets"
    assert refusal["message"].endswith(text)
    for path, name in (("root:provider", "nothing"), ("root:nowhere", "widgets")):
        status, missing = many.ask("POST", place, binding(path, name, called="widgets"), user=ann)
        assert (status, missing["message"]) == (
            403,
            refusal["message"].replace("root:provider:widgets", f"{path}:{name}"),
        )
    grant(many, "root:provider", "ann", binder(many, "root:provider"))
    assert many.ask("POST", place, binding("root:provider"), user=ann)[0] == 201


def test_what_the_system_says_of_a_binding_or_export_nobody_else_does(many: Many) -> None:
    provide(many)
    consume(many, "root:consumer")
    for path in (f"root:consumer{APIS}/apibindings/widgets", f"root:provider{APIS}/apiexports/widgets"):
        change = {"status": {"conditions": []}}
        assert many.ask("PATCH", f"/clusters/{path}/status", change, media=MERGE)[0] == 403
    answer = many.ask("POST", f"/clusters/root:provider{SCHEMAS}", schema(colour={"type": "?"}))
    assert answer[0] == 403
    edit = {"spec": {"scope": "Cluster"}}
    name = f"/clusters/root:provider{SCHEMAS}/v1.widgets.example.com"
    assert many.ask("PATCH", name, edit, media=MERGE)[0] == 403


def test_an_endpoint_slice_names_the_address_while_somebody_binds(many: Many) -> None:
    cluster = provide(many)
    place = "/clusters/root:provider/apis/apis.kcp.io/v1alpha1/apiexportendpointslices/widgets"
    assert "endpoints" not in many.must("GET", place)["status"]
    consume(many, "root:consumer")
    many.shared()
    found = many.must("GET", place)
    assert found["status"]["endpoints"] == [{"url": f"https://here/services/apiexport/{cluster}/widgets"}]
    assert found["metadata"]["ownerReferences"][0]["name"] == "widgets"
