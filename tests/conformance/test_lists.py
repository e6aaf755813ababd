"""Lists, paging and revisions."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.conformance.api import (
    Api,
    causes,
    made,
    names,
    ok,
    query,
    refused,
)
from tests.conformance.behaviours import Area, row
from tests.conformance.collections import SEMANTICS, only, three

area = Area("list", "Lists")

OPTIONS = "apimachinery/pkg/apis/meta/internalversion/validation/validation.go ValidateListOptions"
CHUNKS = "https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks"
CONTINUE = "apiserver/pkg/storage/continue.go DecodeContinue"


@area("A list is sorted by name.", "apiserver/pkg/storage/etcd3/store.go GetList")
def test_sorted(api: Api) -> None:
    three(api)
    assert names(ok(api.get(only(api)))) == ["a", "b", "c"]


@area("A list over all namespaces is sorted by namespace, then name.", "apiserver/pkg/storage/etcd3/store.go GetList")
def test_sorted_everywhere(api: Api) -> None:
    other = Api(api.target)
    three(api)
    other.config_map("a", metadata={"labels": {"n": "x"}})
    found = [
        (i["metadata"]["namespace"], i["metadata"]["name"])
        for i in ok(api.get("/api/v1/configmaps?labelSelector=n"))["items"]
    ]
    assert found == sorted(found)


@area(
    "Items of a list of built-in kinds carry neither kind nor apiVersion.",
    "https://kubernetes.io/docs/reference/using-api/api-concepts/#collections",
)
def test_items_without_kind(api: Api) -> None:
    three(api)
    assert all("kind" not in item and "apiVersion" not in item for item in ok(api.get("configmaps"))["items"])


@area(
    "Items of a list of a custom kind carry kind and apiVersion.",
    "https://kubernetes.io/docs/reference/using-api/api-concepts/#collections",
)
def test_custom_items_with_kind(api: Api) -> None:
    kind = api.define()
    made(kind.create())
    assert ok(api.get(kind.path()))["items"][0]["kind"] == "Widget"


@area("An empty list has a resourceVersion and an empty list of items.", SEMANTICS)
def test_empty_list(api: Api) -> None:
    listed = ok(api.get("secrets?labelSelector=none"))
    assert listed["items"] == []
    assert int(listed["metadata"]["resourceVersion"]) > 0


@area(
    "The kind of a list is the kind with List.",
    "https://kubernetes.io/docs/reference/using-api/api-concepts/#collections",
)
def test_list_kind(api: Api) -> None:
    assert ok(api.get("configmaps"))["kind"] == "ConfigMapList"


@area(
    "A list of a custom kind has the definition's listKind.",
    "apiextensions-apiserver/pkg/registry/customresource/etcd.go NewStorage",
)
def test_custom_list_kind(api: Api) -> None:
    assert ok(api.get(api.define().path()))["kind"] == "WidgetList"


@area("A namespace that is not there has an empty list of everything.", SEMANTICS)
def test_list_of_no_namespace(api: Api) -> None:
    assert ok(api.get("/api/v1/namespaces/no-such-one/configmaps"))["items"] == []


@area("A list is not older than a write that was answered before it.", SEMANTICS)
def test_list_is_fresh(api: Api) -> None:
    revision = int(api.config_map()["metadata"]["resourceVersion"])
    assert int(api.revision()) >= revision


@area("Revisions grow with every write, across kinds.", SEMANTICS)
def test_revisions_grow(api: Api) -> None:
    first = api.config_map()
    second = made(api.post("secrets", {"metadata": {"name": "s"}}))
    third = api.config_map("b")
    numbers = [int(doc["metadata"]["resourceVersion"]) for doc in (first, second, third)]
    assert numbers == sorted(set(numbers))


@area.table(
    CHUNKS,
    row("limit", "`limit` gives as many items and a token.", 2, ["a", "b"], True),
    row("limit-zero", "A limit of 0 is none.", 0, ["a", "b", "c"], False),
)
def test_limit(api: Api, limit: int, found: Any, more: bool) -> None:
    three(api)
    listed = ok(api.get(only(api, f"&limit={limit}")))
    assert names(listed) == found
    assert bool(listed["metadata"].get("continue")) == more


@area("A limit that fits has no token.", CHUNKS)
def test_limit_that_fits(api: Api) -> None:
    made(api.post("secrets", {"metadata": {"name": "s"}}))
    assert "continue" not in ok(api.get("secrets?limit=1"))["metadata"]


@area("The pages of a list show one moment: what is made between them is not in it.", CHUNKS)
def test_pages_are_consistent(api: Api) -> None:
    three(api)
    first = ok(api.get(only(api, "&limit=2")))
    api.config_map("bb", metadata={"labels": {"n": "x"}})
    second = ok(api.get(only(api, "&limit=2&" + query(**{"continue": first["metadata"]["continue"]})[1:])))
    assert names(second) == ["c"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


@area(
    "`remainingItemCount` says how many are left, without selectors.",
    "apimachinery/pkg/apis/meta/v1/types.go RemainingItemCount",
)
def test_remaining(api: Api) -> None:
    for name in ("a", "b", "c"):
        made(api.post("secrets", {"metadata": {"name": name}}))
    assert ok(api.get("secrets?limit=1"))["metadata"]["remainingItemCount"] == 2


@area("`remainingItemCount` is left out with selectors.", "apimachinery/pkg/apis/meta/v1/types.go RemainingItemCount")
def test_no_remaining(api: Api) -> None:
    three(api)
    assert "remainingItemCount" not in ok(api.get(only(api, "&limit=1")))["metadata"]


@area("The last page has no token.", CHUNKS)
def test_last_page(api: Api) -> None:
    three(api)
    token = ok(api.get(only(api, "&limit=2")))["metadata"]["continue"]
    assert "continue" not in ok(api.get(only(api, "&limit=2&" + query(**{"continue": token})[1:])))["metadata"]


@area("A token with a resourceVersion is 400.", CONTINUE)
def test_token_with_revision(api: Api) -> None:
    three(api)
    token = ok(api.get(only(api, "&limit=2")))["metadata"]["continue"]
    path = only(api, "&resourceVersion=5&" + query(**{"continue": token})[1:])
    refused(api.get(path), 400, "BadRequest", "specifying resource version is not allowed when using continue")


def token(**fields: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


@area.table(
    CONTINUE,
    row("token-garbage", "A token that is no token is 400.", "garbage!", "continue key is not valid"),
    row("token-version", "A token of an unknown version is 400.", token(v="v9", rv=1, start="a"), "continue key is not valid: server does not recognize this encoded version"),
    row("token-no-start", "A token without a start is 400.", token(v="meta.k8s.io/v1", rv=1, start=""), "continue key is not valid: encoded start key empty"),
    row("token-no-revision", "A token of revision 0 is 400.", token(v="meta.k8s.io/v1", rv=0, start="a"), "continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
    row("token-escapes", "A token may not lead out of the kind.", token(v="meta.k8s.io/v1", rv=1, start="/../x"), "continue key is not valid: /../x"),
)  # fmt: skip
def test_bad_token(api: Api, value: str, text: str) -> None:
    refused(api.get("configmaps" + query(**{"continue": value})), 400, "BadRequest", text)


@area.table(
    OPTIONS,
    row("match-without-revision", "resourceVersionMatch needs a resourceVersion.", "resourceVersionMatch=Exact", [("FieldValueForbidden", "resourceVersionMatch")]),
    row("match-with-token", "resourceVersionMatch and a token exclude each other.", "resourceVersion=1&resourceVersionMatch=Exact&continue=x", [("FieldValueForbidden", "resourceVersionMatch")]),
    row("match-unknown", "resourceVersionMatch is Exact or NotOlderThan.", "resourceVersion=1&resourceVersionMatch=Sometimes", [("FieldValueNotSupported", "resourceVersionMatch")]),
    row("match-exact-zero", "Exact and revision 0 exclude each other.", "resourceVersion=0&resourceVersionMatch=Exact", [("FieldValueForbidden", "resourceVersionMatch")]),
    row("initial-for-list", "sendInitialEvents is for watches.", "sendInitialEvents=true", [("FieldValueForbidden", "sendInitialEvents")]),
    row("initial-without-match", "sendInitialEvents needs a resourceVersionMatch.", "watch=1&sendInitialEvents=true", [("FieldValueForbidden", "resourceVersionMatch")]),
    row("initial-exact", "sendInitialEvents needs NotOlderThan.", "watch=1&sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=1", [("FieldValueForbidden", "resourceVersionMatch"), ("FieldValueNotSupported", "resourceVersionMatch")]),
    row("watch-match", "A watch without sendInitialEvents takes no resourceVersionMatch.", "watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1", [("FieldValueForbidden", "resourceVersionMatch")]),
)  # fmt: skip
def test_options(api: Api, options: str, found: Any) -> None:
    assert (
        causes(refused(api.get(f"configmaps?{options}"), 422, "Invalid", 'ListOptions.meta.k8s.io "" is invalid'))
        == found
    )


@area.table(
    SEMANTICS,
    row("revision-unset", "Without a resourceVersion a list is of now.", ""),
    row("revision-zero", "resourceVersion=0 takes any version.", "&resourceVersion=0"),
    row("revision-old", "An old resourceVersion without match means not older than it.", "&resourceVersion={old}"),
    row(
        "revision-not-older",
        "NotOlderThan gives a list that is not older.",
        "&resourceVersion={old}&resourceVersionMatch=NotOlderThan",
    ),
)
def test_revisions(api: Api, more: str) -> None:
    old = three(api)[0]["metadata"]["resourceVersion"]
    assert api.eventually(lambda: names(ok(api.get(only(api, more.format(old=old))))) == ["a", "b", "c"], 3)


@area("Exact gives the list of that moment.", SEMANTICS)
def test_exact(api: Api) -> None:
    old = three(api)[1]["metadata"]["resourceVersion"]
    listed = ok(api.get(only(api, f"&resourceVersion={old}&resourceVersionMatch=Exact")))
    assert names(listed) == ["a", "b"]
    assert listed["metadata"]["resourceVersion"] == old


@area("A resourceVersion with a limit and without match is exact.", SEMANTICS)
def test_limit_is_exact(api: Api) -> None:
    old = three(api)[1]["metadata"]["resourceVersion"]
    assert names(ok(api.get(only(api, f"&resourceVersion={old}&limit=5")))) == ["a", "b"]


@area(
    "A resourceVersion of the future is 504 with a cause and a time to try again.",
    "apiserver/pkg/storage/errors.go NewTooLargeResourceVersionError",
)
def test_future(api: Api) -> None:
    status = refused(
        api.get("configmaps?resourceVersion=99999999999"),
        504,
        "Timeout",
        "Too large resource version: 99999999999, current: ",
    )
    assert causes(status) == [("ResourceVersionTooLarge", "")]
    assert status["details"]["retryAfterSeconds"] == 1


@area(
    "A resourceVersion that is no number is 400 for a list.",
    "apiserver/pkg/storage/api_object_versioner.go ParseResourceVersion",
)
def test_revision_no_number(api: Api) -> None:
    refused(
        api.get("configmaps?resourceVersion=x"),
        400,
        "BadRequest",
        'invalid resource version: resourceVersion: Invalid value: "x"',
    )


@area.table(
    "apimachinery/pkg/runtime/converter.go",
    row(
        "limit-no-number",
        "A limit that is no number is 400.",
        "limit=x",
        'strconv.ParseInt: parsing "x": invalid syntax',
    ),
    row(
        "timeout-no-number",
        "A timeoutSeconds that is no number is 400.",
        "timeoutSeconds=x",
        'strconv.ParseInt: parsing "x": invalid syntax',
    ),
)
def test_numbers(api: Api, options: str, text: str) -> None:
    refused(api.get(f"configmaps?{options}"), 400, "BadRequest", text)


@area(
    "A list that cannot be had is refused for that, before the form that was asked for.",
    "apiserver/pkg/endpoints/handlers/get.go ListResource",
)
def test_list_refused_before_its_form(api: Api) -> None:
    form = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    refused(api.get("configmaps?resourceVersion=x", accept=form), 400, "BadRequest", "invalid resource version")
    refused(api.get("configmaps", accept=form), 406, "NotAcceptable", "the requested object is a list")


@area(
    "A watch from a revision overlooks a continue token; one from the present refuses it.",
    "apimachinery/pkg/apis/meta/internalversion/validation/validation.go validateWatchOptions",
)
def test_watch_with_continue(api: Api) -> None:
    watch = "configmaps?watch=1&timeoutSeconds=1&continue=x"
    assert api.get(f"{watch}&resourceVersion={api.revision()}").status == 200
    refused(api.get(watch), 422, "Invalid", "when continue is provided")
