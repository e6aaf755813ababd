"""Send one random, seeded sequence of requests to a real kube-apiserver and to Wherry, and compare the answers.

    python -m tools.differential --real KUBECONFIG [--wherry KUBECONFIG] [--seeds 1,2,3] [--requests 5000] [--show 1]

Without --wherry the sequence goes to a control plane in this process. Answers are compared after masking ids, times and
revisions; where the servers part, the object is taken away from both, so that one difference does not make others.
Differences are printed in groups, with an example each. docs/how-to/differential.md tells how to read them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tools.differ import custom
from tools.differ.bodies import Kind
from tools.differ.compare import Difference, Seen, compare
from tools.differ.schemas import Schemas
from tools.differ.sequence import Key, Memory, Sequence, Step
from tools.targets import Answer, Target, target, watching

Obj = dict[str, Any]


@dataclass
class Group:
    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class Report:
    """What one or more sequences have shown."""

    requests: int = 0
    same: int = 0
    groups: dict[str, Group] = field(default_factory=lambda: defaultdict(Group))
    statuses: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, step: Step, path: str, body: bytes, differences: list[Difference]) -> None:
        for d in differences:
            group = self.groups[d.signature(step.label)]
            group.count += 1
            request = f"{step.method} {path} {dict(step.headers)} {body[:1500].decode('utf-8', 'replace')}"
            group.examples.append(f"    {request}\n      real:   {d.first}\n      wherry: {d.second}")

    def text(self, show: int) -> str:
        lines = [f"{self.same} of {self.requests} answers the same; statuses: {dict(sorted(self.statuses.items()))}"]
        for name, group in sorted(self.groups.items(), key=lambda item: (-item[1].count, item[0])):
            lines.append(f"{group.count:4} {name}")
            lines += group.examples[:show]
        return "\n".join(lines)


class Run:
    """One sequence on two servers."""

    def __init__(self, seed: int, salt: str, servers: tuple[Target, Target], report: Report):
        self.servers, self.report = servers, report
        self.memories = (Memory(), Memory())
        self.sequence = Sequence(seed, salt, {})
        self._prepare()

    def _both(
        self, method: str, path: str, body: Obj | None = None, headers: dict[str, str] | None = None
    ) -> list[Answer]:
        data = json.dumps(body).encode() if body is not None else b""
        return [server.call(method, path, headers, data) for server in self.servers]

    def _prepare(self) -> None:
        """Namespaces with what pods need, the definitions, and the schemas of all kinds."""
        for name in self.sequence.namespaces:
            self._both("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
            self._both("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})
        for definition in custom.definitions(self.sequence.group):
            for answer in self._both("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition):
                assert answer.status == 201, answer
        for server in self.servers:
            for kind in custom.kinds(self.sequence.group):
                self._until_served(server, kind)
        documents: dict[str, Obj] = {}
        index = self.servers[0].call("GET", "/openapi/v3").doc["paths"]
        for kind in self.sequence.kinds:
            path = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
            if path not in documents:
                url = index.get(path, {}).get("serverRelativeURL", f"/openapi/v3/{path}")
                documents[path] = self.servers[0].call("GET", url).doc
            schemas = Schemas(documents[path], kind.group, kind.version, kind.kind)
            self.sequence.schemas[f"{kind.api_version} {kind.kind}"] = schemas

    def _until_served(self, server: Target, kind: Kind) -> None:
        namespace = self.sequence.namespaces[0] if kind.namespaced else ""
        for _ in range(100):
            listed = server.call("GET", kind.path(namespace)).status == 200
            index = server.call("GET", "/openapi/v3").doc["paths"]
            if listed and f"apis/{kind.group}/{kind.version}" in index:
                return
            server.wait(0.1)
        raise RuntimeError(f"{server.name} does not serve {kind.resource}.{kind.group}")

    def go(self, requests: int) -> None:
        for _ in range(requests):
            self._step(self.sequence.next())
        for key in sorted(self.sequence.alive):
            self._retire(key)
        for definition in custom.definitions(self.sequence.group):
            self._both(
                "DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"
            )

    def _step(self, step: Step) -> None:
        answers, seen, path, body = self._send(step)
        differences = self._compare(step, answers, seen)
        if differences and step.method == "GET" and not step.watch:
            self.servers[0].wait(0.15)  # a cache of the real server may have been behind
            answers, seen, path, body = self._send(step)
            differences = self._compare(step, answers, seen)
        self.report.requests += 1
        self.report.same += not differences
        self.report.statuses[answers[0].status] += 1
        self.report.add(step, path, body, differences)
        self._remember(step, answers, bool(differences))

    def _send(self, step: Step) -> tuple[list[Answer], list[Seen], str, bytes]:
        answers, seen, path, body = [], [], "", b""
        for server, memory in reversed(list(zip(self.servers, self.memories, strict=True))):
            path = memory.fill(step.path)
            if step.watch:
                with watching(server, path, step.headers) as stream:
                    events = stream.rest() if stream.answer.status == 200 else []
                    answer = stream.answer
            else:
                events = []
                body = step.body(memory) if step.body is not None else b""
                answer = server.call(step.method, path, step.headers, body)
            answers.insert(0, answer)
            seen.insert(0, Seen.of(answer, events))
        return answers, seen, path, body

    def _compare(self, step: Step, answers: list[Answer], seen: list[Seen]) -> list[Difference]:
        for answer, memory, shown in zip(answers, self.memories, seen, strict=True):
            document = _object(answer)
            if document is None:
                continue
            if (
                step.key is not None
                and step.method in ("PUT", "PATCH")
                and step.key in memory.objects
                and "dryRun" not in step.path
            ):
                old = memory.objects[step.key]["metadata"].get("resourceVersion")
                shown.body["_moved"] = document["metadata"].get("resourceVersion") != old
            if document.get("kind") == "CustomResourceDefinition":
                _forget_conditions(shown.body)
        return compare(*seen)

    def _remember(self, step: Step, answers: list[Answer], differs: bool) -> None:
        if step.label.startswith("list ") and not differs:
            self._remember_list([answer.doc.get("metadata") or {} for answer in answers if _is_json(answer)])
        key = step.key
        if step.label.startswith("deletecollection"):
            for other in (
                [k for k in self.sequence.alive if k[1] == step.kind.resource and k[2] in step.path]
                if step.kind
                else ()
            ):
                self._refresh(other)
        if key is None or step.method == "GET":
            if step.cleans and step.kind is not None:
                self._drop_gone(step.kind)
            return
        if "dryRun" in step.path and not differs:
            return
        name = key[3] or "?"
        documents = [_object(answer) for answer in answers]
        if differs or step.cleans:
            self._retire((*key[:3], name))
        elif all(documents) and all(answer.status in (200, 201) for answer in answers):
            self._keep(step, documents)
        elif step.method == "DELETE" and answers[0].status in (200, 202):
            self._refresh(key)

    def _remember_list(self, metas: list[Obj]) -> None:
        """Where both lists stood, unless one of them was of the past, and how they go on."""
        revisions = [str(meta.get("resourceVersion", "")) for meta in metas]
        if len(metas) < len(self.memories) or not all(revision.isdigit() for revision in revisions):
            return
        pairs = list(zip(self.memories, revisions, strict=True))
        if all(int(revision) >= int(memory.revisions[-1] if memory.revisions else 0) for memory, revision in pairs):
            for memory, revision in pairs:
                memory.revisions.append(revision)
        for memory, meta in zip(self.memories, metas, strict=True):
            memory.token = meta.get("continue") or memory.token

    def _keep(self, step: Step, documents: list[Any]) -> None:
        assert step.key is not None
        assert step.kind is not None
        names = {document["metadata"]["name"] for document in documents}
        if len(names) > 1:  # generated: each server its own
            for server, document in zip(self.servers, documents, strict=True):
                server.call(
                    "DELETE",
                    step.kind.path(step.key[2], document["metadata"]["name"]),
                    None,
                    b'{"gracePeriodSeconds":0}',
                )
            return
        key = (*step.key[:3], names.pop())
        if step.method == "DELETE" or "deletionTimestamp" in documents[0]["metadata"]:
            self._refresh(key)
            return
        if step.kind.kind == "CustomResourceDefinition":
            self._retire(key)
            return
        self.sequence.alive[key] = self.sequence.alive.get(key, step.kind)
        for memory, document in zip(self.memories, documents, strict=True):
            if key in memory.objects:
                memory.before[key] = memory.objects[key]
            memory.objects[key] = document

    def _kind_of(self, key: Key) -> Kind:
        return next(kind for kind in self.sequence.kinds if (kind.group, kind.resource) == key[:2])

    def _refresh(self, key: Key) -> None:
        """What both have now; gone from both, or from one, means that it is forgotten."""
        answers = self._both("GET", self._kind_of(key).path(key[2], key[3]))
        if any(answer.status != 200 for answer in answers):
            self._retire(key)
            return
        self.sequence.alive.setdefault(key, self._kind_of(key))
        for memory, answer in zip(self.memories, answers, strict=True):
            memory.objects[key] = answer.doc

    def _drop_gone(self, kind: Kind) -> None:
        for key in [k for k in self.sequence.alive if k[:2] == (kind.group, kind.resource)]:
            self._refresh(key)

    def _retire(self, key: Key) -> None:
        if not key[3]:  # without a name this would be a deletion of the whole collection
            return
        path = self._kind_of(key).path(key[2], key[3])
        patch = {"content-type": "application/merge-patch+json"}
        if any(answer.status == 200 for answer in self._both("GET", path)):
            self._both("DELETE", path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
            self._both("PATCH", path, {"metadata": {"finalizers": None}}, patch)
        for _ in range(40 if key[1] == "customresourcedefinitions" else 1):  # finalized in the background
            if all(answer.status == 404 for answer in self._both("GET", path)):
                break
            self.servers[0].wait(0.05)
        self.sequence.alive.pop(key, None)
        for memory in self.memories:
            memory.objects.pop(key, None)
            memory.before.pop(key, None)


def _is_json(answer: Answer) -> bool:
    return answer.status in (200, 201) and answer.media.startswith("application/json")


def _object(answer: Answer) -> Obj | None:
    """The object in an answer, if it is one that was stored."""
    if not _is_json(answer):
        return None
    try:
        document = answer.doc
    except ValueError:  # a stream
        return None
    meta = document.get("metadata") if isinstance(document, dict) else None
    stored = isinstance(meta, dict) and meta.get("name") and document.get("kind") not in ("Status", "Scale")
    return document if stored else None


def _forget_conditions(body: Obj) -> None:
    """Conditions of definitions come a moment later upstream."""
    body.pop("status", None)
    meta = body.get("metadata", {})
    meta["managedFields"] = [entry for entry in meta.get("managedFields", ()) if entry.get("subresource") != "status"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", required=True, help="kubeconfig of the server that is right")
    parser.add_argument("--wherry", default="", help="kubeconfig of a running Wherry; without it one in this process")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--show", type=int, default=1, help="examples of each group")
    options = parser.parse_args()
    total = Report()
    salt = f"x{int(time.time()) % 10**6}"  # the real server may remember an earlier run
    for seed in [int(text) for text in options.seeds.split(",")]:
        servers = target(options.real), target(options.wherry, controllers=False)
        before, began = (total.requests, total.same), time.monotonic()
        Run(seed, salt, servers, total).go(options.requests)
        done, same = total.requests - before[0], total.same - before[1]
        print(
            f"seed {seed}: {same} of {done} the same ({same / done:.2%}) in {time.monotonic() - began:.0f} s",
            flush=True,
        )
        for server in servers:
            server.close()
    print(total.text(options.show))
    return 0 if total.same == total.requests else 1


if __name__ == "__main__":
    sys.exit(main())
