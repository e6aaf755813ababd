"""What is told of requests: the events that an API server with an audit policy writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import yaml
from tests.server.handler_face import MAPS, Face

from wherry.access.audit import annotate, wanted
from wherry.access.audit.auditor import Auditor
from wherry.access.audit.policy import parse
from wherry.server.http import Request

Obj = dict[str, Any]
MICRO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Lines:
    """A sink that keeps events."""

    name, strict, max_event = "lines", False, 0

    def __init__(self) -> None:
        self.events: list[Obj] = []
        self.refuses = False

    def take(self, line: bytes) -> bool:
        if not self.refuses:
            self.events.append(orjson.loads(line))
        return not self.refuses

    def start(self) -> None: ...

    async def stop(self) -> None: ...


class Audited(Face):
    def __init__(self, *rules: Obj, **more: Any) -> None:
        super().__init__()
        self.lines = Lines()
        doc = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more}
        self.handler.api.auditor = Auditor(parse(doc), [self.lines])

    def told(self) -> list[Obj]:
        found, self.lines.events = self.lines.events, []
        return found

    def ask(self, method: str, path: str, headers: dict[str, str], remote: str = "") -> tuple[int, dict[str, str]]:
        raw, _, query = path.partition("?")
        request = Request(method, raw, raw, query, list(headers.items()), remote=remote)
        response = self.loop.run_until_complete(self.app.respond(request))
        return response.status, dict(response.headers)


@pytest.fixture
def made() -> Iterator[Any]:
    faces: list[Audited] = []

    def make(*rules: Obj, **more: Any) -> Audited:
        faces.append(Audited(*rules, **more))
        return faces[-1]

    yield make
    for face in faces:
        face.close()


def test_metadata_tells_who_what_when_and_how_it_ended(made: Any) -> None:
    api = made({"level": "Metadata"}, omitStages=["RequestReceived"])
    api.config_map("a", data={"k": "v"})
    (event,) = api.told()
    for key in ("requestReceivedTimestamp", "stageTimestamp"):
        assert MICRO.fullmatch(event.pop(key))
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", event.pop("auditID"))
    assert event == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "stage": "ResponseComplete",
        "requestURI": MAPS,
        "verb": "create",
        "user": {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]},
        "userAgent": "test/1",
        "objectRef": {
            "resource": "configmaps", "namespace": "default", "name": "a", "apiVersion": "v1",
        },
        "responseStatus": {"metadata": {}, "code": 201},
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
    }  # fmt: skip


def test_stages_of_a_short_request(made: Any) -> None:
    api = made({"level": "Metadata"})
    api("GET", MAPS)
    first, last = api.told()
    assert (first["stage"], last["stage"]) == ("RequestReceived", "ResponseComplete")
    assert "responseStatus" not in first
    assert first["auditID"] == last["auditID"]
    assert first["stageTimestamp"] == first["requestReceivedTimestamp"] == last["requestReceivedTimestamp"]


def test_a_watch_is_told_when_it_begins_and_when_it_ends(made: Any) -> None:
    api = made({"level": "RequestResponse"})
    api("GET", f"{MAPS}?watch=true&resourceVersion=1&timeoutSeconds=1", accept="application/json")
    stages = [event["stage"] for event in api.told()]
    assert stages == ["RequestReceived", "ResponseStarted", "ResponseComplete"]


def test_request_and_response_objects(made: Any) -> None:
    api = made({"level": "RequestResponse", "omitManagedFields": True}, omitStages=["RequestReceived"])
    api.config_map("a", data={"k": "v"})
    (event,) = api.told()
    assert event["requestObject"]["data"] == {"k": "v"}
    assert event["requestObject"]["kind"] == "ConfigMap"
    assert "uid" not in event["requestObject"]["metadata"]
    assert event["responseObject"]["metadata"]["uid"]
    assert "managedFields" not in event["responseObject"]["metadata"]
    api("GET", MAPS)
    (event,) = api.told()
    assert [item["metadata"]["name"] for item in event["responseObject"]["items"]][-1:] != []
    assert all("managedFields" not in item["metadata"] for item in event["responseObject"]["items"])
    api("PATCH", f"{MAPS}/a", {"data": {"k": "w"}}, "application/merge-patch+json", "application/yaml")
    (event,) = api.told()
    assert event["requestObject"] == {"data": {"k": "w"}}
    assert event["responseObject"]["data"] == {"k": "w"}
    api("DELETE", f"{MAPS}/a", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
    (event,) = api.told()
    assert event["requestObject"] == {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
    assert event["responseStatus"]["status"] == "Success"
    assert event["objectRef"]["name"] == "a"


def test_managed_fields_stay_where_nobody_says_otherwise(made: Any) -> None:
    api = made({"level": "RequestResponse"}, omitStages=["RequestReceived"])
    api.config_map("a", data={"k": "v"})
    (event,) = api.told()
    assert event["responseObject"]["metadata"]["managedFields"]


def test_refusals(made: Any) -> None:
    api = made({"level": "Metadata"}, omitStages=["RequestReceived"])
    assert api("GET", f"{MAPS}/none").status == 404
    (event,) = api.told()
    assert event["responseStatus"] == {
        "metadata": {}, "status": "Failure", "message": 'configmaps "none" not found', "reason": "NotFound",
        "details": {"name": "none", "kind": "configmaps"}, "code": 404,
    }  # fmt: skip
    api.ask("GET", MAPS, {})
    (event,) = api.told()
    assert event["user"] == {"username": "system:anonymous", "groups": ["system:unauthenticated"]}
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert event["responseStatus"]["code"] == 403


def test_credentials_that_nobody_accepts_are_one_event_without_a_user(made: Any) -> None:
    api = made({"level": "Metadata"})
    status, headers = api.ask("GET", MAPS, {"authorization": "Bearer wrong"})
    (event,) = api.told()
    assert status == 401
    assert (event["stage"], event["user"], event["responseStatus"]["code"]) == ("ResponseStarted", {}, 401)
    assert headers["Audit-Id"] == event["auditID"]


def test_impersonation(made: Any) -> None:
    api = made({"level": "Metadata"}, omitStages=["RequestReceived"])
    api.ask("GET", MAPS, {"authorization": "Bearer t", "impersonate-user": "eve", "impersonate-group": "g"})
    (event,) = api.told()
    assert event["user"]["username"] == "kubernetes-admin"
    assert event["impersonatedUser"] == {"username": "eve", "groups": ["g", "system:authenticated"]}


def test_addresses_agents_and_given_ids(made: Any) -> None:
    api = made({"level": "Metadata"}, omitStages=["RequestReceived"])
    headers = {
        "authorization": "Bearer t", "x-forwarded-for": "10.0.0.1, nonsense, 10.0.0.2", "x-real-ip": "10.0.0.9",
        "user-agent": "x" * 2000, "audit-id": "given",
    }  # fmt: skip
    _, answered = api.ask("GET", MAPS, headers, remote="[::1]:4711")
    (event,) = api.told()
    assert event["sourceIPs"] == ["10.0.0.1", "10.0.0.2", "10.0.0.9", "::1"]
    assert event["userAgent"] == "x" * 1024 + "...TRUNCATED"
    assert event["auditID"] == answered["Audit-Id"] == "given"


def test_faults_of_ours_are_told_as_panics(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    api = made({"level": "Metadata"}, omitStages=["RequestReceived"])

    async def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("wherry.server.resources.serve", broken)
    assert api("GET", MAPS).status == 500
    (event,) = api.told()
    assert (event["stage"], event["responseStatus"]["message"]) == ("Panic", "APIServer panic'd: boom")


def test_strict_sinks_refuse_what_cannot_be_told(made: Any) -> None:
    api = made({"level": "Metadata"})
    api.lines.refuses = api.lines.strict = True
    assert api("GET", MAPS).status == 500
    assert api.handler.api.auditor.rejected == 1
    api.lines.strict = False
    assert api("GET", MAPS).status == 200


def test_annotations_from_anywhere_belong_to_the_request_at_hand(made: Any) -> None:
    api = made({"level": "Metadata"}, omitStages=["RequestReceived"])

    async def plugin(ask: Any) -> None:
        assert wanted()
        annotate("plugin.example.org/said", ask.name)
        annotate("plugin.example.org/said", "the first stays")

    api.handler.api.admission.validating.append(plugin)
    api.config_map("a")
    api("GET", MAPS)
    first, second = api.told()
    assert first["annotations"]["plugin.example.org/said"] == "a"
    assert "plugin.example.org/said" not in second["annotations"]
    assert not wanted()
    annotate("nobody/listens", "x")


RECOMMENDED = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  resources:
  - resources: [secrets, configmaps, serviceaccounts/token]
  - group: authentication.k8s.io
    resources: [tokenreviews]
- level: RequestResponse
"""


def test_with_the_recommended_policy_no_secret_gets_into_the_log(made: Any) -> None:
    api = made(*yaml.safe_load(RECOMMENDED)["rules"])
    hidden = "aHVzaA=="
    for body in (
        ("/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "data": {"k": hidden}}),
        ("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": hidden}}),
    ):
        api("POST", *body)
    api("GET", "/api/v1/secrets")
    api("PATCH", "/api/v1/namespaces/default/secrets/s", {"data": {"l": hidden}}, "application/merge-patch+json")
    api("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "robot"}})
    made_token = api("POST", "/api/v1/namespaces/default/serviceaccounts/robot/token", {"spec": {}}).doc
    text = orjson.dumps(api.told()).decode()
    assert made_token["status"]["token"] not in text
    assert hidden not in text
    assert '"name":"s"' in text


def test_what_is_counted(made: Any) -> None:
    api = made({"level": "None", "verbs": ["list"]}, {"level": "Metadata"})
    api("GET", MAPS)
    api.config_map("a")
    page = api("GET", "/metrics").body.decode()
    assert 'apiserver_audit_level_total{level="None"} 1' in page
    assert 'apiserver_audit_level_total{level="Metadata"} 2' in page
    assert 'apiserver_audit_error_total{plugin="lines"} 0' in page
    assert re.search(r"^apiserver_audit_event_total 3$", page, re.M)


def test_the_id_is_told_where_audit_is_off_too() -> None:
    face = Face()
    try:
        request = Request("GET", MAPS, MAPS, "", [("authorization", "Bearer t")])
        response = face.loop.run_until_complete(face.app.respond(request))
        assert "audit-id" in {name.lower() for name, _ in response.headers}
        assert "apiserver_audit" not in face("GET", "/metrics").body.decode()
    finally:
        face.close()
