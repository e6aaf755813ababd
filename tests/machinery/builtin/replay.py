"""Recorded requests against the rules of built-in kinds, without a server: decode, default, admit, prepare, validate.

`Replay(scenario).run()` walks the steps of one recorded scenario that create or change objects of the given kinds and
yields how each answer differs. What a server adds (storage, managedFields, authorization) is left out of the
comparison. The recordings are read through WHERRY_CORPORA.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from wherry.errors import BadRequest, Forbidden, Invalid, StatusError, resource_details
from wherry.machinery import builtins
from wherry.machinery.bodies import decode_object
from wherry.machinery.builtin import strategy
from wherry.machinery.builtin.common.meta import validate_any_update, validate_object_meta
from wherry.machinery.builtin.common.names import name_is_path_segment
from wherry.machinery.builtin.conversion import converter
from wherry.machinery.builtin.workloads import eviction, pod_admission, scale
from wherry.machinery.kinds import Obj, Resource
from wherry.machinery.patch import json_patch, merge_patch, strategic
from wherry.machinery.typed import DecodeError, decoder

UID = "00000000-0000-4000-8000-000000000000"
NOW = "2026-01-01T00:00:00Z"
PATH = re.compile(r"/(?:api/(?P<core>v\w+)|apis/(?P<group>[^/]+)/(?P<version>v\w+))(?P<rest>/[^?]*)")


def corpora() -> Path | None:
    found = os.environ.get("WHERRY_CORPORA")
    return Path(found) / "transcripts" if found else None


def transcript() -> Any:
    """The comparison that comes with the recordings."""
    folder = corpora()
    assert folder is not None
    spec = importlib.util.spec_from_file_location("transcript", folder / "transcript.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scenarios(*files: str) -> Iterator[dict[str, Any]]:
    folder = corpora()
    assert folder is not None
    for name in files:
        with open(folder / f"{name}.jsonl") as lines:
            for line in lines:
                yield json.loads(line)


class Target(NamedTuple):
    resource: Resource
    namespace: str
    name: str
    subresource: str


class Difference(NamedTuple):
    step: int
    request: str
    levels: list[str]
    want: dict[str, Any]
    got: dict[str, Any]


def target_of(path: str) -> Target | None:
    match = PATH.match(path)
    if match is None:
        return None
    group, version = (match["group"] or ""), (match["core"] or match["version"])
    parts = [part for part in match["rest"].split("/") if part]
    namespace = ""
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    found = builtins.resources().get((group, version)) or ()
    resource = next((r for r in found if r.name == parts[0]), None)
    if resource is None:
        return None
    return Target(resource, namespace, parts[1] if len(parts) > 1 else "", parts[2] if len(parts) > 2 else "")


class Replay:
    """One scenario; `kinds` are the (group, resource) whose answers are compared."""

    def __init__(self, scenario: dict[str, Any], kinds: set[tuple[str, str]], compare: Any):
        self.steps, self.kinds, self.compare = scenario["steps"], kinds, compare
        self.objects: dict[tuple[str, str, str], Obj] = {}  # (group, resource, name) -> stored object
        self.other: dict[tuple[str, str, str], Obj] = {}  # recorded objects of other kinds, for look-ups
        self.variables: dict[str, str] = {"ns": "ns-1", "id": "1"}
        self.compared = 0

    def fill(self, value: Any) -> Any:
        return self.compare.fill(value, self.variables)

    def run(self) -> Iterator[Difference]:
        for index, step in enumerate(self.steps):
            method, path = self.fill(step["request"]).split(" ", 1)
            target = target_of(path)
            want = step["answer"]
            if target is None or "watch" in step or "raw" in step or step.get("as") or step.get("anonymous"):
                continue
            res = target.resource
            if (res.group, res.name) not in self.kinds:
                body = want.get("body") or {}
                if method in ("POST", "PUT") and want["status"] in (200, 201) and isinstance(body, dict):
                    name = self.fill(step.get("body") or {}).get("metadata", {}).get("name", "")
                    self.other[res.group, res.name, name] = self.fill(_unmask(body))
                continue
            if method == "DELETE" and want["status"] == 200 and not target.subresource:
                stored = self.objects.pop((res.group, res.name, target.name), None)
                deleted = (want.get("body") or {}).get("metadata") or {}
                if stored is not None and deleted.get("deletionTimestamp") and not stored.get("gone"):
                    self.variables["deleted"] = target.name
                continue
            got = self.answer(method, path, target, step, want)
            if got is None:
                continue
            self.compared += 1
            names = [(self.variables["ns"], "<ns>")]
            masked = self.compare.mask(json.loads(json.dumps(got)), names)
            recorded = self.compare.mask(deepcopy(want), [])
            recorded = json.loads(json.dumps(recorded).replace("<id>", "1"))
            levels = [level for level in self.compare.differences(recorded, masked) if level != "managedFields"]
            if levels:
                yield Difference(index, f"{method} {path}", levels, recorded, masked)

    def answer(
        self, method: str, path: str, target: Target, step: dict[str, Any], want: dict[str, Any]
    ) -> dict[str, Any] | None:
        warnings: list[str] = []
        try:
            found = self.perform(method, path, target, step, warnings)
        except StatusError as error:
            return {"status": error.code, "type": "application/json", "body": error.to_status()}
        if found is None:
            return None
        status, body = found
        answer: dict[str, Any] = {"status": status, "type": "application/json", "body": body}
        if warnings:
            answer["warnings"] = [f'299 - "{text}"' for text in map(_quoted, dict.fromkeys(warnings))]
        return answer

    def perform(
        self, method: str, path: str, target: Target, step: dict[str, Any], warnings: list[str]
    ) -> tuple[int, Obj] | None:
        res = target.resource
        key = (res.group, res.name, target.name)
        content = (step.get("headers") or {}).get("Content-Type", "application/json")
        if method == "PATCH" and target.subresource == "scale" and "apply-patch" in content and key in self.objects:
            self.objects[key]["metadata"]["generation"] += 1
        if "apply-patch" in content or method == "GET" or "dryRun" in path or "fieldValidation" in path:
            return None
        body = self.fill(step.get("body"))
        if method == "POST" and not target.name:
            return self.create(target, body, warnings)
        if target.subresource in ("scale", "binding", "eviction"):
            return self.special(method, target, body, content)
        if method not in ("PUT", "PATCH") or key not in self.objects:
            return None
        old = self.objects[key]
        view = self.from_storage(res, old)
        if method == "PUT":
            new = self.decode(res, json.dumps(body).encode(), warnings)
        else:
            patched = self.patch(res, view, body, content)
            if patched is None:
                return None
            new = self.typed(res, patched)
        return self.update(target, new, deepcopy(old), warnings)

    # --- the stations of a write -------------------------------------------------------------------------------------
    def storage(self, res: Resource) -> str:
        return str(builtins.storage_group_version(res.group, res.name))

    def to_storage(self, res: Resource, obj: Obj) -> Obj:
        return converter(res.group, res.name, res.api_version, self.storage(res))(obj)

    def from_storage(self, res: Resource, obj: Obj) -> Obj:
        return converter(res.group, res.name, self.storage(res), res.api_version)(obj)

    def decode(self, res: Resource, body: bytes, warnings: list[str]) -> Obj:
        found = decode_object(body, "application/json", res, "Warn")
        warnings.extend(found.warnings)
        stored = self.to_storage(res, found.obj)
        strategy(res.group, res.name).default(stored)
        return stored

    def typed(self, res: Resource, raw: Obj) -> Obj:
        try:
            found = decoder(res.group, res.version, res.kind).decode(json.loads(json.dumps(raw)))
        except DecodeError as error:
            raise BadRequest(str(error)) from None
        stored = self.to_storage(res, found.obj)
        strategy(res.group, res.name).default(stored)
        return stored

    def patch(self, res: Resource, view: Obj, body: Any, content: str) -> Obj | None:
        raw = json.dumps(body).encode()
        if "json-patch" in content:
            return json_patch.apply(view, raw)
        if "strategic" in content:
            name = builtins.schema_name(res.group, res.version, res.kind)
            return strategic.apply(view, raw, builtins.schema(name), builtins.schema)
        return merge_patch.apply(view, raw)

    def create(self, target: Target, body: Obj, warnings: list[str]) -> tuple[int, Obj]:
        res, rules = target.resource, strategy(target.resource.group, target.resource.name)
        obj = self.decode(res, json.dumps(body).encode(), warnings)
        meta = obj["metadata"] = dict(obj.get("metadata") or {})
        for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "managedFields"):
            meta.pop(key, None)
        if meta.get("generateName") and not meta.get("name"):
            meta["name"] = meta["generateName"] + "abcde"
        meta.update(namespace=target.namespace, uid=UID, creationTimestamp=NOW)
        if "labels" in (obj.get("metadata") or {}) and res.name == "jobs":
            template = obj["spec"]["template"].get("metadata") or {}
            if (body.get("metadata") or {}).get("labels") is None and meta["labels"] == template.get("labels"):
                meta["labels"] = template["labels"]
        if res.name == "pods":
            self.admit(obj)
        if rules.has_generation:
            meta["generation"] = 1
        rules.prepare_create(obj)
        name_rule = rules.validate_name
        found = (
            validate_object_meta(meta, True, name_rule, standard_finalizers=rules.standard_finalizers)
            if rules.meta_first
            else []
        )
        found += rules.validate_create(obj)
        if not found and not rules.meta_first:
            found = validate_object_meta(meta, True, name_is_path_segment)
        if found:
            raise Invalid.of(res.group, res.kind, meta.get("name", ""), found)
        if res.name == "pods":
            with _refusals(obj):
                pod_admission.check_runtime_class(obj, self.runtime)
        warnings.extend(rules.warnings_create(obj))
        rules.canonicalize(obj)
        meta["resourceVersion"] = "1"
        self.objects[res.group, res.name, meta["name"]] = obj
        return 201, self.from_storage(res, obj)

    def update(self, target: Target, new: Obj, old: Obj, warnings: list[str]) -> tuple[int, Obj]:
        res, rules = target.resource, strategy(target.resource.group, target.resource.name)
        n, o = new.setdefault("metadata", {}), old["metadata"]
        for field in ("uid", "creationTimestamp", "namespace", "resourceVersion", "generation"):
            if field in o and (field == "generation" or not n.get(field)):
                n[field] = o[field]
        n.pop("managedFields", None)
        if res.name == "pods" and not target.subresource:
            pod_admission.admit_tolerations(new)
            pod_admission.admit_priority_update(new, old)
        if target.subresource:
            prepare, validate = rules.updates[target.subresource]
            getattr(rules, prepare)(new, old)
        else:
            rules.prepare_update(new, old)
        if rules.has_generation and target.subresource != "status" and rules.spec_changed(new, old):
            n["generation"] = o.get("generation", 0) + 1
        found = validate_any_update(n, o, True, standard_finalizers=rules.standard_finalizers, again=rules.meta_again)
        found += getattr(rules, validate)(new, old) if target.subresource else rules.validate_update(new, old)
        if found:
            raise Invalid.of(res.group, res.kind, n.get("name", ""), found)
        if not target.subresource:
            warnings.extend(rules.warnings_update(new, old))
        elif hasattr(rules, f"warnings_{target.subresource}_update"):
            warnings.extend(getattr(rules, f"warnings_{target.subresource}_update")(new, old))
        rules.canonicalize(new)
        self.objects[res.group, res.name, target.name] = new
        return 200, self.from_storage(res, new)

    def runtime(self, name: str) -> Obj | None:
        return self.other.get(("node.k8s.io", "runtimeclasses", name))

    def admit(self, pod: Obj) -> None:
        classes = dict(pod_admission.SYSTEM_CLASSES)

        def priority(name: str) -> Obj | None:
            if name in classes:
                return {
                    "metadata": {"name": name},
                    "value": classes[name],
                    "preemptionPolicy": "PreemptLowerPriority",
                }
            return self.other.get(("scheduling.k8s.io", "priorityclasses", name))

        with _refusals(pod):
            name = pod_admission.account_name(pod)
            account = self.other.get(("", "serviceaccounts", name))
            if account is None and name == "default":
                account = {"metadata": {"name": "default"}}
            if account is None and name:
                raise pod_admission.missing_account(pod["metadata"]["namespace"], name)
            pod_admission.admit_service_account(pod, account, lambda: "abcde")
            pod_admission.admit_tolerations(pod)
            pod_admission.admit_priority(pod, priority)
            pod_admission.admit_runtime_class(pod, self.runtime)

    def special(self, method: str, target: Target, body: Any, content: str) -> tuple[int, Obj] | None:
        key = (target.resource.group, target.resource.name, target.name)
        obj = self.objects.get(key)
        if obj is None or "json" not in content:
            return None
        if target.subresource == "binding" and method == "POST":
            if eviction.validate_binding(body) or eviction.binding_conflict(obj):
                return None
            eviction.bind(obj, body, NOW)
            return None
        if target.subresource != "scale":
            return None
        if method == "PATCH" and "merge-patch" not in content:
            return None
        shown = scale.to_scale(obj)
        new = body if method == "PUT" else merge_patch.apply(shown, json.dumps(body).encode())
        if method not in ("PUT", "PATCH") or new["metadata"].get("name") != target.name:
            return None
        if method == "PUT" and new["metadata"].get("resourceVersion") == "1":
            return None
        if not isinstance((new.get("spec") or {}).get("replicas", 0), int):
            return None
        found = scale.validate_scale(new)
        if found:
            raise Invalid.of("autoscaling", "Scale", target.name, found)
        if (new.get("spec") or {}).get("replicas", 0) != obj["spec"].get("replicas"):
            obj["metadata"]["generation"] += 1
        scale.apply_scale(obj, new)
        obj["metadata"]["resourceVersion"] = "1"
        return 200, scale.to_scale(obj)


@contextmanager
def _refusals(pod: Obj) -> Iterator[None]:
    try:
        yield
    except pod_admission.Refused as error:
        name = pod["metadata"].get("name", "") or "Unknown"
        raise Forbidden(f'pods "{name}" is forbidden: {error}', details=resource_details("", "pods", name)) from None


def _unmask(value: Any) -> Any:
    return json.loads(json.dumps(value).replace("<id>", "${id}").replace("<ns>", "${ns}"))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
