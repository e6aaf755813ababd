"""Definitions of custom resources: what a CustomResourceDefinition becomes once it is established."""

from __future__ import annotations

from functools import partial
from typing import Any

from wherry import errors
from wherry.machinery import builtins
from wherry.machinery.crd.versions import CustomVersion, compile_versions
from wherry.machinery.kinds import Obj, Resource
from wherry.store.definition import Definition


def definitions(workspace: str, crd: Obj) -> list[Definition]:
    """One Definition per served version, all stored in the storage version."""
    return [_definition(workspace, crd, version) for version in compile_versions(crd)]


def _definition(workspace: str, crd: Obj, version: CustomVersion) -> Definition:
    from wherry.machinery.fields.reset import of_custom

    res = version.resource
    has_status = "status" in res.subresources
    node: list[Any] = []

    def type_node() -> Any:
        if not node:
            from wherry.machinery.fields.nodes import from_structural

            raw = version.openapi
            loose = bool(crd["spec"].get("preserveUnknownFields"))
            node.append(from_structural(raw, builtins.schema, loose))
        return node[0]

    def canonical(raw: Any, validation: str) -> tuple[Obj, list[str]]:
        if not isinstance(raw, dict):
            raise errors.BadRequest("object expected")
        from wherry.machinery.bodies import keep_reset

        _check_type(raw, res)
        obj: Obj = {"kind": res.kind, "apiVersion": res.api_version, "metadata": raw.get("metadata") or {}}
        for key, value in raw.items():
            if key not in obj:
                obj[key] = value
        unknown = version.decode(obj)
        keep_reset(raw, obj)
        return obj, [f'unknown field "{path}"' for path in unknown]

    def patched(raw: Any) -> tuple[Obj, list[str]]:
        if not isinstance(raw, dict) or not raw.get("kind"):
            from wherry.machinery.patch.refusals import go_json

            raise errors.BadRequest(f"Object 'Kind' is missing in '{go_json(raw)}'")
        return canonical(raw, "")

    def decode(body: bytes, media_type: str, validation: str) -> tuple[Obj, list[str]]:
        from wherry.machinery.bodies import decode_custom, strict_text, strict_warnings

        found = decode_custom(body, media_type, res)
        obj, unknown = canonical(found.raw, validation)
        problems = [*found.duplicates, *unknown]
        if problems and validation == "Strict":
            raise errors.BadRequest(strict_text(problems))
        return obj, strict_warnings(problems) if validation == "Warn" else []

    storage = version.storage_api_version
    d = Definition(
        resource=res,
        workspace=workspace,
        strategy=version.strategy,
        storage_api_version=storage,
        decode=decode,
        canonical=canonical,
        patched=patched,
        node=type_node,
        reset=partial(of_custom, has_status),
        to_storage=lambda obj: {**obj, "apiVersion": storage},
        from_storage=lambda obj: {**obj, "apiVersion": res.api_version},
        custom=True,
        refresh=version.refresh,
        deprecation=version.deprecation,
        printer=version.printer,
        fields=version.fields,
        schema=version.openapi,
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
