"""Queries and headers of reads: revisions and how they are to match, selectors, paging, other forms of the answer."""

from __future__ import annotations

from random import Random

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_ACCEPTS = [
    _TABLE,
    f"{_TABLE}, application/json",
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    "application/yaml",
    "application/xml",
    "text/*",
    "*/*",
    "application/json;as=Nonsense;g=meta.k8s.io;v=v1",
    "application/json, application/vnd.kubernetes.protobuf",
]
_REVISIONS = ["", "", "0", "${rv:new}", "${rv:mid}", "${rv:future}", "-1", "x", "007"]
_MATCHES = ["", "", "Exact", "NotOlderThan", "Sometimes"]
_LABELS = [
    "app=x",
    "app!=x",
    "app in (x,y)",
    "app",
    "!app",
    "app notin (x)",
    "app=x,new",
    "a b",
    "app in ()",
    "=x",
    "app==y",
    "app>1",
    "x" * 64 + "/y",
]
_FIELDS = [
    "metadata.name=a", "metadata.name!=a", "metadata.namespace=default", "metadata.name=a,", "spec.size=M", "status.phase=Pending",
    "spec.nodeName=", "type=Opaque", "involvedObject.kind=Pod", "nonsense=1", "metadata.name", "metadata.name=a,metadata.name=b", "reason=R",
]  # fmt: skip


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="${}:")


def _query(parts: dict[str, str]) -> str:
    found = [f"{key}={value if value.startswith('${') else _quoted(value)}" for key, value in parts.items()]
    return "?" + "&".join(found) if found else ""


def _accept(rng: Random, chance: float) -> dict[str, str]:
    return {"accept": rng.choice(_ACCEPTS)} if rng.random() < chance else {}


def get(rng: Random) -> tuple[str, dict[str, str]]:
    parts: dict[str, str] = {}
    if rng.random() < 0.3 and (value := rng.choice(_REVISIONS)):
        parts["resourceVersion"] = value
    if rng.random() < 0.1:
        parts["includeObject"] = rng.choice(["None", "Object", "Metadata", "Some"])
    return _query(parts), _accept(rng, 0.4)


def listing(rng: Random) -> tuple[str, dict[str, str]]:
    parts: dict[str, str] = {}
    if rng.random() < 0.5 and (value := rng.choice(_REVISIONS)):
        parts["resourceVersion"] = value
    if rng.random() < 0.35 and (value := rng.choice(_MATCHES)):
        parts["resourceVersionMatch"] = value
    if rng.random() < 0.4:
        parts["limit"] = rng.choice(["1", "2", "3", "0", "-1", "x", "500"])
    if rng.random() < 0.25:
        parts["continue"] = rng.choice(
            ["${continue}", "${continue}", "${continue}", "garbage", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ"]
        )
    if rng.random() < 0.3:
        parts["labelSelector"] = rng.choice(_LABELS)
    if rng.random() < 0.25:
        parts["fieldSelector"] = rng.choice(_FIELDS)
    if rng.random() < 0.05:
        parts["sendInitialEvents"] = rng.choice(["true", "false"])
    if rng.random() < 0.05:
        parts["timeoutSeconds"] = rng.choice(["5", "x", "-1"])
    if rng.random() < 0.05:
        parts["allowWatchBookmarks"] = "true"
    return _query(parts), _accept(rng, 0.25)


def watch(rng: Random) -> tuple[str, dict[str, str]]:
    parts = {"watch": "1", "timeoutSeconds": "1"}
    if value := rng.choice(["${rv:mid}", "${rv:mid}", "${rv:new}", "0", "", "x"]):
        parts["resourceVersion"] = value
    if rng.random() < 0.4:
        parts["labelSelector"] = rng.choice(_LABELS)
    if rng.random() < 0.2:
        parts["fieldSelector"] = rng.choice(_FIELDS)
    if rng.random() < 0.2:
        parts |= {"sendInitialEvents": "true", "allowWatchBookmarks": "true", "resourceVersionMatch": "NotOlderThan"}
    elif rng.random() < 0.1:
        parts |= rng.choice(
            [{"sendInitialEvents": "true"}, {"resourceVersionMatch": "Exact"}, {"limit": "1"}, {"continue": "x"}]
        )
    return _query(parts), _accept(rng, 0.3)
