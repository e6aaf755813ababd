"""Workspaces that bind exports because of their type."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.workspaces.many import WORKSPACES, Many, somebody
from tests.workspaces.providers import (
    APIS,
    MERGE,
    SCHEMAS,
    WIDGETS,
    bound,
    claim,
    conditions,
    export,
    grant,
    provide,
    role,
    schema,
    widget,
)

TYPES = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
CLUSTER = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
OF_WIDGETS = [{"path": "root:provider", "export": "widgets"}]


@pytest.fixture
def many() -> Iterator[Many]:
    with Many() as found:
        yield found


def type_of(name: str = "bound", exports: Any = OF_WIDGETS, **spec: Any) -> Any:
    spec["defaultAPIBindings"] = exports
    return {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType", "metadata": {"name": name}, "spec": spec}


def consumer(many: Many, name: str = "consumer", of: str = "bound", path: str = "root") -> str:
    many.make(f"root:{name}", type={"name": of, "path": path})
    many.shared()
    return f"/clusters/root:{name}"


def phase(many: Many) -> str:
    return str(many.must("GET", f"{WORKSPACES}/consumer")["status"]["phase"])


def bindings(many: Many, where: str) -> list[Any]:
    return list(many.must("GET", f"{where}{APIS}/apibindings")["items"])


def test_a_workspace_is_ready_when_it_has_bound_what_its_type_says(many: Many) -> None:
    provide(many, permissionClaims=[claim(), claim("secrets", "get", defaultSelector={"matchLabels": {"a": "b"}})])
    many.must("POST", TYPES, type_of())
    where = consumer(many)
    (binding,) = bindings(many, where)
    assert binding["metadata"]["name"].startswith("widgets-")
    accepted = {c["resource"]: (c["state"], c["selector"]) for c in binding["spec"]["permissionClaims"]}
    assert accepted == {
        "configmaps": ("Accepted", {"matchAll": True}),
        "secrets": ("Accepted", {"matchLabels": {"a": "b"}}),
    }
    many.until(lambda: phase(many) == "Ready")
    assert conditions(many.must("GET", where + CLUSTER))["APIBindingsInitialized"] == ("True", "")
    many.must("POST", where + WIDGETS, widget("a"))


def test_a_workspace_waits_for_an_export_that_is_not_there_yet_over_a_restart(tmp_path: Path) -> None:
    with Many(f"sqlite:{tmp_path}/state.db") as many:
        many.make("root:provider")
        many.must("POST", TYPES, type_of())
        where = consumer(many)
        assert many.must("GET", f"{WORKSPACES}/consumer")["status"]["initializers"] == ["system:apibindings"]
        (told,) = many.must("GET", where + CLUSTER)["status"]["conditions"]
        assert told["reason"] == "APIBindingErrors"
        assert told["message"].endswith("unable to complete initialization: unable to find at least 1 APIExport")
        many.again()
        many.must("POST", f"/clusters/root:provider{SCHEMAS}", schema())
        many.must("POST", f"/clusters/root:provider{APIS}/apiexports", export())
        many.shared()
        many.until(lambda: phase(many) == "Ready")


def test_a_binding_that_does_not_come_about_holds_a_workspace_back(many: Many) -> None:
    for path in ("root:provider", "root:other"):
        provide(many, path)
    both = [*OF_WIDGETS, {"path": "root:other", "export": "widgets"}]
    many.must("POST", TYPES, type_of(exports=both))
    where = consumer(many)
    told = conditions(many.must("GET", where + CLUSTER))
    assert told["APIBindingsInitialized"] == ("False", "WaitingOnAPIBindings")
    assert phase(many) == "Initializing"


def test_types_inherit_bindings_and_leave_out_the_path_of_their_own_workspace(many: Many) -> None:
    provide(many)
    many.must("POST", f"/clusters/root:provider{TYPES}", type_of(exports=[{"export": "widgets"}]))
    inherits = type_of("inherits", [], extend={"with": [{"name": "bound", "path": "root:provider"}]})
    many.must("POST", TYPES, inherits)
    (binding,) = bindings(many, consumer(many, of="inherits"))
    assert binding["spec"]["reference"]["export"] == {"name": "widgets", "path": "root:provider"}


def test_bindings_that_are_maintained_follow_the_export_and_come_back(many: Many) -> None:
    provide(many)
    many.must("POST", TYPES, type_of(defaultAPIBindingLifecycle="Maintain"))
    where = consumer(many)
    (binding,) = bindings(many, where)
    claims = {"spec": {"permissionClaims": [claim()]}}
    many.must("PATCH", f"/clusters/root:provider{APIS}/apiexports/widgets", claims, media=MERGE)
    many.shared()
    name = binding["metadata"]["name"]
    (accepted,) = bound(many, "root:consumer", name)["spec"]["permissionClaims"]
    assert (accepted["resource"], accepted["state"]) == ("configmaps", "Accepted")
    many.must("DELETE", f"{where}{APIS}/apibindings/{name}")
    many.shared()
    (again,) = bindings(many, where)
    assert again["metadata"]["name"] == name
    assert again["metadata"]["uid"] != binding["metadata"]["uid"]
    assert conditions(many.must("GET", where + CLUSTER))["APIBindingsReconciled"] == ("True", "")


def test_bindings_of_the_beginning_are_the_consumers_own(many: Many) -> None:
    provide(many)
    many.must("POST", TYPES, type_of())
    where = consumer(many)
    (binding,) = bindings(many, where)
    many.must("DELETE", f"{where}{APIS}/apibindings/{binding['metadata']['name']}")
    many.shared()
    assert bindings(many, where) == []


def test_a_fork_goes_on_with_the_bindings_of_its_source(many: Many) -> None:
    provide(many)
    many.must("POST", TYPES, type_of(defaultAPIBindingLifecycle="Maintain"))
    consumer(many)
    copy = {
        "metadata": {"name": "copy", "annotations": {"fork.wherry.dev/source": "root:consumer"}},
        "kind": "Workspace",
    }
    many.must("POST", WORKSPACES, {"apiVersion": "tenancy.kcp.io/v1alpha1", "spec": {}, **copy})
    many.must(
        "PATCH",
        f"/clusters/root:provider{APIS}/apiexports/widgets",
        {"spec": {"permissionClaims": [claim()]}},
        media=MERGE,
    )
    many.shared()
    (binding,) = bindings(many, "/clusters/root:copy")
    assert binding["status"]["phase"] == "Bound"
    assert len(binding["spec"]["permissionClaims"]) == 1


def test_nobody_binds_by_a_type_what_he_may_not_bind_himself(many: Many) -> None:
    provide(many)
    ann = somebody("ann")
    many.make("root:ann")
    grant(many, "root:ann", "ann", "cluster-admin")
    texts = set()
    for path in ("root:provider", "root:nowhere"):
        for name in ("widgets", "none"):
            wanted = type_of(exports=[{"path": path, "export": name}])
            status, answer = many.ask("POST", f"/clusters/root:ann{TYPES}", wanted, user=ann)
            assert status == 403
            texts.add(answer["message"].replace(f"{path}:{name}", "it"))
    assert len(texts) == 1
    many.must("POST", f"/clusters/root:ann{TYPES}", type_of(exports=[]), user=ann)
    change = {"spec": {"defaultAPIBindings": OF_WIDGETS}}
    assert many.ask("PATCH", f"/clusters/root:ann{TYPES}/bound", change, media=MERGE, user=ann)[0] == 403
    role(many, "root:provider", "binder", ("apis.kcp.io", "apiexports", "bind"), ("/", "access"))
    grant(many, "root:provider", "ann", "binder")
    many.must("PATCH", f"/clusters/root:ann{TYPES}/bound", change, media=MERGE, user=ann)


def test_nobody_inherits_a_type_that_he_may_not_use(many: Many) -> None:
    provide(many)
    many.must("POST", f"/clusters/root:provider{TYPES}", type_of("secret"))
    many.make("root:ann")
    grant(many, "root:ann", "ann", "cluster-admin")
    sly = type_of("sly", [], extend={"with": [{"name": "secret", "path": "root:provider"}]})
    many.must("POST", f"/clusters/root:ann{TYPES}", sly, user=somebody("ann"))
    wanted = {"kind": "Workspace", "apiVersion": "tenancy.kcp.io/v1alpha1", "metadata": {"name": "x"}}
    wanted["spec"] = {"type": {"name": "sly", "path": "root:ann"}}
    status, answer = many.ask("POST", f"/clusters/root:ann{WORKSPACES}", wanted, user=somebody("ann"))
    assert status == 403
    assert "unable to use workspace type root:provider:secret" in answer["message"]
