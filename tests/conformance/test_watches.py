"""Watches, initial events, bookmarks, and the other forms of lists and watches."""

from __future__ import annotations

from typing import Any

from tests.conformance.api import (
    PARTIAL,
    PARTIAL_LIST,
    TABLE,
    Api,
    made,
    names,
    ok,
    pod,
    refused,
)
from tests.conformance.behaviours import Area, row
from tests.conformance.collections import SEMANTICS, only, three

area = Area("watch", "Watches")

STREAMING = "https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists"
WATCH = "apiserver/pkg/endpoints/handlers/watch.go"
CACHER = "apiserver/pkg/storage/cacher/cacher.go"
INITIAL = "watch=1&timeoutSeconds=2&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"


def shown(events: list[Any]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


@area(
    "A watch from a revision shows what came after it, in order.",
    "https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes",
)
def test_watch(api: Api) -> None:
    start = api.revision()
    api.config_map("w", metadata={"labels": {"n": "w"}})
    ok(api.merge("configmaps/w", {"data": {"a": "1"}}))
    ok(api.delete("configmaps/w"))
    with api.watch(only(api, f"&watch=1&timeoutSeconds=2&resourceVersion={start}")) as stream:
        assert shown([stream.next() for _ in range(3)]) == [("ADDED", "w"), ("MODIFIED", "w"), ("DELETED", "w")]  # type: ignore[misc]


@area("A watch shows what happens while it is open.", WATCH)
def test_watch_live(api: Api) -> None:
    with api.watch(only(api, f"&watch=1&timeoutSeconds=5&resourceVersion={api.revision()}")) as stream:
        api.config_map("w", metadata={"labels": {"n": "w"}})
        event = stream.next()
    assert event
    assert shown([event]) == [("ADDED", "w")]


@area.table(
    SEMANTICS,
    row("watch-unset", "A watch without a resourceVersion begins with what is there, as ADDED.", ""),
    row("watch-zero", "A watch from 0 begins with what is there, as ADDED.", "&resourceVersion=0"),
)
def test_watch_from_nothing(api: Api, more: str) -> None:
    three(api)
    with api.watch(only(api, "&watch=1&timeoutSeconds=2" + more)) as stream:
        assert sorted(shown([stream.next() for _ in range(3)])) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]  # type: ignore[misc]


@area("The revision of a DELETED event is that of the deletion.", "apiserver/pkg/storage/etcd3/event.go")
def test_deletion_revision(api: Api) -> None:
    made = api.config_map("w", metadata={"labels": {"n": "w"}})["metadata"]["resourceVersion"]
    ok(api.delete("configmaps/w"))
    with api.watch(only(api, f"&watch=1&timeoutSeconds=2&resourceVersion={made}")) as stream:
        event = stream.next()
    assert event
    assert event["type"] == "DELETED"
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(made)


@area.table(
    f"{CACHER}",
    row("leaves-selector", "An object that leaves the selector is DELETED.", "x", "y", "DELETED"),
    row("enters-selector", "An object that enters the selector is ADDED.", "y", "x", "ADDED"),
    row("stays-in-selector", "An object that stays in the selector is MODIFIED.", "x", "x", "MODIFIED"),
)
def test_transitions(api: Api, before: str, after: str, kind: str) -> None:
    start = api.config_map("w", metadata={"labels": {"s": before}})["metadata"]["resourceVersion"]
    ok(api.merge("configmaps/w", {"metadata": {"labels": {"s": after}}, "data": {"k": "v"}}))
    with api.watch(f"configmaps?labelSelector=s%3Dx&watch=1&timeoutSeconds=2&resourceVersion={start}") as stream:
        event = stream.next()
    assert event
    assert shown([event]) == [(kind, "w")]


@area("The object of an event that leaves the selector is the one before, with the new revision.", CACHER)
def test_leaving_object(api: Api) -> None:
    start = api.config_map("w", metadata={"labels": {"s": "x"}})["metadata"]["resourceVersion"]
    after = ok(api.merge("configmaps/w", {"metadata": {"labels": {"s": "y"}}}))
    with api.watch(f"configmaps?labelSelector=s%3Dx&watch=1&timeoutSeconds=2&resourceVersion={start}") as stream:
        event = stream.next()
    assert event
    assert event["object"]["metadata"]["labels"] == {"s": "x"}
    assert event["object"]["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


@area("A write that changes nothing makes no event.", "apiserver/pkg/storage/etcd3/store.go GuaranteedUpdate")
def test_no_event(api: Api) -> None:
    start = api.config_map("w", metadata={"labels": {"n": "w"}}, data={"a": "1"})["metadata"]["resourceVersion"]
    ok(api.merge("configmaps/w", {"data": {"a": "1"}}))
    with api.watch(only(api, f"&watch=1&timeoutSeconds=1&resourceVersion={start}")) as stream:
        assert stream.rest() == []


@area("A watch of one name by fieldSelector shows that object only.", WATCH)
def test_watch_name(api: Api) -> None:
    start = api.revision()
    three(api)
    with api.watch(
        f"configmaps?fieldSelector=metadata.name%3Db&watch=1&timeoutSeconds=1&resourceVersion={start}"
    ) as stream:
        assert shown(stream.rest()) == [("ADDED", "b")]


@area("The path of an object with watch=1 watches that object.", "apiserver/pkg/endpoints/handlers/get.go ListResource")
def test_watch_of_object(api: Api) -> None:
    start = api.revision()
    three(api)
    with api.watch(
        f"/api/v1/watch/namespaces/{api.namespace}/configmaps/b?timeoutSeconds=1&resourceVersion={start}"
    ) as stream:
        assert shown(stream.rest()) == [("ADDED", "b")]


@area("The old path below /watch/ watches a collection.", "apiserver/pkg/endpoints/installer.go")
def test_old_watch_path(api: Api) -> None:
    start = api.revision()
    three(api)
    path = (
        f"/api/v1/watch/namespaces/{api.namespace}/configmaps?labelSelector=n&timeoutSeconds=1&resourceVersion={start}"
    )
    with api.watch(path) as stream:
        assert shown(stream.rest()) == [("ADDED", "b"), ("ADDED", "a"), ("ADDED", "c")]


@area("A watch ends by itself after timeoutSeconds.", WATCH)
def test_timeout(api: Api) -> None:
    with api.watch(f"configmaps?watch=1&timeoutSeconds=1&resourceVersion={api.revision()}") as stream:
        assert stream.rest() == []


@area(
    "A watch from a future revision answers an ERROR event.",
    "apiserver/pkg/storage/errors.go NewTooLargeResourceVersionError",
)
def test_watch_future(api: Api) -> None:
    with api.watch("configmaps?watch=1&timeoutSeconds=6&resourceVersion=99999999999") as stream:
        event = stream.next(8)
    assert event is None or event["type"] == "ERROR"


@area(
    "A watch from what is no revision fails as a get does, with 500.",
    "apiserver/pkg/storage/api_object_versioner.go ParseResourceVersion",
)
def test_watch_no_revision(api: Api) -> None:
    refused(api.get("configmaps?watch=1&resourceVersion=x"), 500, "", 'resourceVersion: Invalid value: "x"')


@area("Initial events end with a bookmark that has the annotation for it.", STREAMING)
def test_initial_events(api: Api) -> None:
    three(api)
    with api.watch(only(api, f"&{INITIAL}&allowWatchBookmarks=true")) as stream:
        events = [stream.next() for _ in range(4)]
    assert [event["type"] for event in events] == ["ADDED"] * 3 + ["BOOKMARK"]  # type: ignore[index]
    assert events[3]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}  # type: ignore[index]


@area("Initial events come in the order of a list.", STREAMING)
def test_initial_order(api: Api) -> None:
    three(api)
    with api.watch(only(api, f"&{INITIAL}&allowWatchBookmarks=true")) as stream:
        assert shown([stream.next() for _ in range(3)]) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]  # type: ignore[misc]


@area("A bookmark is an object of the kind with nothing but a resourceVersion.", STREAMING)
def test_bookmark(api: Api) -> None:
    with api.watch(only(api, f"&{INITIAL}&allowWatchBookmarks=true")) as stream:
        event = stream.next()
    assert event
    mark = event["object"]
    assert (mark["kind"], mark["apiVersion"]) == ("ConfigMap", "v1")
    assert set(mark["metadata"]) == {"resourceVersion", "annotations"}


@area("After the initial events a watch goes on live.", STREAMING)
def test_after_initial(api: Api) -> None:
    with api.watch(
        only(api, f"&{INITIAL}&allowWatchBookmarks=true").replace("timeoutSeconds=2", "timeoutSeconds=5")
    ) as stream:
        assert (stream.next() or {})["type"] == "BOOKMARK"
        api.config_map("w", metadata={"labels": {"n": "w"}})
        event = stream.next()
    assert event
    assert shown([event]) == [("ADDED", "w")]


@area("sendInitialEvents=false begins with nothing.", STREAMING)
def test_no_initial(api: Api) -> None:
    three(api)
    path = only(
        api,
        f"&watch=1&timeoutSeconds=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion={api.revision()}",
    )
    with api.watch(path) as stream:
        assert stream.rest() == []


@area("Events of a watch carry kind and apiVersion.", WATCH)
def test_event_kind(api: Api) -> None:
    three(api)
    with api.watch(only(api, "&watch=1&timeoutSeconds=1")) as stream:
        event = stream.next()
    assert event
    assert event["object"]["kind"] == "ConfigMap"


@area("In a watch of tables only the first has column definitions.", "apiserver/pkg/endpoints/handlers/response.go")
def test_watch_tables(api: Api) -> None:
    three(api)
    with api.watch(only(api, "&watch=1&timeoutSeconds=1"), accept=TABLE) as stream:
        tables = [event["object"] for event in stream.rest()]
    assert [table["kind"] for table in tables] == ["Table"] * 3
    assert [bool(table.get("columnDefinitions")) for table in tables] == [True, False, False]


@area("A watch may ask for metadata alone.", "apiserver/pkg/endpoints/handlers/response.go")
def test_watch_partial(api: Api) -> None:
    three(api)
    with api.watch(only(api, "&watch=1&timeoutSeconds=1"), accept=PARTIAL) as stream:
        event = stream.next()
    assert event
    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert "data" not in event["object"]


@area("A list may be asked for metadata alone.", "apiserver/pkg/endpoints/handlers/response.go")
def test_partial_list(api: Api) -> None:
    three(api)
    listed = ok(api.get(only(api), accept=PARTIAL_LIST))
    assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert listed["items"][0]["kind"] == "PartialObjectMetadata"


@area("Metadata of one object asked of a list is 406.", "apiserver/pkg/endpoints/handlers/response.go")
def test_partial_of_list(api: Api) -> None:
    refused(
        api.get("configmaps", accept=PARTIAL),
        406,
        "NotAcceptable",
        "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)",
    )


@area("A metadata list asked of one object is 406.", "apiserver/pkg/endpoints/handlers/response.go")
def test_partial_list_of_object(api: Api) -> None:
    api.config_map()
    refused(
        api.get("configmaps/a", accept=PARTIAL_LIST),
        406,
        "NotAcceptable",
        "but the requested object is not a list (*core.ConfigMap)",
    )


@area(
    "A watch cannot be YAML: 406 lists what it can be.",
    "apiserver/pkg/endpoints/handlers/negotiation/negotiate.go NegotiateOutputMediaTypeStream",
)
def test_watch_yaml(api: Api) -> None:
    answer = api.get("configmaps?watch=1&timeoutSeconds=1", accept="application/yaml")
    assert answer.status == 406
    assert b"application/json;stream=watch" in answer.body


@area(
    "What cannot be answered is 406 with the forms that there are, streams among them for what can be watched.",
    "apiserver/pkg/endpoints/handlers/negotiation/negotiate.go",
)
def test_not_acceptable(api: Api) -> None:
    answer = api.get("configmaps", accept="text/html")
    refused(
        answer,
        406,
        "NotAcceptable",
        "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch",
    )


@area("Options are looked at before the fields of a selector.", "apiserver/pkg/endpoints/handlers/get.go listOpts")
def test_options_first(api: Api) -> None:
    refused(api.get("configmaps?fieldSelector=spec.x%3D1&resourceVersionMatch=Exact"), 422, "Invalid")


@area("A get takes a resourceVersion and waits until the server is there.", SEMANTICS)
def test_get_revision(api: Api) -> None:
    revision = api.config_map()["metadata"]["resourceVersion"]
    assert ok(api.get(f"configmaps/a?resourceVersion={revision}"))["metadata"]["resourceVersion"] == revision


@area("A deleted object is DELETED for those who watch other kinds of the same group not at all.", WATCH)
def test_other_kind(api: Api) -> None:
    made(api.post("pods", pod()))
    start = api.revision("secrets")
    ok(api.delete("pods/p"))
    with api.watch(f"secrets?watch=1&timeoutSeconds=1&resourceVersion={start}") as stream:
        assert stream.rest() == []


@area(
    "A collection may be deleted by selector, and the answer lists what went.",
    "apiserver/pkg/registry/generic/registry/store.go DeleteCollection",
)
def test_delete_collection(api: Api) -> None:
    three(api)
    listed = ok(api.delete("configmaps?labelSelector=n%3Da"))
    assert names(listed) == ["a"]
    assert names(ok(api.get(only(api)))) == ["b", "c"]


@area(
    "A dry-run deletion of a collection keeps it.", "apiserver/pkg/registry/generic/registry/store.go DeleteCollection"
)
def test_delete_collection_dry(api: Api) -> None:
    three(api)
    ok(api.delete("configmaps?labelSelector=n&dryRun=All"))
    assert names(ok(api.get(only(api)))) == ["a", "b", "c"]


@area(
    "The deletion of Jobs as a collection warns about their pods.",
    "kubernetes/pkg/registry/batch/job/storage/storage.go DeleteCollection",
)
def test_delete_jobs(api: Api) -> None:
    warnings = api.delete("batch/jobs").warnings
    assert len(warnings) == 1
    assert warnings[0].startswith("child pods are preserved by default when jobs are deleted")


@area("HEAD of a resource is 405.", "apiserver/pkg/endpoints/installer.go")
def test_head(api: Api) -> None:
    api.config_map()
    assert api.send("HEAD", "configmaps/a").status == 405


@area(
    "The bookmark of a built-in kind is an object without content, defaults included.",
    "apiserver/pkg/storage/cacher/cacher.go newFunc",
)
def test_bookmark_has_no_defaults(api: Api) -> None:
    asked = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    with api.watch(f"pods?watch=1&{asked}") as stream:
        mark = stream.next() or {}
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["spec"] == {"containers": None}
