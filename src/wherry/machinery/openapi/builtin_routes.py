"""The operations of built-in kinds, as kube-apiserver's installer registers them (k8s.io/apiserver/pkg/endpoints).

Made from what discovery knows of a resource; used for the documents of `/openapi/v3/...` and for `/openapi/v2`.
"""

from __future__ import annotations

from collections.abc import Iterable

from wherry.machinery import builtins
from wherry.machinery.kinds import Resource, Subresource
from wherry.machinery.openapi.routes import DELETE, LIST, PATCH, STRING, WRITE, Route, article, operation_id
from wherry.machinery.openapi.schemas import META

MEDIA = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
STREAMS = (*MEDIA, "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
ANY = ("*/*",)
PATCHES = (
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)  # fmt: skip
_DELETE_COLLECTION = (*DELETE, *(key for key in LIST if key not in ("allowWatchBookmarks", "watch")))
_NAMESPACE = ("namespace", "object name and auth scope, such as for teams and projects")
_STATUS, _EVENT, _OPTIONS, _PATCH = (f"{META}.{kind}" for kind in ("Status", "WatchEvent", "DeleteOptions", "Patch"))
_INSTEAD = "deprecated: use the 'watch' parameter with a list operation instead"
# Options of subresources that connect to something; the text of some depends on which one it is.
_CONNECT = {
    "PodAttachOptions": ("container@attach", "stderr@attach", "stdin@attach", "stdout@attach", "tty@attach"),
    "PodExecOptions": ("command", "container@exec", "stderr@exec", "stdin@exec", "stdout@exec", "tty@exec"),
    "PodPortForwardOptions": ("ports",),
    "PodProxyOptions": ("path@pods",),
    "ServiceProxyOptions": ("path@services",),
    "NodeProxyOptions": ("path@nodes",),
}
_CONNECT_METHODS = {"create": ("post",), "get": ("get", "head"), "update": ("put",), "delete": ("delete",)}
_LOG = (
    "container@log", "follow", "insecureSkipTLSVerifyBackend", "limitBytes", "previous", "sinceSeconds", "stream",
    "tailLines", "timestamps",
)  # fmt: skip


class _Builder:
    """Routes of one resource."""

    def __init__(self, resource: Resource):
        self.resource = resource
        self.group, self.version, self.kind = resource.group, resource.version, resource.kind
        self.base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        self.scope = "Namespaced" if resource.namespaced else ""
        inner = f"namespaces/{{namespace}}/{resource.name}" if resource.namespaced else resource.name
        self.inner = inner
        self.collection = f"{self.base}/{inner}"
        self.object = f"{self.collection}/{{name}}"
        self.model = builtins.schema_name(self.group, self.version, self.kind)

    def make(
        self,
        method: str,
        path: str,
        description: str,
        verb: str,
        rest: str,
        action: str,
        *,
        query: tuple[str, ...] = (),
        body: str | None = None,
        body_required: bool = True,
        consumes: tuple[str, ...] = ANY,
        produces: tuple[str, ...] = MEDIA,
        answers: dict[int, str],
        kind: tuple[str, str, str] | None = None,
        owner: str = "",
        pretty: bool = True,
    ) -> Route:
        parameters = [_NAMESPACE] if "{namespace}" in path else []
        if "{name}" in path:
            parameters.append(("name", f"name of the {owner or self.kind}"))
        if "{path}" in path:
            parameters.append(("path", "path to the resource"))
        return Route(
            method=method,
            path=path,
            description=description,
            operation=operation_id(verb, self.group, self.version, rest),
            action=action,
            gvk=kind or (self.group, self.version, self.kind),
            query=(*query, "pretty") if pretty else query,
            path_parameters=tuple(parameters),
            body=body,
            body_required=body_required,
            consumes=consumes,
            produces=produces,
            answers=answers,
        )

    # --- the resource itself ----------------------------------------------------------------------------------------

    def all(self) -> Iterable[Route]:
        verbs = frozenset(self.resource.verbs)
        yield from self._collection(verbs)
        yield from self._object(verbs)
        for sub in self.resource.subresources.values():
            yield from self.subresource(sub)
        if "watch" in verbs:
            yield from self._watches()

    def _collection(self, verbs: frozenset[str]) -> Iterable[Route]:
        kind, named = self.kind, f"{self.scope}{self.kind}"
        if "list" in verbs:
            yield self._list(self.collection, named, watch="watch" in verbs)
            if self.resource.namespaced:
                yield self._list(f"{self.base}/{self.resource.name}", f"{kind}ForAllNamespaces", watch="watch" in verbs)
        if "create" in verbs:
            yield self._create(self.collection, f"create{article(kind)}{kind}", named, self.model)
        if "deletecollection" in verbs:
            yield self.make(
                "delete", self.collection, f"delete collection of {kind}", "delete", f"Collection{named}",
                "deletecollection", query=_DELETE_COLLECTION, body=_OPTIONS, body_required=False,
                answers={200: _STATUS},
            )  # fmt: skip

    def _list(self, path: str, rest: str, *, watch: bool) -> Route:
        words = "list or watch objects of kind" if watch else "list objects of kind"
        listed = builtins.schema_name(self.group, self.version, f"{self.kind}List")
        return self.make(
            "get", path, f"{words} {self.kind}", "list", rest, "list", query=LIST,
            produces=STREAMS, answers={200: listed},
        )  # fmt: skip

    def _create(
        self, path: str, description: str, rest: str, model: str, kind: tuple[str, str, str] | None = None
    ) -> Route:
        return self.make(
            "post", path, description, "create", rest, "post", query=WRITE, body=model,
            answers=dict.fromkeys((200, 201, 202), model), kind=kind, owner=self.kind if kind is None else kind[2],
        )  # fmt: skip

    def _object(self, verbs: frozenset[str]) -> Iterable[Route]:
        yield from self._read_write(self.object, verbs, "", f"{self.scope}{self.kind}", self.model, None)
        if "delete" in verbs:
            # a few kinds answer with what they deleted, in place of a Status
            answer = self.model if self.resource.name in _DELETE_ANSWERS.get(self.group, ()) else _STATUS
            yield self.make(
                "delete", self.object, f"delete{article(self.kind)}{self.kind}", "delete", f"{self.scope}{self.kind}",
                "delete", query=DELETE, body=_OPTIONS, body_required=False, answers={200: answer, 202: answer},
            )  # fmt: skip

    def _read_write(
        self,
        path: str,
        verbs: frozenset[str],
        of: str,
        rest: str,
        model: str,
        kind: tuple[str, str, str] | None,
    ) -> Iterable[Route]:
        owner = self.kind if kind is None else kind[2]
        if "get" in verbs:
            yield self.make(
                "get", path, f"read{of} the specified {self.kind}", "read", rest, "get", answers={200: model},
                kind=kind, owner=owner,
            )  # fmt: skip
        if "update" in verbs:
            yield self.make(
                "put", path, f"replace{of} the specified {self.kind}", "replace", rest, "put", query=WRITE, body=model,
                answers={200: model, 201: model}, kind=kind, owner=owner,
            )  # fmt: skip
        if "patch" in verbs:
            yield self.make(
                "patch", path, f"partially update{of} the specified {self.kind}", "patch", rest, "patch", query=PATCH,
                body=_PATCH, consumes=PATCHES, answers={200: model, 201: model}, kind=kind, owner=owner,
            )  # fmt: skip

    # --- subresources -----------------------------------------------------------------------------------------------

    def subresource(self, sub: Subresource) -> Iterable[Route]:
        path = f"{self.object}/{sub.name}"
        rest = f"{self.scope}{self.kind}{sub.name.title()}"
        verbs = frozenset(sub.verbs)
        if sub.kind in _CONNECT:
            yield from self._connect(path, sub, rest)
            return
        kind = (sub.group, sub.version, sub.kind)
        model = builtins.schema_name(*kind)
        of = f" {sub.name} of"
        foreign = None if kind == (self.group, self.version, self.kind) else kind
        if sub.name == "log":
            yield self.make(
                "get", path, f"read log of the specified {self.kind}", "read", rest, "get", query=_LOG,
                produces=("text/plain", *MEDIA), answers={200: STRING},
            )  # fmt: skip
        else:
            yield from self._read_write(path, verbs, of, rest, model, foreign)
        if "create" in verbs:
            words = f"create {sub.name} of{article(self.kind)}{self.kind}"
            yield self._create(path, words, rest, model, foreign)

    def _connect(self, path: str, sub: Subresource, rest: str) -> Iterable[Route]:
        methods = sorted(_connect_methods(sub))
        paths = [(path, "")] + ([(f"{path}/{{path}}", "WithPath")] if sub.name == "proxy" else [])
        for where, suffix in paths:
            for method in methods:
                yield self.make(
                    method, where, f"connect {method.upper()} requests to {sub.name} of {self.kind}", "connect",
                    f"{method.title()}{rest}{suffix}", "connect", query=_CONNECT[sub.kind], produces=ANY,
                    answers={200: STRING}, kind=(sub.group, sub.version, sub.kind), owner=sub.kind, pretty=False,
                )  # fmt: skip

    # --- watching, the old way --------------------------------------------------------------------------------------

    def _watches(self) -> Iterable[Route]:
        changes = f"watch individual changes to a list of {self.kind}. {_INSTEAD}."
        one = (
            f"watch changes to an object of kind {self.kind}. {_INSTEAD}, filtered to a single item with the "
            "'fieldSelector' parameter."
        )
        found = [
            (self.inner, f"{self.scope}{self.kind}List", changes, "watchlist"),
            (f"{self.inner}/{{name}}", f"{self.scope}{self.kind}", one, "watch"),
        ]
        if self.resource.namespaced:
            found.append((self.resource.name, f"{self.kind}ListForAllNamespaces", changes, "watchlist"))
        if "get" not in self.resource.verbs:
            del found[1]
        for path, rest, words, action in found:
            yield self.make(
                "get", f"{self.base}/watch/{path}", words, "watch", rest, action, query=LIST, produces=STREAMS,
                answers={200: _EVENT},
            )  # fmt: skip


_DELETE_ANSWERS: dict[str, tuple[str, ...]] = {
    "": (
        "persistentvolumeclaims", "persistentvolumes", "pods", "podtemplates", "resourcequotas", "serviceaccounts",
        "services",
    ),
    "storage.k8s.io": (
        "csidrivers", "csinodes", "storageclasses", "volumeattachments", "volumeattributesclasses",
    ),
    "resource.k8s.io": ("deviceclasses", "resourceclaims", "resourceclaimtemplates", "resourceslices"),
}  # fmt: skip


def _connect_methods(sub: Subresource) -> set[str]:
    """Which HTTP methods a connecting subresource takes: streams two, proxies all."""
    if sub.name != "proxy":
        return {"get", "post"}
    return {"delete", "get", "head", "options", "patch", "post", "put"}


def routes(group: str, version: str, resources: Iterable[Resource]) -> list[Route]:
    """All operations of a group's version, the list of its resources first."""
    base = f"/apis/{group}/{version}" if group else f"/api/{version}"
    out = [
        Route(
            method="get",
            path=f"{base}/",
            description="get available resources",
            operation=operation_id("get", group, version, "APIResources"),
            consumes=MEDIA,
            produces=MEDIA,
            answers={200: f"{META}.APIResourceList"},
        )
    ]
    for resource in resources:
        out.extend(_Builder(resource).all())
    return out


def group_routes(group: str) -> list[Route]:
    """`/apis/<group>/`."""
    operation = operation_id("get", group, "", "APIGroup")
    return [_document(f"/apis/{group}/", "get information of a group", operation, f"{META}.APIGroup")]


def root_routes(core: bool) -> list[Route]:
    """`/api/` and `/apis/`."""
    if core:
        return [_document("/api/", "get available API versions", "getCoreAPIVersions", f"{META}.APIVersions")]
    return [_document("/apis/", "get available API versions", "getAPIVersions", f"{META}.APIGroupList")]


def version_routes() -> list[Route]:
    """`/version/`."""
    description, model = "get the version information for this server", "io.k8s.apimachinery.pkg.version.Info"
    return [_document("/version/", description, "getCodeVersion", model, ("application/json",))]


def _document(path: str, description: str, operation: str, model: str, media: tuple[str, ...] = MEDIA) -> Route:
    return Route(
        method="get",
        path=path,
        description=description,
        operation=operation,
        consumes=media,
        produces=media,
        answers={200: model},
    )
