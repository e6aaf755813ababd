"""What a kube-apiserver answered to writes, step by step with the object before it; needs WHERRY_CORPORA."""

import functools
import json
import os
import urllib.parse
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from wherry.machinery import builtins
from wherry.machinery.fields.nodes import from_openapi, from_structural
from wherry.machinery.fields.reset import of_builtin, of_custom

FILES = ("apply", "protocol", "kinds", "crd", "validation", "access")


class Step(NamedTuple):
    scenario: str
    method: str
    url: str
    query: dict
    content_type: str
    raw: bytes
    body: object  # of the request, parsed if that is possible
    live: dict | None  # the object before, as far as it was seen
    status: int
    answer: object
    group: str
    version: str
    resource: str
    subresource: str
    crds: dict

    @property
    def is_object(self):
        return (
            self.status in (200, 201)
            and isinstance(self.answer, dict)
            and "metadata" in self.answer
            and self.answer.get("kind") != "Status"
        )

    def type_and_reset(self, obj):
        """(Node, Reset) of the kind, or None for one that is not known."""
        api_version, kind = obj.get("apiVersion"), obj.get("kind")
        custom = self.crds.get((api_version, kind))
        if custom is not None:
            node = _custom_node(json.dumps((custom.get("schema") or {}).get("openAPIV3Schema")))
            return node, of_custom("status" in (custom.get("subresources") or {}), self.subresource)
        try:
            name = builtins.schema_name(self.group, self.version, kind)
            return from_openapi(builtins.schema(name), builtins.schema), of_builtin(
                self.group, self.resource, self.subresource
            )
        except KeyError:
            return None


@functools.cache
def _custom_node(text):
    return from_structural(json.loads(text), builtins.schema)


@functools.cache
def steps():
    folder = os.environ.get("WHERRY_CORPORA")
    if not folder:
        pytest.skip("WHERRY_CORPORA is not set: no recorded transcripts")
    out = []
    for name in FILES:
        with (Path(folder) / "transcripts" / f"{name}.jsonl").open() as lines:
            for line in lines:
                out += _scenario(json.loads(line.replace("${id}", "<id>").replace("${ns}", "<ns>")))
    return out


def _scenario(scenario):
    live, crds = {}, {}
    for recorded in scenario["steps"]:
        method, url = recorded["request"].split(" ", 1)
        path, _, query = url.partition("?")
        target = _target(path)
        answer = recorded["answer"]
        if target is None:
            continue
        group, version, namespace, resource, name, subresource = target
        raw = recorded["raw"] if "raw" in recorded else json.dumps(recorded.get("body"))
        parsed = answer.get("body")
        key = (
            group,
            resource,
            namespace,
            name or (parsed or {}).get("metadata", {}).get("name") if isinstance(parsed, dict) else name,
        )
        step = Step(
            scenario["scenario"],
            method,
            recorded["request"],
            dict(urllib.parse.parse_qsl(query)),
            (recorded.get("headers") or {}).get("Content-Type", "application/json"),
            raw.encode(),
            _parsed(raw),
            live.get(key),
            answer["status"],
            parsed,
            group,
            version,
            resource,
            subresource,
            dict(crds),
        )
        yield step
        if step.is_object and "dryRun" not in step.query and not parsed["kind"].endswith("List"):
            if subresource == "scale":
                live.pop(key, None)  # changed, but not seen
            elif method != "DELETE":
                live[key] = parsed
            if parsed["kind"] == "CustomResourceDefinition":
                spec = parsed["spec"]
                crds.update({(f"{spec['group']}/{v['name']}", spec["names"]["kind"]): v for v in spec["versions"]})
        if method == "DELETE":
            live.pop(key, None)


def _parsed(raw):
    try:
        return json.loads(raw)
    except ValueError:
        pass
    try:
        return yaml.load(raw, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError):
        return None


def _target(path):
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    return group, version, namespace, rest[0], rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else ""
