"""Patches that a kube-apiserver was recorded to refuse are refused in the same words; needs WHERRY_CORPORA."""

import json
import os
from pathlib import Path

import pytest

from wherry.errors import StatusError
from wherry.machinery import builtins
from wherry.machinery.patch import json_patch, merge_patch, strategic

KINDS = {
    "application/json-patch+json": json_patch,
    "application/merge-patch+json": merge_patch,
    "application/strategic-merge-patch+json": strategic,
}
BAD_QUERIES = ("fieldValidation=Bogus", "fieldValidation=x", "dryRun=x", "dryRun=a", "dryRun=All,", "%01", "force=")
COUNTED = ("resourceVersion", "generation", "managedFields")
FILES = ("apply", "protocol", "kinds", "crd", "validation", "access")


def patches():
    """(scenario, module, live object, body, strict, answer) of every patch of an object that was seen before."""
    folder = os.environ.get("WHERRY_CORPORA")
    if not folder:
        pytest.skip("WHERRY_CORPORA is not set: no recorded transcripts")
    for name in FILES:
        with (Path(folder) / "transcripts" / f"{name}.jsonl").open() as lines:
            for line in lines:
                yield from _of_scenario(json.loads(line.replace("${id}", "<id>").replace("${ns}", "<ns>")))


def _of_scenario(scenario):
    live = {}
    for step in scenario["steps"]:
        method, url = step["request"].split(" ", 1)
        path, _, query = url.partition("?")
        status, body = step["answer"]["status"], step["answer"].get("body")
        module = KINDS.get((step.get("headers") or {}).get("Content-Type"))
        if method == "PATCH" and module and path in live and not any(bad in query for bad in BAD_QUERIES):
            raw = step["raw"] if "raw" in step else json.dumps(step["body"])
            strict = "fieldValidation=Ignore" not in query
            yield scenario["scenario"], module, live[path], raw.encode(), strict, body
        is_object = isinstance(body, dict) and status in (200, 201) and isinstance(body.get("metadata"), dict)
        if is_object and "dryRun" not in query and not body["kind"].endswith("List"):
            live[path if method != "POST" else f"{path}/{body['metadata'].get('name')}"] = body


def _apply(module, live, raw, strict):
    patch = module.decode(raw, strict)[0]
    if module is not strategic:
        return module.apply(live, patch)
    group, _, version = live["apiVersion"].rpartition("/")
    root = {"$ref": builtins.schema_name(group, version, live["kind"])}
    return strategic.apply(live, patch, root, builtins.schema)


def _settled(body):
    """Without what is counted or filled in by the server."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in COUNTED}
    return {**body, "metadata": metadata}


def test_refusals_and_results():
    refused = exact = 0
    for scenario, module, live, raw, strict, answer in patches():
        refusal = None
        try:
            result = _apply(module, live, raw, strict)
        except KeyError:
            continue  # not a built-in kind
        except StatusError as error:
            refusal = error.to_status()
        if refusal is not None:
            assert refusal == answer, (scenario, raw)
            refused += 1
        elif answer.get("kind") == live["kind"]:
            exact += _settled(result) == _settled(answer)
    assert refused > 70
    assert exact > 250  # the others got defaults, or lost what their strategy resets
