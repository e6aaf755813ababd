"""OpenAPI v3: the index and one document for each group version, built when first asked for.

`server` keeps one `OpenAPIV3` for each set of resources and serves its bytes under `/openapi/v3`. kubectl reads these
for `explain`, for the choice between strategic and merge patches, and to see whether a kind knows `fieldValidation` and
`dryRun`. Follows k8s.io/kube-openapi/pkg/{builder3,handler3}. Hashes come from what a document is made of, not from
the document, so that the index needs none of them built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha512

import orjson

from wherry.kit.version import VERSION
from wherry.machinery.kinds import Obj, Resource
from wherry.machinery.openapi import builtin_routes, custom, words
from wherry.machinery.openapi.custom import CustomKind
from wherry.machinery.openapi.documents import INFO, SECURITY, OpenAPIDocument
from wherry.machinery.openapi.routes import Route, bodies, tag, v3_paths
from wherry.machinery.openapi.schemas import closure, component


def path_of(group: str, version: str) -> str:
    """The key of a group version in the index: `api/v1`, `apis/apps/v1`."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


# Documents about built-in kinds only, by hash: the same for every workspace.
_SHARED: dict[str, OpenAPIDocument] = {}


class OpenAPIV3:
    """All v3 documents about one set of resources."""

    def __init__(self, builtin: Mapping[tuple[str, str], Sequence[Resource]], custom_kinds: Iterable[CustomKind] = ()):
        self._builtin = {path_of(*gv): (gv, tuple(found)) for gv, found in builtin.items()}
        self._custom: dict[str, list[CustomKind]] = {}
        for kind in sorted(custom_kinds, key=lambda k: k.resource.name):
            self._custom.setdefault(path_of(kind.resource.group, kind.resource.version), []).append(kind)
        groups = dict.fromkeys(group for group, _ in builtin if group)
        self._small: dict[str, Callable[[], list[Route]]] = {
            "api": lambda: builtin_routes.root_routes(core=True),
            "apis": lambda: builtin_routes.root_routes(core=False),
            "version": builtin_routes.version_routes,
        }
        for group in groups:
            self._small[f"apis/{group}"] = lambda group=group: builtin_routes.group_routes(group)  # type: ignore[misc]
        self._documents: dict[str, OpenAPIDocument] = {}
        self._hashes: dict[str, str] = {}

    @property
    def paths(self) -> list[str]:
        """The keys of all documents, sorted."""
        return sorted({*self._builtin, *self._custom, *self._small})

    def index(self, prefix: str = "", others: Mapping[str, str] | None = None) -> OpenAPIDocument:
        """`/openapi/v3`; `prefix` stands before the URLs where the API is not served at the root (workspaces), `others`
        are the hashes of documents that other servers have."""
        hashes = {path: self.hash(path) for path in self.paths}
        if others:
            hashes = dict(sorted({**hashes, **others}.items()))
        paths = {
            path: {"serverRelativeURL": f"{prefix}/openapi/v3/{path}?hash={digest}"} for path, digest in hashes.items()
        }
        body = orjson.dumps({"paths": paths})
        return OpenAPIDocument(body, sha512(body).hexdigest().upper())

    def hash(self, path: str) -> str:
        """The hash of a document; changes whenever its content would."""
        if path not in self._hashes:
            made_of = [
                f"{VERSION} {words.source()} {path}".encode(),
                *(repr(resource).encode() for resource in self._builtin.get(path, ((), ()))[1]),
                *(_made_of(kind) for kind in self._custom.get(path, ())),
            ]
            self._hashes[path] = sha512(b"\n".join(made_of)).hexdigest().upper()
        return self._hashes[path]

    def document(self, path: str) -> OpenAPIDocument | None:
        """`/openapi/v3/<path>`, or None when there is no such group version."""
        kept = self._documents if path in self._custom else _SHARED
        digest = self.hash(path)
        if digest not in kept:
            obj = self._build(path)
            if obj is None:
                return None
            kept[digest] = OpenAPIDocument(orjson.dumps(obj), digest)
        return kept[digest]

    def _build(self, path: str) -> Obj | None:
        if path in self._builtin:
            (group, version), resources = self._builtin[path]
            return _builtin_document(group, version, resources, self._custom.get(path, ()))
        if path in self._custom:
            return _custom_document(self._custom[path])
        if path in self._small:
            group = path.partition("/")[2]
            group_tag = tag(group, "") if group or path == "api" else path
            return _document(self._small[path](), group_tag, [])
        return None


def _made_of(kind: CustomKind) -> bytes:
    more = [kind.schema, list(kind.selectable_fields), kind.preserve_unknown_fields]
    return repr(kind.resource).encode() + orjson.dumps(more)


def _document(
    routes: list[Route], group_tag: str, options: list[tuple[str, str]], extra: Iterable[CustomKind] = ()
) -> Obj:
    explained = words.Explained()
    names = closure(bodies(routes))
    schemas = {name: component(name, explained.texts, options) for name in names}
    return {
        "openapi": "3.0.0",
        "info": INFO,
        "paths": v3_paths(routes, group_tag),
        "components": {"schemas": {**schemas, **custom.schemas(extra)}, "securitySchemes": SECURITY},
    }


def _builtin_document(group: str, version: str, resources: Sequence[Resource], extra: Sequence[CustomKind]) -> Obj:
    routes = builtin_routes.routes(group, version, resources)
    for kind in extra:
        routes += custom.routes(kind)
    options = list(dict.fromkeys([("", "v1"), (group, version)]))
    return _document(routes, tag(group, version), options, extra)


def _custom_document(kinds: Sequence[CustomKind]) -> Obj:
    routes = [route for kind in kinds for route in custom.routes(kind)]
    resource = kinds[0].resource
    options = words.option_versions(client=True)
    schemas = {name: component(name, words.common, options) for name in closure([*bodies(routes), *custom.COMMON])}
    return {
        "openapi": "3.0.0",
        "info": custom.TITLE,
        "paths": v3_paths(routes, tag(resource.group, resource.version)),
        "components": {"schemas": {**schemas, **custom.schemas(kinds)}},
    }
