"""How a behaviour is asked for: short paths, plain requests, and checks that show the whole answer when they fail.

A path is `configmaps/a`, `apps/deployments/d/scale` (both in the test's own namespace), or begins with `/`.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from tools.targets import Answer, Obj, Stream, Target, watching

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"

GROUPS = {
    "apps": "apps/v1",
    "autoscaling": "autoscaling/v2",
    "batch": "batch/v1",
    "coordination": "coordination.k8s.io/v1",
    "discovery": "discovery.k8s.io/v1",
    "networking": "networking.k8s.io/v1",
    "policy": "policy/v1",
    "rbac": "rbac.authorization.k8s.io/v1",
}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

_numbers = itertools.count(1)
_SALT = f"{int(time.time() * 1000) % 36**6:x}"


def unique(prefix: str = "c") -> str:
    """A name that neither another test nor another run of the suite has taken."""
    return f"{prefix}-{_SALT}-{next(_numbers)}"


def query(**values: Any) -> str:
    return "?" + "&".join(f"{name}={quote(str(value))}" for name, value in values.items())


class Api:
    """A server as one test sees it, with a namespace of its own that is made when it is first needed."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._namespace = ""

    @property
    def namespace(self) -> str:
        if not self._namespace:
            self._namespace = unique("conformance")
            made(self.post("/api/v1/namespaces", {"metadata": {"name": self._namespace}}))
        return self._namespace

    def path(self, short: str) -> str:
        if short.startswith("/"):
            return short
        first, _, rest = short.partition("/")
        if first in GROUPS:
            return f"/apis/{GROUPS[first]}/namespaces/{self.namespace}/{rest}"
        return f"/api/v1/namespaces/{self.namespace}/{short}"

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A body that is not bytes is sent as JSON; header names are written with underscores."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.target.call(method, self.path(path), named, data)

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.send("POST", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> Answer:
        return self.send("PUT", path, body, **headers)

    def delete(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.send("DELETE", path, body, **headers)

    def merge(self, path: str, body: Any, **headers: str) -> Answer:
        return self.send("PATCH", path, body, content_type=MERGE, **headers)

    def strategic(self, path: str, body: Any, **headers: str) -> Answer:
        return self.send("PATCH", path, body, content_type=STRATEGIC, **headers)

    def json_patch(self, path: str, body: Any, **headers: str) -> Answer:
        return self.send("PATCH", path, body, content_type=JSON_PATCH, **headers)

    def apply(self, path: str, body: Any, manager: str = "one", more: str = "", **headers: str) -> Answer:
        return self.send("PATCH", f"{path}?fieldManager={manager}{more}", body, content_type=APPLY, **headers)

    def force(self, path: str, body: Any, manager: str = "one") -> Answer:
        return self.apply(path, body, manager, "&force=true")

    @contextmanager
    def watch(self, path: str, **headers: str) -> Iterator[Stream]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with watching(self.target, self.path(path), named) as stream:
            yield stream

    def eventually(self, found: Callable[[], bool], seconds: float = 30) -> bool:
        """Whether something comes to be so within a time."""
        for _ in range(int(seconds * 5)):
            if found():
                return True
            self.target.wait(0.2)
        return False

    # --- objects that many tests begin with --------------------------------------------------------------------------

    def config_map(self, name: str = "a", **more: Any) -> Obj:
        return made(self.post("configmaps", config_map(name, **more)))

    def revision(self, short: str = "configmaps") -> str:
        """Where a list of the kind stands."""
        revision: str = ok(self.get(short))["metadata"]["resourceVersion"]
        return revision

    def define(self, schema: Obj | None = None, *, scope: str = "Namespaced", **version: Any) -> Custom:
        """A custom kind with one version, ready to be used."""
        served = {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema or FREE},
            **version,
        }
        return self.define_versions([served], scope=scope)

    def define_versions(self, versions: list[Obj], *, scope: str = "Namespaced", **spec: Any) -> Custom:
        kind = Custom(self, f"{unique('g')}.example.com", scope == "Namespaced", versions[0]["name"])
        made(self.post(DEFINITIONS, definition(kind.group, versions, scope=scope, **spec)))
        for version in versions:
            if version["served"]:
                listed = f"/apis/{kind.group}/{version['name']}/widgets"
                assert self.eventually(lambda path=listed: self.get(path).status == 200), f"{listed} is not served"
        return kind


FREE: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(group: str, versions: list[Obj], *, scope: str = "Namespaced", **spec: Any) -> Obj:
    names = {
        "plural": "widgets",
        "singular": "widget",
        "kind": "Widget",
        "listKind": "WidgetList",
        "shortNames": ["wd"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "scope": scope, "names": names, "versions": versions, **spec},
    }


def spec_schema(**properties: Obj) -> Obj:
    """A schema whose spec has these fields."""
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


class Custom:
    """A kind that a test has defined."""

    def __init__(self, api: Api, group: str, namespaced: bool, version: str) -> None:
        self.api, self.group, self.version = api, group, version
        self.namespaced = namespaced

    @property
    def definition(self) -> str:
        return f"{DEFINITIONS}/widgets.{self.group}"

    def path(self, rest: str = "", version: str = "") -> str:
        place = f"/namespaces/{self.api.namespace}" if self.namespaced else ""
        return f"/apis/{self.group}/{version or self.version}{place}/widgets" + (f"/{rest}" if rest else "")

    def body(self, name: str = "a", *, version: str = "", metadata: Obj | None = None, **fields: Any) -> Obj:
        meta = {"name": name, **(metadata or {})}
        return {"apiVersion": f"{self.group}/{version or self.version}", "kind": "Widget", "metadata": meta, **fields}

    def create(self, name: str = "a", *, query: str = "", **fields: Any) -> Answer:
        return self.api.post(self.path() + query, self.body(name, **fields))


# --- bodies ----------------------------------------------------------------------------------------------------------


def config_map(name: str = "a", *, metadata: Obj | None = None, **fields: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **(metadata or {})}, **fields}


def pod(name: str = "p", *, metadata: Obj | None = None, **spec: Any) -> Obj:
    """A pod that needs no service account."""
    containers = [{"name": "c", "image": "example.com/i"}]
    given = {"automountServiceAccountToken": False, "containers": containers, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **(metadata or {})}, "spec": given}


def deployment(name: str = "d", **spec: Any) -> Obj:
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "example.com/i"}]}}
    given = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": given}


def service(name: str = "s", **spec: Any) -> Obj:
    given = {"ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": given}


# --- checks ----------------------------------------------------------------------------------------------------------


def ok(answer: Answer) -> Any:
    assert answer.status == 200, answer
    return answer.doc


def made(answer: Answer) -> Any:
    assert answer.status == 201, answer
    return answer.doc


def refused(answer: Answer, code: int, reason: str = "", *texts: str) -> Obj:
    """A Status with this code, reason, and these words in its message."""
    assert answer.status == code, answer
    status: Obj = answer.doc
    assert status["kind"] == "Status", answer
    assert status["apiVersion"] == "v1", answer
    assert status["status"] == "Failure", answer
    assert status["code"] == code, answer
    assert status.get("reason", "") == reason, answer
    for text in texts:
        assert text in status["message"], answer
    return status


def causes(status: Obj) -> list[tuple[str, str]]:
    return [(cause.get("reason", ""), cause.get("field", "")) for cause in status["details"].get("causes", [])]


def managers(document: Obj) -> dict[tuple[str, str, str], Obj]:
    """The fields of each manager, by name, operation and subresource."""
    entries = document["metadata"].get("managedFields", [])
    return {(e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"] for e in entries}


def names(listed: Obj) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]
