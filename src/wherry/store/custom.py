"""Definitions of custom resources: what a CustomResourceDefinition becomes once it is established."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from wherry import errors
from wherry.machinery import builtins
from wherry.machinery.crd.versions import NO_SUCH_VERSION, CustomVersion, compile_versions, openapi_schema
from wherry.machinery.fields.values import TypedError
from wherry.machinery.kinds import Obj, Resource
from wherry.store.definition import MAX_CUSTOM, Definition

if TYPE_CHECKING:
    from wherry.machinery.crd.rules import Rules
    from wherry.store.conversion import Post


def definitions(workspace: str, crd: Obj, post: Post | None = None, rules: Rules | None = None) -> list[Definition]:
    """One Definition per served version, all stored in the storage version; `rules` convert between them, or else
    `post` calls conversion webhooks."""
    types = _Types(crd)
    found = [_definition(workspace, crd, version, types) for version in compile_versions(crd, make_rules=_make_rules)]
    webhook = (crd["spec"].get("conversion") or {}).get("strategy") == "Webhook"
    if webhook or rules is not None:
        from wherry.store.conversion import ByRules, Webhooks, no_network

        for d in found:
            spec, version = crd["spec"], d.version
            by_rules = ByRules(spec, version, rules) if rules is not None else None
            d.conversion = by_rules or Webhooks(spec, version, post or no_network)
            d.to_storage = d.from_storage = _same
            d.version.strategy.storage = None  # the conversion does what belongs to the storage version
    return found


_SHARED = 512  # definitions that are kept for others of equal content
_kept: OrderedDict[bytes, list[Definition]] = OrderedDict()


def shared(workspace: str, crd: Obj, post: Post | None = None) -> list[Definition]:
    """As `definitions`, but one for all workspaces whose definitions say the same; they hold nothing of a workspace.

    Those that a webhook converts are not shared: what it answered is kept with them."""
    if (crd["spec"].get("conversion") or {}).get("strategy") == "Webhook":
        return definitions(workspace, crd, post)
    said = {"workspace": workspace, "spec": crd["spec"], "names": crd["status"]["acceptedNames"]}
    key = hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()
    found = _kept.get(key)
    if found is None:
        found = _kept[key] = definitions(workspace, crd, post)
        while len(_kept) > _SHARED:
            _kept.popitem(last=False)
    else:
        _kept.move_to_end(key)
    return found


def _make_rules(compiled: Any, schema: Obj) -> Any:
    """Called for schemas with validation rules only: nothing else needs CEL."""
    from wherry.machinery.cel.rules_run import make_rules

    return make_rules(compiled, schema)


def _same(obj: Obj) -> Obj:
    return obj


class _Types:
    """What managed fields and scales must know of all versions of a definition, served or not; made when asked for."""

    def __init__(self, crd: Obj):
        spec = crd["spec"]
        self._loose = bool(spec.get("preserveUnknownFields"))
        self._versions = {f"{spec['group']}/{v['name']}": v for v in spec["versions"]}
        self._nodes: dict[str, Any] = {}

    def node(self, api_version: str) -> Any:
        """The type of one version, None for a version that there is not."""
        version = self._versions.get(api_version)
        if version is None:
            return None
        if api_version not in self._nodes:
            from wherry.machinery.fields.nodes import from_structural

            self._nodes[api_version] = from_structural(openapi_schema(version), builtins.schema, self._loose)
        return self._nodes[api_version]

    def convert(self, obj: Obj, api_version: str) -> tuple[Obj, Any]:
        """Without a webhook the versions of an object differ in their name only."""
        return {**obj, "apiVersion": api_version}, self.known(api_version)

    def known(self, api_version: str) -> Any:
        """The type of one version. Raises TypedError for a version that there is not."""
        node = self.node(api_version)
        if node is None:
            raise TypedError.saying(f"{NO_SUCH_VERSION}: {api_version}")
        return node

    def replicas(self) -> dict[str, tuple[str, ...] | None]:
        """apiVersion -> where its /scale finds the replicas."""
        out: dict[str, tuple[str, ...] | None] = {}
        for api_version, version in self._versions.items():
            scale = (version.get("subresources") or {}).get("scale")
            path = scale["specReplicasPath"].removeprefix(".").split(".") if scale else None
            out[api_version] = tuple(f"f:{part}" for part in path) if path else None
        return out


class _Bodies:
    """Bodies of one version made into objects."""

    def __init__(self, version: CustomVersion):
        self._version = version
        self._resource = version.resource

    def canonical(self, raw: Any, validation: str, *, applied: bool = False) -> tuple[Obj, list[str]]:
        """(the object, what is wrong with its fields). Raises BadRequest."""
        if not isinstance(raw, dict):
            raise errors.BadRequest("object expected")
        from wherry.machinery.bodies import keep_reset

        res = self._resource
        _check_type(raw, res)
        meta = raw.get("metadata")
        obj: Obj = {"kind": res.kind, "apiVersion": res.api_version, "metadata": {} if meta is None else meta}
        for key, value in raw.items():
            if key not in obj:
                obj[key] = value
        unknown = self._version.decode(obj, applied=applied)
        keep_reset(raw, obj)
        return obj, [f'unknown field "{path}"' for path in unknown]

    def patched(self, raw: Any) -> tuple[Obj, list[str]]:
        if not isinstance(raw, dict) or not raw.get("kind"):
            from wherry.machinery.patch.refusals import go_json, sorted_keys

            raise errors.BadRequest(f"Object 'Kind' is missing in '{go_json(sorted_keys(raw))}'")
        return self.canonical(raw, "")

    def decode(self, body: bytes, media_type: str, validation: str) -> tuple[Obj, list[str]]:
        from wherry.machinery.bodies import decode_custom, strict_text, strict_warnings, unfit

        kind = self._resource.kind
        found = decode_custom(body, media_type, self._resource)
        try:
            obj, unknown = self.canonical(found.raw, validation)
        except errors.BadRequest as bad:
            raise unfit(found.kind, found.version, kind, bad.message) from None
        problems = [*found.duplicates, *unknown]
        if problems and validation == "Strict":
            raise unfit(found.kind, found.version, kind, strict_text(problems))
        return obj, strict_warnings(problems) if validation == "Warn" else []


def _definition(workspace: str, crd: Obj, version: CustomVersion, types: _Types) -> Definition:
    from wherry.machinery.fields.reset import of_custom

    res, bodies = version.resource, _Bodies(version)
    has_status = "status" in res.subresources
    storage = version.storage_api_version
    d = Definition(
        resource=res,
        workspace=workspace,
        strategy=version.strategy,
        storage_api_version=storage,
        decode=bodies.decode,
        canonical=bodies.canonical,
        patched=bodies.patched,
        applied=partial(bodies.canonical, applied=True),
        node=partial(types.node, res.api_version),
        reset=partial(of_custom, has_status),
        to_storage=lambda obj: {**obj, "apiVersion": storage},
        from_storage=lambda obj: {**obj, "apiVersion": res.api_version},
        custom=True,
        most_bytes=MAX_CUSTOM,
        refresh=version.refresh,
        deprecation=version.deprecation,
        printer=version.printer,
        fields=version.fields,
        schema=version.openapi,
        convert=types.convert,
        nodes=types.known,
        replicas=types.replicas() if version.scale is not None else None,
    )
    d.version = version
    return d


def _check_type(raw: Obj, res: Resource) -> None:
    """Upstream's codec lets another kind or version pass and leaves it to validation, which names what it was given."""
    kind, api_version = raw.get("kind", ""), raw.get("apiVersion", "")
    if kind == res.kind and api_version == res.api_version:
        return
    found = []
    if kind != res.kind:
        found.append(errors.invalid("kind", kind, f"must be {res.kind}"))
    if api_version != res.api_version:
        found.append(errors.invalid("apiVersion", api_version, f"must be {res.api_version}"))
    meta = raw.get("metadata")
    name = meta.get("name", "") if isinstance(meta, dict) else ""
    raise errors.Invalid.of(str(api_version).rpartition("/")[0], str(kind), str(name), found)
