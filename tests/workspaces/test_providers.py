"""What a provider sees of those who bind its export, and what nobody else does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from tests.workspaces.many import Many, event, somebody
from tests.workspaces.providers import (
    APIS,
    MERGE,
    SCHEMAS,
    WIDGETS,
    accepted,
    claim,
    consume,
    export,
    grant,
    provide,
    role,
    schema,
    widget,
)

from wherry.server.http import Request

MAPS = "/api/v1/namespaces/default/configmaps"
ALL_WIDGETS = "/apis/example.com/v1/widgets"
PAT, EVE = somebody("pat"), somebody("eve")  # pat provides


VERBS = ("get", "list", "watch", "update", "patch", "create", "delete")


@pytest.fixture
def many() -> Iterator[Many]:
    """Two workspaces that bind an export which claims ConfigMaps; one accepts some of them, one rejects the claim."""
    with Many() as many:
        provide(many, permissionClaims=[claim("configmaps", *VERBS)])
        grant(many, "root:provider", "pat", "cluster-admin")
        consume(many, "root:a", [accepted(matchLabels={"seen": "yes"})])
        consume(many, "root:b", [accepted(state="Rejected")])
        for where in ("root:a", "root:b"):
            many.must("POST", f"/clusters/{where}{WIDGETS}", widget(where[-1], size=1))
            config_map(many, where, "seen", seen="yes")
            config_map(many, where, "unseen")
        yield many


def at(many: Many, name: str) -> str:
    """The cluster of a workspace."""
    return many.workspaces.tree.resolve(f"root:{name}")


def config_map(many: Many, where: str, name: str, **labels: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}
    many.must("POST", f"/clusters/{where}{MAPS}", body)


def view(many: Many, place: str = "*", name: str = "widgets") -> str:
    provider = at(many, "provider")
    return f"/services/apiexport/{provider}/{name}/clusters/{place}"


def inside(many: Many, name: str) -> str:
    """The view of one consumer."""
    return view(many, at(many, name))


def names(found: Any) -> list[str]:
    return [each["metadata"]["name"] for each in found["items"]]


def test_the_address_stands_in_the_slice_and_leads_there(many: Many) -> None:
    (slice_,) = many.must("GET", "/clusters/root:provider/apis/apis.kcp.io/v1alpha1/apiexportendpointslices")["items"]
    (endpoint,) = slice_["status"]["endpoints"]
    assert endpoint["url"] == f"https://here{view(many).removesuffix('/clusters/*')}"


def test_all_bound_objects_of_all_consumers_come_in_one_list(many: Many) -> None:
    found = many.must("GET", view(many) + ALL_WIDGETS, user=PAT)
    where = {each["metadata"]["name"]: each["metadata"]["annotations"]["kcp.io/cluster"] for each in found["items"]}
    assert where == {name: at(many, name) for name in ("a", "b")}


def test_the_provider_works_in_a_consumers_workspace(many: Many) -> None:
    here = inside(many, "a") + WIDGETS
    many.must("PATCH", f"{here}/a/status", {"status": {"done": True}}, media=MERGE, user=PAT)
    assert many.must("GET", f"/clusters/root:a{WIDGETS}/a")["status"] == {"done": True}
    many.must("POST", here, widget("made"), user=PAT)
    many.must("DELETE", f"{here}/made", user=PAT)
    assert names(many.must("GET", here, user=PAT)) == ["a"]


def test_only_what_is_bound_or_claimed_is_there(many: Many) -> None:
    here = inside(many, "a")
    assert many.ask("GET", f"{here}/api/v1/namespaces/default/secrets", user=PAT)[0] == 404
    assert many.ask("GET", f"{here}/apis/apps/v1/deployments", user=PAT)[0] == 404
    assert [r["name"] for r in many.must("GET", f"{here}/api/v1", user=PAT)["resources"]] == ["configmaps"]
    groups = [group["name"] for group in many.must("GET", f"{here}/apis", user=PAT)["groups"]]
    assert groups == ["example.com"]
    assert [g["name"] for g in many.must("GET", f"{view(many)}/apis", user=PAT)["groups"]] == ["example.com"]


def test_a_claim_shows_what_the_consumers_selector_chooses(many: Many) -> None:
    assert names(many.must("GET", view(many) + "/api/v1/configmaps", user=PAT)) == ["seen"]
    here = inside(many, "a") + MAPS
    assert names(many.must("GET", here, user=PAT)) == ["seen"]
    assert names(many.must("GET", f"{here}?labelSelector=other", user=PAT)) == []
    assert many.ask("GET", f"{here}/seen", user=PAT)[0] == 200
    for method, body in (("GET", None), ("PATCH", {"data": {"a": "1"}}), ("DELETE", None)):
        status, answer = many.ask(method, f"{here}/unseen", body, media=MERGE, user=PAT)
        assert (status, answer["message"]) == (404, 'configmaps "unseen" not found')
    assert many.ask("GET", inside(many, "b") + MAPS, user=PAT)[0] == 404


def test_what_is_made_under_a_claim_gets_its_labels_and_keeps_them(many: Many) -> None:
    here = inside(many, "a") + MAPS
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}}
    assert many.must("POST", here, body, user=PAT)["metadata"]["labels"] == {"seen": "yes"}
    hide = {"metadata": {"labels": {"seen": "no"}}}
    status, answer = many.ask("PATCH", f"{here}/made", hide, media=MERGE, user=PAT)
    assert status == 403
    assert "the permission claim only covers objects that match seen=yes" in answer["message"]


def test_a_claim_names_its_verbs(many: Many) -> None:
    here = inside(many, "a") + MAPS
    status, answer = many.ask("DELETE", here, user=PAT)
    assert status == 403
    assert "does not include deletecollection" in answer["message"]


def test_a_revoked_claim_is_over_at_once_and_watches_with_it(many: Many) -> None:
    async def scenario() -> list[Any]:
        one = await many.send("GET", f"{view(many, at(many, 'a'))}{MAPS}?watch=true", user=PAT)
        every = await many.send("GET", f"{view(many)}/api/v1/configmaps?watch=true", user=PAT)
        streams = [aiter(response.body) for response in (one, every)]  # type: ignore[arg-type]
        first = [await anext(stream) for stream in streams]
        claims = {"spec": {"permissionClaims": [accepted(state="Rejected", matchLabels={"seen": "yes"})]}}
        response = await many.send("PATCH", f"/clusters/root:a{APIS}/apibindings/widgets", claims, media=MERGE)
        assert response.status == 200
        return [*first, [chunk async for chunk in streams[0]], await anext(streams[1])]

    one, every, after, gone = many.run(scenario())
    assert b'"ADDED"' in one
    assert b'"ADDED"' in every
    assert after == []
    assert b'"DELETED"' in gone
    assert many.ask("GET", inside(many, "a") + MAPS, user=PAT)[0] == 404
    assert names(many.must("GET", view(many) + "/api/v1/configmaps", user=PAT)) == []


@pytest.mark.parametrize("place", ["a", "*"])
def test_what_a_consumer_labels_otherwise_leaves_and_enters_a_watch(many: Many, place: str) -> None:
    where = view(many) if place == "*" else inside(many, place)

    async def scenario() -> list[bytes]:
        response = await many.send("GET", f"{where}/api/v1/configmaps?watch=true", user=PAT)
        assert isinstance(response.body, AsyncIterator)
        lines = [await anext(response.body)]
        for name, label in (("seen", None), ("unseen", "yes")):
            change = {"metadata": {"labels": {"seen": label}}}
            await many.send("PATCH", f"/clusters/root:a{MAPS}/{name}", change, media=MERGE)
            lines.append(await anext(response.body))
        return lines

    told = [event(line)[::2] for line in many.run(scenario())]
    assert told == [("ADDED", "seen"), ("DELETED", "seen"), ("ADDED", "unseen")]


def test_a_watch_over_all_hears_of_a_new_consumer(many: Many) -> None:
    async def begin() -> AsyncIterator[bytes]:
        response = await many.send("GET", f"{view(many)}{ALL_WIDGETS}?watch=true", user=PAT)
        assert isinstance(response.body, AsyncIterator)
        await anext(response.body)
        return response.body

    stream = many.run(begin())
    cluster = consume(many, "root:c")
    many.must("POST", f"/clusters/root:c{WIDGETS}", widget("c"))
    line = many.run(anext(stream))
    assert b'"ADDED"' in line
    assert cluster.encode() in line


def test_strangers_see_nothing_and_learn_nothing(many: Many) -> None:
    grant(many, "root:a", "eve", "cluster-admin")
    texts = set()
    for place in (at(many, "a"), "*", "nowhere"):
        for path in (ALL_WIDGETS, "/apis", MAPS, "/openapi/v3"):
            for export_name in ("widgets", "none"):
                status, answer = many.ask("GET", view(many, place, export_name) + path, user=EVE)
                assert status == 403, (place, path, answer)
                texts.add(answer["message"].rpartition(": ")[0])
    for path in ("/services/apiexport/x", "/services/none/a/b/clusters/*", f"{view(many)}/../../clusters/root:b{MAPS}"):
        assert many.ask("GET", path, user=EVE)[0] in (403, 404)
    assert many.ask("GET", f"{view(many)}{ALL_WIDGETS}?watch=true", user=EVE)[0] == 403


def test_the_right_to_the_content_is_given_verb_by_verb(many: Many) -> None:
    role(many, "root:provider", "reader", ("apis.kcp.io", "apiexports/content", "get", "list"), ("/", "access"))
    grant(many, "root:provider", "eve", "reader")
    assert many.ask("GET", view(many) + ALL_WIDGETS, user=EVE)[0] == 200
    here = inside(many, "a") + WIDGETS
    assert many.ask("DELETE", f"{here}/a", user=EVE)[0] == 403


def test_a_workspace_that_does_not_bind_is_out_of_sight(many: Many) -> None:
    cluster = many.make("root:other")
    assert many.ask("GET", view(many, cluster) + "/apis")[0] == 404
    assert many.ask("POST", view(many) + WIDGETS, widget("x"))[0] == 405


def test_a_policy_bounds_what_consumers_do(many: Many) -> None:
    policy = {"spec": {"maximalPermissionPolicy": {"local": {}}}}
    many.must("PATCH", f"/clusters/root:provider{APIS}/apiexports/widgets", policy, media=MERGE)
    grant(many, "root:a", "eve", "cluster-admin")
    status, answer = many.ask("GET", f"/clusters/root:a{WIDGETS}", user=EVE)
    assert status == 403
    assert "the provider of widgets does not allow it" in answer["message"]
    role(many, "root:provider", "readers", ("example.com", "widgets", "get", "list"))
    grant(many, "root:provider", "apis.kcp.io:binding:eve", "readers")
    assert names(many.must("GET", f"/clusters/root:a{WIDGETS}", user=EVE)) == ["a"]
    assert many.ask("DELETE", f"/clusters/root:a{WIDGETS}/a", user=EVE)[0] == 403
    assert many.ask("GET", f"/clusters/root:a{MAPS}", user=EVE)[0] == 200


def test_another_providers_kind_can_be_claimed_by_its_identity(many: Many) -> None:
    identity = many.must("GET", f"/clusters/root:provider{APIS}/apiexports/widgets")["status"]["identityHash"]
    many.make("root:second")
    names_ = {"kind": "Gadget", "listKind": "GadgetList", "plural": "gadgets", "singular": "gadget"}
    many.must("POST", f"/clusters/root:second{SCHEMAS}", schema(names=names_))
    offered = export("gadgets", permissionClaims=[claim("widgets", group="example.com", identityHash=identity)])
    offered["spec"]["resources"] = [{"group": "example.com", "name": "gadgets", "schema": "v1.gadgets.example.com"}]
    many.must("POST", f"/clusters/root:second{APIS}/apiexports", offered)
    wanted = {
        "apiVersion": "apis.kcp.io/v1alpha2",
        "kind": "APIBinding",
        "metadata": {"name": "gadgets"},
        "spec": {
            "reference": {"export": {"path": "root:second", "name": "gadgets"}},
            "permissionClaims": [
                {**accepted("widgets"), "group": "example.com", "identityHash": identity},
            ],
        },
    }
    many.must("POST", f"/clusters/root:a{APIS}/apibindings", wanted)
    second = many.workspaces.tree.resolve("root:second")
    place = f"/services/apiexport/{second}/gadgets/clusters"
    assert names(many.must("GET", f"{place}/{at(many, 'a')}{WIDGETS}")) == ["a"]
    assert names(many.must("GET", f"{place}/*{ALL_WIDGETS}")) == ["a"]


@pytest.mark.parametrize(
    "path", ["/history?resource=configmaps&namespace=default&name=unseen", "/metrics", "/merge", "/logs"]
)
def test_a_view_has_objects_and_their_description_and_nothing_else(many: Many, path: str) -> None:
    for place in (inside(many, "a"), view(many)):
        assert many.ask("GET", place + path, user=PAT)[0] == 404


def test_a_claim_is_on_objects_and_gives_no_way_into_the_workspace(many: Many) -> None:
    claims = [claim("serviceaccounts"), claim("pods")]
    many.must(
        "PATCH",
        f"/clusters/root:provider{APIS}/apiexports/widgets",
        {"spec": {"permissionClaims": claims}},
        media=MERGE,
    )
    consume(many, "root:c", [accepted("serviceaccounts"), accepted("pods")])
    here = inside(many, "c") + "/api/v1"
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x"}}
    many.must("POST", f"{here}/namespaces/default/serviceaccounts", account, user=PAT)
    ask = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    for part in ("serviceaccounts/x/token", "pods/x/exec", "pods/x/log", "pods/x/eviction"):
        assert many.ask("POST", f"{here}/namespaces/default/{part}", ask, user=PAT)[0] == 404
    found = {resource["name"] for resource in many.must("GET", here, user=PAT)["resources"]}
    assert found == {"serviceaccounts", "pods", "pods/status"}


def test_a_provider_becomes_nobody_else_in_a_consumers_workspace(many: Many) -> None:
    path = inside(many, "a") + WIDGETS
    headers = [("impersonate-user", "root"), ("impersonate-group", "system:masters")]
    request = Request("GET", path, path, "", headers, user=PAT)
    assert many.run(many.workspaces.front(request)).status == 403


def test_a_continue_token_of_somebody_else_shows_no_more_than_is_in_sight(many: Many) -> None:
    for name in ("a-unseen", "b-unseen"):
        config_map(many, "root:a", name)
        config_map(many, "root:b", name)
    for owner in ("a", "b"):
        first = many.must("GET", f"/clusters/root:{owner}{MAPS}?limit=1")
        token = quote(first["metadata"]["continue"])
        status, answer = many.ask("GET", f"{inside(many, 'a')}{MAPS}?limit=9&continue={token}", user=PAT)
        assert status != 200 or names(answer) == ["seen"]
