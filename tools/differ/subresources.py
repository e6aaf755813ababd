"""Requests to subresources: status, scale, eviction, binding, tokens, and those that need a node."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

from tools.differ.bodies import Kind
from tools.differ.mutate import mutate
from tools.differ.sequence import APPLY, MERGE, STRATEGIC, Key, Memory, Sequence, Step, _dump, _same

Obj = dict[str, Any]


def step(sequence: Sequence, key: Key, kind: Kind) -> Step:
    sub = sequence.rng.choice(kind.subresources)
    return {"status": _status, "scale": _scale}.get(sub, _other)(sequence, key, kind, sub)


def _status(sequence: Sequence, key: Key, kind: Kind, sub: str) -> Step:
    rng, path = sequence.rng, sequence._at(key, kind, "status")
    label, style, seed = f"{kind.kind}/status", rng.random(), rng.random()
    if style < 0.15:
        return Step(f"get {label}", "GET", path, None, {}, None, kind)
    schemas = sequence._schemas(kind)
    if style < 0.6:

        def body(memory: Memory) -> bytes:
            doc = copy.deepcopy(memory.objects[key])
            doc["metadata"].pop("managedFields", None)
            doc.setdefault("status", {})
            changed = mutate(
                Random(seed),
                {"apiVersion": doc["apiVersion"], "kind": doc["kind"], "status": doc["status"]},
                schemas,
                2,
            )
            doc["status"] = changed.get("status", {})
            if seed < 0.2:
                doc["metadata"]["labels"] = {"from": "status"}
                doc.setdefault("spec", {})
            return _dump(doc)

        return Step(f"update {label}", "PUT", path + sequence._query(), body, {}, key, kind)
    made = mutate(Random(seed), {"apiVersion": kind.api_version, "kind": kind.kind, "status": {}}, schemas, 3)
    part: Obj = {"status": made.get("status", {})}
    if rng.random() < 0.3:
        part["metadata"] = {"labels": {"from": "status"}}
    media = rng.choice([MERGE, STRATEGIC, APPLY])
    query = sequence._query(*(["fieldManager=s1", "force=true"] if media == APPLY else []))
    if media == APPLY:
        part = {"apiVersion": kind.api_version, "kind": kind.kind, **part}
        part.setdefault("metadata", {})["name"] = key[3]
    return Step(f"patch {label} {media[12:17]}", "PATCH", path + query, _same(part), {"content-type": media}, key, kind)


def _scale(sequence: Sequence, key: Key, kind: Kind, sub: str) -> Step:
    rng, path = sequence.rng, sequence._at(key, kind, "scale")
    replicas = rng.choice([0, 1, 3, -1, "x", None])
    label = f"{kind.kind}/scale"
    meta: Obj = {"name": key[3], "namespace": key[2]}
    if rng.random() < 0.2:
        meta["resourceVersion"] = "1"
    whole = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": meta, "spec": {"replicas": replicas}}
    style = rng.random()
    # The answer is a Scale: it is compared, and what it did to the object is seen by the next read.
    if style < 0.3:
        return Step(f"get {label}", "GET", path, None, {}, None, kind)
    if style < 0.6:
        return Step(f"update {label}", "PUT", path + sequence._query(), _same(whole), {}, None, kind)
    media = rng.choice([MERGE, STRATEGIC, APPLY])
    query = sequence._query(*(["fieldManager=s2"] if media == APPLY else []))
    body: Obj = whole if media == APPLY else {"spec": {"replicas": replicas}}
    return Step(
        f"patch {label} {media[12:17]}", "PATCH", path + query, _same(body), {"content-type": media}, None, kind
    )


def _other(sequence: Sequence, key: Key, kind: Kind, sub: str) -> Step:
    rng, path = sequence.rng, sequence._at(key, kind, sub)
    label = f"{kind.kind}/{sub}"
    if sub == "eviction":
        body: Obj = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": rng.choice([key[3], key[3], "other"]), "namespace": key[2]},
        }
        if rng.random() < 0.3:
            body["deleteOptions"] = {"gracePeriodSeconds": 0, **rng.choice([{}, {"dryRun": ["All"]}])}
        return Step(
            f"create {label}", "POST", path + rng.choice(["", "?dryRun=All"]), _same(body), {}, None, kind, cleans=True
        )
    if sub == "binding":
        target = {"kind": "Node", "name": "n1", **rng.choice([{}, {"kind": "Thing"}, {"name": ""}])}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": key[3]}, "target": target}
        return Step(f"create {label}", "POST", path, _same(body), {}, None, kind)
    if sub == "token":
        spec = {"audiences": ["x"], "expirationSeconds": rng.choice([600, 3600, 10, None])}
        return Step(f"create {label}", "POST", path, _same({"spec": rng.choice([spec, {}])}), {}, None, kind)
    if sub == "log":
        return Step(
            f"get {label}",
            "GET",
            path + rng.choice(["", "?container=zz", "?tailLines=-1", "?follow=x"]),
            None,
            {},
            None,
            kind,
        )
    if sub == "ephemeralcontainers":
        part: Obj = {
            "spec": {
                "ephemeralContainers": [
                    {
                        "name": rng.choice(["e", "c"]),
                        "image": "i",
                        **rng.choice([{}, {"ports": [{"containerPort": 1}]}]),
                    }
                ]
            }
        }
    else:
        part = {
            "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": rng.choice(["0.3", "9", "x"])}}}]}
        }
    return Step(
        f"patch {label}",
        "PATCH",
        path,
        lambda memory: json.dumps(part).encode(),
        {"content-type": STRATEGIC},
        key,
        kind,
    )
