"""The rules of kinds beside workloads against recorded answers: decode, default, allocate, prepare, validate, warn.

Walks the recorded scenarios, keeps the last recorded state of each object, and compares what the rules make of every
create, update and patch. What a server adds (storage, admission, managedFields, CEL) is named below or left out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from wherry.errors import Invalid, StatusError
from wherry.machinery import builtins, typed
from wherry.machinery.builtin import strategy
from wherry.machinery.builtin.common.meta import validate_object_meta, validate_object_meta_update
from wherry.machinery.builtin.common.names import name_is_path_segment
from wherry.machinery.builtin.conversion import converter
from wherry.machinery.builtin.core.service_addresses import allocate_create, allocate_update
from wherry.machinery.kinds import Resource
from wherry.machinery.patch import json_patch, merge_patch, strategic
from wherry.machinery.typed.compile import empty_lists_as_null

Obj = dict[str, Any]
NOW, MICRO = "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z"
IDENTITY = "770012345678"
NAMESPACE = f"ns-{IDENTITY}"
REVIEWS = "authorization.k8s.io"
KINDS = {key for area in ("core", "policy") for key in import_module(f"wherry.machinery.builtin.{area}").TABLE}
# answers that need more than these rules
CEL = re.compile(r"compilation failed|must evaluate to")
ELSEWHERE = {
    "validation/fieldvalidation-json-ignore": "a repeated key is merged before decoding",
    "validation/fieldvalidation-json-warn": "a repeated key is merged before decoding",
    "validation/names-limitrange": "the store names a LimitRange without a name",
    "validation/meta-deleting": "the store carries deletion times over",
    "validation/service-clusterip-1": "the pool knows the range of cluster IPs",
    "validation/subjectaccessreview": "the store fills managedFields, which the message prints",
    "kinds/volumeattributesclasses-forms": "admission adds a finalizer",
    "access/map-jsonpatch": "a mutating policy changes the object",
    "APPLY/json-identity": "the store compares identities before the kind does",
    "APPLY/strategic-ownerrefs": "recorded uids are masked",
}
PROTECTION = {
    "PersistentVolume": "kubernetes.io/pv-protection",
    "PersistentVolumeClaim": "kubernetes.io/pvc-protection",
}
DELETION = ("deletionTimestamp", "deletionGracePeriodSeconds")
SERVER_OWNED = ("managedFields", "uid", "resourceVersion", "creationTimestamp", "generation", *DELETION)


class Pool:
    """Addresses and ports without end."""

    families: tuple[str, ...] = ("IPv4",)

    def __init__(self) -> None:
        self.ips, self.ports = 0, 30000

    def take_ip(self, family: str, wanted: str) -> str:
        self.ips += 1
        return wanted or f"10.0.{self.ips // 256}.{self.ips % 256}"

    def take_port(self, wanted: int) -> int:
        self.ports += 1
        return wanted or self.ports


def _transcript() -> Any:
    path = Path(os.environ["WHERRY_CORPORA"]) / "transcripts/transcript.py"
    spec = importlib.util.spec_from_file_location("transcript", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _unmask(value: Any, key: str = "") -> Any:
    """A recorded object as it may have been: masked values replaced by some that fit."""
    if isinstance(value, dict):
        if value.get("ipFamilyPolicy") == "RequireDualStack":
            value = {**value, "clusterIP": "None", "clusterIPs": ["None"]}
        return {k: _unmask(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return ["10.0.0.1"] if value == ["<masked>"] else [_unmask(item, key) for item in value]
    if value != "<masked>":
        return value
    if key in ("renewTime", "acquireTime", "eventTime"):
        return MICRO
    if key.endswith(("ime", "imestamp")):
        return NOW
    return {"clusterIP": "10.0.0.1", "resourceVersion": "5"}.get(key, 30000 if "Port" in key else "some")


def _target(path: str) -> tuple[str, str, str, str, str, str] | None:
    """(group, version, resource, namespace, name, subresource)."""
    parts = [part for part in path.partition("?")[0].split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    return group, version, rest[0], namespace, *([*rest[1:3], "", ""][:2])  # type: ignore[return-value]


RESOURCES = {(group, version, r.name): r for (group, version), rs in builtins.resources().items() for r in rs}


class Walk:
    def __init__(self, compare: Any) -> None:
        self.compare, self.pool = compare, Pool()
        self.objects: dict[tuple[str, ...], Obj] = {}
        self.seen: Counter[str] = Counter()

    def scenario(self, scenario: Obj) -> Iterator[str]:
        self.objects.clear()
        for index, step in enumerate(scenario["steps"]):
            request = self.fill(step["request"])
            method, path = request.split(" ", 1)
            target = _target(path)
            if target is None:
                continue
            resource = RESOURCES.get(target[:3])
            if resource is None:
                continue
            if method in ("POST", "PUT", "PATCH") and (resource.group, resource.name) in KINDS:
                problem = self.judge(method, target, resource, step)
                self.seen["skipped" if problem is None else "same" if not problem else "differs"] += 1
                if problem:
                    yield f"{scenario['scenario']} {index} {request[:90]}: {problem}"
            self.remember(target, resource, step, path)

    def fill(self, value: Any) -> Any:
        return self.compare.fill(value, {"ns": NAMESPACE, "id": IDENTITY})

    def remember(self, target: tuple[str, ...], resource: Resource, step: Obj, path: str) -> None:
        body = step["answer"].get("body")
        good = isinstance(body, dict) and body.get("kind") == resource.kind and step["answer"]["status"] in (200, 201)
        if not good or "dryRun" in path:
            return
        text = json.dumps(body).replace("<ns>", NAMESPACE).replace("<id>", IDENTITY).replace("<time>", NOW)
        obj = _unmask(json.loads(text))
        self.objects[(target[0], target[2], target[3], obj["metadata"].get("name", ""))] = obj

    def judge(self, method: str, target: tuple[str, ...], resource: Resource, step: Obj) -> str | None:
        """Empty when the rules agree with the recording, None when the step is not for them."""
        answer, (group, _, name, namespace, given, sub) = step["answer"], target
        recorded = answer.get("body")
        old = None if method == "POST" else self.objects.get((group, name, namespace, given))
        if answer["status"] not in (200, 201, 422) or not isinstance(step.get("body"), dict | list):
            return None
        if (method == "POST") == bool(given) or (method == "PATCH" and old is None) or CEL.search(json.dumps(recorded)):
            return None
        kind = (recorded.get("details") or {}).get("kind", "")
        if answer["status"] == 422 and kind != ("" if group == REVIEWS else resource.kind):
            return None
        try:
            body = self.body(method, resource, step, old)
            obj = None if body is None else typed.decoder(group, resource.version, resource.kind).decode(body).obj
        except (StatusError, typed.DecodeError, TypeError):
            return None
        if obj is None:
            return None
        self.server_side(obj, resource, namespace, given)
        to = converter(group, name, resource.api_version, str(builtins.storage_group_version(group, name)))
        obj = to(obj)
        rules = strategy(group, name)
        rules.default(obj)
        try:
            if old is None:
                errors, warnings = self.create(rules, resource, obj)
            else:
                decoder = typed.decoder(group, resource.version, resource.kind)
                before = to(decoder.decode(json.loads(json.dumps(old))).obj)
                rules.default(before)
                found = self.update(rules, resource, obj, before, sub)
                if found is None:
                    return None
                errors, warnings = found
        except Invalid as error:
            return self.refusal(error, answer)
        if errors:
            told, given = ("", "") if group == REVIEWS else (resource.kind, obj["metadata"].get("name", ""))
            return self.refusal(Invalid.of("" if name == "events" else group, told, given, errors), answer)
        rules.canonicalize(obj)
        empty_lists_as_null(group, name, obj)
        back = converter(group, name, str(builtins.storage_group_version(group, name)), resource.api_version)
        return self.same(back(obj), warnings, resource, answer)

    def body(self, method: str, resource: Resource, step: Obj, old: Obj | None) -> Obj | None:
        body = self.fill(step["body"])
        if method != "PATCH":
            return body  # type: ignore[no-any-return]
        content = (step.get("headers") or {}).get("Content-Type", "")
        before = json.loads(json.dumps(old))
        if "apply-patch" in content:
            return None
        if "json-patch" in content:
            return json_patch.apply(before, body)
        if "strategic" in content:
            schema = builtins.schema(builtins.schema_name(resource.group, resource.version, resource.kind))
            return strategic.apply(before, body, schema, builtins.schema)
        return merge_patch.apply(before, body)

    def server_side(self, obj: Obj, resource: Resource, namespace: str, name: str) -> None:
        meta = obj.setdefault("metadata", {})
        for key in (*SERVER_OWNED, "selfLink"):
            if key not in ("generation", "resourceVersion"):
                meta.pop(key, None)
        if resource.namespaced:
            meta.setdefault("namespace", namespace)
        else:
            meta.pop("namespace", None)
        if meta.get("generateName") and not meta.get("name"):
            meta["name"] = meta["generateName"] + "xxxxx"
        if name and not meta.get("name"):
            meta["name"] = name

    def create(self, rules: Any, resource: Resource, obj: Obj) -> tuple[list[Any], list[str]]:
        if resource.name == "services":
            allocate_create(obj, self.pool)
        rules.prepare_create(obj)
        rules.stamp_create(obj, NOW, {"username": "someone"})
        standard = rules.standard_finalizers
        meta = validate_object_meta(
            obj["metadata"], resource.namespaced, rules.validate_name, standard_finalizers=standard
        )
        errors = rules.validate_create(obj)
        if resource.group == REVIEWS:
            return errors, []
        errors = meta + errors if rules.meta_first else errors or meta
        return errors, [] if errors else rules.warnings_create(obj)

    def update(
        self, rules: Any, resource: Resource, new: Obj, old: Obj, sub: str
    ) -> tuple[list[Any], list[str]] | None:
        for key in SERVER_OWNED:
            if key in old["metadata"]:
                new["metadata"][key] = old["metadata"][key]
        if sub and sub not in rules.updates:
            return None
        prepare, validate = rules.updates[sub] if sub else ("prepare_update", "validate_update")
        if resource.name == "services" and not sub:
            allocate_update(new, old, self.pool)
        getattr(rules, prepare)(new, old)
        rules.stamp_update(new, old, NOW, sub)
        meta = (new["metadata"], old["metadata"])
        errors = validate_object_meta(meta[0], resource.namespaced, name_is_path_segment)
        errors += validate_object_meta_update(*meta)
        if rules.meta_again:
            errors += validate_object_meta_update(*meta, standard_finalizers=rules.standard_finalizers)
        errors += getattr(rules, validate)(new, old)
        return errors, [] if errors or sub else rules.warnings_update(new, old)

    def masked(self, value: Any) -> Any:
        masked = self.compare.mask(value, [(NAMESPACE, "<ns>"), (IDENTITY, "<id>")])
        return json.loads(json.dumps(masked))

    def refusal(self, error: Invalid, answer: Obj) -> str:
        if answer["status"] != 422:
            return f"refused: {error.message[:300]}"
        got, want = self.masked(error.to_status()), answer["body"]
        same = got["message"] == want["message"] and got.get("details") == want.get("details")
        return "" if same else f"words\n  real {want['message'][:600]}\n  here {got['message'][:600]}"

    def same(self, obj: Obj, warnings: list[str], resource: Resource, answer: Obj) -> str:
        want = answer["body"]
        if answer["status"] == 422:
            return f"accepted, not refused with {want['message'][:300]}"
        if not isinstance(want, dict) or want.get("kind") != resource.kind or resource.group == REVIEWS:
            return ""
        sides = [self.plain(want, resource), self.plain(self.masked(obj), resource)]
        for key in sorted({*sides[0], *sides[1]} - {"kind", "apiVersion"}):
            if sides[0].get(key) != sides[1].get(key):
                return f"{key}\n  real {sides[0].get(key)}\n  here {sides[1].get(key)}"
        told = [re.sub(r'^299 - "(.*)"$', r"\1", text).replace('\\"', '"') for text in answer.get("warnings") or []]
        told = [t for t in told if not re.match(r"(unknown|duplicate) field|v1 \w+ is deprecated", t)]
        return "" if sorted(told) == sorted(self.masked(warnings)) else f"warnings: real {told}, here {warnings}"

    def plain(self, obj: Obj, resource: Resource) -> Obj:
        """Without what the server, its admission or the caller's identity put there."""
        out = json.loads(json.dumps(obj))
        meta = out["metadata"]
        if meta.get("finalizers") == [PROTECTION.get(resource.kind)]:
            del meta["finalizers"]
        for key in SERVER_OWNED:
            meta.pop(key, None)
        if meta.get("generateName"):
            meta.pop("name", None)
        spec = out.get("spec") or {}
        if resource.kind == "Node":
            spec.pop("taints", None)
        if resource.kind == "CertificateSigningRequest":
            for key in ("username", "groups", "extra", "uid"):
                spec.pop(key, None)
        return out  # type: ignore[no-any-return]


@pytest.mark.skipif("WHERRY_CORPORA" not in os.environ, reason="WHERRY_CORPORA is not set: no recorded answers")
@pytest.mark.parametrize("file", ["validation", "kinds", "access", "protocol", "apply"])
def test_recorded_answers(file: str) -> None:
    walk = Walk(_transcript())
    differences: list[str] = []
    with open(Path(os.environ["WHERRY_CORPORA"]) / "transcripts" / f"{file}.jsonl") as lines:
        for line in lines:
            scenario = json.loads(line)
            if scenario["scenario"] not in ELSEWHERE:
                differences += walk.scenario(scenario)
    assert not differences, f"{len(differences)} of {sum(walk.seen.values())}:\n" + "\n".join(differences[:20])
    assert walk.seen["same"] > 20
