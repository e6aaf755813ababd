"""Requests that are wrong as such: broken bodies, media types that nobody speaks, paths and methods that are not there."""

from __future__ import annotations

from tools.differ.sequence import APPLY, MERGE, PATCH, STRATEGIC, Sequence, Step, _same

_RAW = [
    b"", b"{", b"null", b"[]", b'"text"', b"1", b"{}", b'{"kind":"ConfigMap"}', b'{"apiVersion":"v1","kind":"Nothing"}',
    b'{"apiVersion":"v2","kind":"ConfigMap"}', b'{"apiVersion":1,"kind":"ConfigMap"}', b'{"kind":"ConfigMap","kind":"ConfigMap"}',
    b'{"metadata":{"name":"odd","name":"odd"},"data":{"a":"1","a":"2"}}', b'{"metadata":{"name":1}}', b'{"metadata":[]}', b'{"metadata":null}',
    b'{"data":{"a":1}}', b"a: 1\n---\nb: 2\n", b"\xff\xfe", b'{"metadata":{"name":"odd"}} trailing', b"k8s\x00broken", b'{"spec":{"replicas":"x"}}',
    b'{"metadata":{"name":"odd","labels":{"a":1}}}', b'{"metadata":{"labels":null,"annotations":{}}}', b'{"apiVersion":"v1","kind":"List","items":[]}',
]  # fmt: skip
_MEDIA = [
    "application/json",
    "application/json",
    "application/yaml",
    "text/plain",
    "application/xml",
    "application/vnd.kubernetes.protobuf",
    "",
]
_PATHS = [
    "/", "/api", "/apis", "/api/v1", "/api/v9", "/apis/apps", "/apis/apps/v1", "/apis/none.example.com", "/apis/apps/v9", "/version", "/healthz",
    "/healthz/ping", "/livez?verbose", "/readyz", "/none", "/api/v1/none", "/api/v1/namespaces/${ns}/none", "/apis/apps/v1/deployments/x",
    "/api/v1/namespaces/none", "/api/v1/namespaces/${ns}/configmaps/none/status", "/api/v1/namespaces/${ns}/pods/none/log", "/openapi/v3",
    "/api/v1/componentstatuses/none", "/api/v1/watch/namespaces/${ns}/configmaps?timeoutSeconds=1&resourceVersion=1", "/api/v1/namespaces/${ns}/pods/none/exec",
    "/apis/${group}/v1/namespaces/${ns}/widgets/none", "/apis/${group}/v7/widgets", "/apis/${group}", "/apis/${group}/v1", "/.well-known/openid-configuration",
    "/api/v1/namespaces/${ns}/services/none/proxy", "/logs", "/metrics/none", "/api/v1/bindings", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
]  # fmt: skip
_REVIEWS: list[tuple[str, str, dict[str, object]]] = [
    (
        "authorization.k8s.io",
        "SelfSubjectAccessReview",
        {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}},
    ),
    (
        "authorization.k8s.io",
        "SubjectAccessReview",
        {"user": "nobody", "resourceAttributes": {"verb": "get", "resource": "pods"}},
    ),
    (
        "authorization.k8s.io",
        "SubjectAccessReview",
        {"user": "", "nonResourceAttributes": {"verb": "get", "path": "/version"}},
    ),
    (
        "authorization.k8s.io",
        "SubjectAccessReview",
        {"groups": ["system:authenticated"], "nonResourceAttributes": {"verb": "get", "path": "/version"}},
    ),
    ("authorization.k8s.io", "SelfSubjectAccessReview", {}),
    ("authorization.k8s.io", "SelfSubjectAccessReview", {"resourceAttributes": {}, "nonResourceAttributes": {}}),
    ("authentication.k8s.io", "TokenReview", {"token": "nonsense"}),
    ("authentication.k8s.io", "TokenReview", {}),
    ("authorization.k8s.io", "SelfSubjectRulesReview", {}),
]


def step(sequence: Sequence) -> Step:
    rng = sequence.rng
    style = rng.random()
    namespace = rng.choice(sequence.namespaces)
    if style < 0.25:
        path = rng.choice(_PATHS).replace("${ns}", namespace).replace("${group}", sequence.group)
        method = rng.choice(["GET", "GET", "GET", "GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH"])
        if path == "/api/v1/namespaces/none" and method != "GET":
            method = "GET"
        body = _same(b"{}") if method in ("POST", "PUT", "PATCH") else None
        return Step(f"{method} {path.partition('?')[0]}", method, path, body)
    if style < 0.4:
        group, kind, spec = rng.choice(_REVIEWS)
        path = f"/apis/{group}/v1/{kind.lower()}s"
        headers = {"impersonate-user": "someone"} if kind.startswith("Self") and rng.random() < 0.5 else {}
        whole = {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}
        return Step(f"create {kind}", "POST", path, _same(whole), headers)
    kinds = [kind for kind in sequence.kinds if kind.namespaced and kind.lists]
    kind = rng.choice(kinds)
    data = rng.choice(_RAW)
    if style < 0.7:
        headers = {"content-type": rng.choice(_MEDIA)}
        return Step(f"bad create {kind.kind}", "POST", kind.path(namespace) + sequence._query(), _same(data), headers)
    media = rng.choice([MERGE, PATCH, STRATEGIC, APPLY, *_MEDIA])
    having = [key for key in sorted(sequence.alive) if sequence.alive[key] is kind]
    name = having[0][3] if having else "none"
    where = having[0][2] if having else namespace
    if style < 0.85:
        query = sequence._query(*(["fieldManager=m1"] if media == APPLY else []))
        return Step(
            f"bad patch {kind.kind} {media[12:20]}",
            "PATCH",
            kind.path(where, name) + query,
            _same(data),
            {"content-type": media},
            having[0] if having else None,
            kind,
        )
    return Step(
        f"bad update {kind.kind}",
        "PUT",
        kind.path(where, name),
        _same(data),
        {"content-type": rng.choice(_MEDIA)},
        having[0] if having else None,
        kind,
    )
