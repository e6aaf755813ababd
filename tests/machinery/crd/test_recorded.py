"""The recorded scenarios about custom resources, played in process through definitions and compiled versions.

A small world without a store: definitions are validated as the strategy does, their kinds compiled, objects decoded,
validated and compared with the recorded answers (status, causes, warnings, everything but metadata). Steps that need
more than this room (apply, deletion, lists, CEL) are counted out; the share of the others that agree is asserted.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wherry.errors import BadRequest, FieldError, InternalError, StatusError
from wherry.machinery.crd import conditions
from wherry.machinery.crd.strategy import CustomResourceDefinitionStrategy
from wherry.machinery.crd.versions import CustomVersion, compile_versions

Obj = dict[str, Any]
STRATEGY = CustomResourceDefinitionStrategy()
ID, NS, NOW = "qzid", "qzns", "2026-01-01T00:00:00Z"
MASKS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
)
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def scenarios() -> Iterator[Obj]:
    folder = os.environ.get("WHERRY_CORPORA")
    if not folder:
        pytest.skip("WHERRY_CORPORA is not set: the recorded scenarios are not here")
    for line in (Path(folder) / "transcripts" / "crd.jsonl").read_text().splitlines():
        scenario = json.loads(line)
        if not scenario["scenario"].startswith("crd/cel"):
            yield scenario


def masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, str):
        value = value.replace(ID, "<id>").replace(NS, "<ns>")
        for pattern, label in MASKS:
            value = pattern.sub(label, value)
    return value


def merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


class World:
    """What a scenario has made so far."""

    def __init__(self) -> None:
        self.definitions: dict[str, Obj] = {}
        self.objects: dict[str, Obj] = {}

    def versions(self) -> dict[str, CustomVersion]:
        found: dict[str, CustomVersion] = {}
        for crd in self.definitions.values():
            for version in compile_versions(crd):
                found[f"{version.resource.api_version}/{version.resource.name}"] = version
        return found

    def play(self, request: str, body: Any, headers: Obj) -> tuple[int, Any, list[str]] | None:
        """(status, body, warnings), or None for what this world does not do."""
        method, _, target = request.partition(" ")
        path, _, query = target.partition("?")
        if method == "DELETE":  # what happens then is the store's; here the object is only forgotten
            self.objects.pop(path.rsplit("/", 1)[-1], None)
            self.definitions.pop(path.rsplit("/", 1)[-1], None)
            return None
        merging = method == "PATCH" and headers.get("Content-Type") == "application/merge-patch+json"
        if method not in ("POST", "PUT", "GET") and not merging:
            return None
        if method in ("POST", "PUT") and (
            not isinstance(body, dict) or headers.get("Content-Type", "json") not in "application/json"
        ):
            return None
        if "fieldValidation" in query or "fieldSelector" in query or "Accept" in headers:
            return None
        if path.startswith(DEFINITIONS):
            return self.definition(method, path[len(DEFINITIONS) :].strip("/"), body, "dryRun" in query)
        found = re.fullmatch(r"/apis/([^/]+/[^/]+)/(?:namespaces/[^/]+/)?([a-z]+)(?:/([^/]+))?(?:/([a-z]+))?", path)
        version = self.versions().get(f"{found[1]}/{found[2]}") if found else None
        if found is None or version is None:
            return None
        return self.object(method, version, found[3] or "", found[4] or "", body, "dryRun" in query)

    # --- definitions -------------------------------------------------------------------------------------------------
    def definition(self, method: str, rest: str, body: Any, dry: bool) -> tuple[int, Any, list[str]] | None:
        name, _, sub = rest.partition("/")
        if method == "GET" or (method != "POST" and name not in self.definitions):
            return None
        from wherry.machinery.typed import decoder

        old = self.definitions.get(name)
        raw = merge(old, body) if method == "PATCH" else body
        try:
            decoded = decoder("apiextensions.k8s.io", "v1", "CustomResourceDefinition").decode(raw)
        except (StatusError, ValueError):
            return None  # the words of decoding errors are tested with the decoder
        new = decoded.obj
        STRATEGY.default(new)
        if old is not None and sub:
            STRATEGY.prepare_status_update(new, old)
            errors, warnings = STRATEGY.validate_status_update(new, old), []
        elif old is None or method == "POST":
            STRATEGY.prepare_create(new)
            errors, warnings = STRATEGY.validate_create(new), STRATEGY.warnings_create(new)
        else:
            STRATEGY.prepare_update(new, old)
            errors, warnings = STRATEGY.validate_update(new, old), STRATEGY.warnings_update(new, old)
        if errors:
            return 422, errors, []
        warnings = [*decoded.unknown, *warnings]
        if not dry:
            decided = conditions.decide(new, [c for n, c in self.definitions.items() if n != name], NOW)
            self.definitions[new["metadata"]["name"]] = {**new, "status": decided or new["status"]}
        return (201 if method == "POST" else 200), new, warnings

    # --- objects -----------------------------------------------------------------------------------------------------
    def object(
        self, method: str, version: CustomVersion, name: str, sub: str, body: Any, dry: bool
    ) -> tuple[int, Any, list[str]] | None:
        if sub not in ("", "status", "scale") or (name and name not in self.objects) or (method == "GET" and not name):
            return None
        old = copy.deepcopy(self.objects.get(name)) if name else None
        if old is not None:
            version.refresh(old)
            old["apiVersion"] = version.resource.api_version
        if sub == "scale":
            return self.scale(method, version, name, old, body)
        if method == "GET":
            return 200, old, [version.deprecation] if version.deprecation else []
        new = merge(old, body) if method == "PATCH" else copy.deepcopy(body)
        if method == "PUT" and not new.get("metadata", {}).get("resourceVersion", "").isdigit():
            return None  # the store's rules
        if new.get("kind") != version.resource.kind or new.get("apiVersion") != version.resource.api_version:
            return None
        try:
            dropped = version.decode(new)
        except BadRequest as error:
            return 400, error.message, []
        warnings = [f'unknown field "{path}"' for path in dropped]
        warnings = ([version.deprecation] if version.deprecation else []) + warnings
        errors = self.validate(version, sub, new, old)
        if errors:
            return 422, errors, warnings
        version.strategy.canonicalize(new)
        shown = copy.deepcopy(new)
        if not dry:
            shown["metadata"].setdefault("name", name)
            self.objects[new["metadata"]["name"]] = {**new, "apiVersion": version.storage_api_version}
        return (201 if method == "POST" else 200), shown, warnings

    def scale(
        self, method: str, version: CustomVersion, name: str, old: Obj | None, body: Any
    ) -> tuple[int, Any, list[str]] | None:
        if (
            version.scale is None
            or old is None
            or (method == "PUT" and (body.get("kind") != "Scale" or body["metadata"]["name"] != name))
        ):
            return None
        if method == "GET":
            try:
                return 200, version.scale.read(old), []
            except InternalError as error:
                return error.code, error.message, []
        scale = merge(version.scale.before_update(old), body) if method == "PATCH" else body
        new = version.scale.write(old, scale)
        errors = self.validate(version, "", new, old)
        if errors:
            return 422, errors, []
        self.objects[name] = {**new, "apiVersion": version.storage_api_version}
        return 200, version.scale.answer(new), []

    @staticmethod
    def validate(version: CustomVersion, sub: str, new: Obj, old: Obj | None) -> list[FieldError]:
        strategy = version.strategy
        if old is None:
            strategy.prepare_create(new)
            return strategy.validate_create(new)
        if sub:
            strategy.prepare_status_update(new, old)
            return strategy.validate_status_update(new, old)
        strategy.prepare_update(new, old)
        return strategy.validate_update(new, old)


def escape(text: str) -> str:
    return text.replace('"', '\\"')


def agrees(got: tuple[int, Any, list[str]], answer: Obj) -> bool:
    status, body, warnings = got
    if status != answer["status"]:
        return False
    quoted = [f'299 - "{escape(text)}"' for text in masked(warnings)]
    if sorted(quoted) != sorted(answer.get("warnings") or []):
        return False
    expected = answer["body"]
    if status == 422:
        causes = [{"reason": e.reason, "message": e.text, "field": e.field} for e in body]
        return bool(masked(causes) == expected["details"]["causes"])
    if status in (400, 500):
        return bool(masked(body) == expected["message"])
    return _plain(masked(body)) == _plain(expected)


def _plain(obj: Obj) -> Obj:
    """Without metadata, and without the status of a definition, whose times controllers write."""
    left_out = ("metadata", "status") if obj["kind"] == "CustomResourceDefinition" else ("metadata",)
    return {key: value for key, value in obj.items() if key not in left_out}


def test_recorded_answers() -> None:
    played, wrong = 0, []
    for scenario in scenarios():
        world = World()
        for number, step in enumerate(scenario["steps"]):
            text = json.dumps([step["request"], step.get("body")]).replace("${id}", ID).replace("${ns}", NS)
            request, body = json.loads(text)
            answer = step["answer"]
            if answer["status"] not in (200, 201, 400, 422, 500) or "body" not in answer:
                continue
            got = world.play(request, body, step.get("headers") or {})
            if got is None:
                continue
            played += 1
            if not agrees(got, answer):
                wrong.append(f"{scenario['scenario']} {number} {request}: {got} instead of {answer}"[:1500])
    assert played > 370, played
    assert wrong == []
