"""What may be written about shared kinds: kcp's admission of `apis.kcp.io`.

Who binds an export needs the verb `bind` on it, in the workspace that has it; the refusal is the same for an export
that is not there. What an export's identity is, what a binding serves and where a provider looks are the system's to
say: their status is nobody else's.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from wherry import errors
from wherry.access.admission import CREATE, UPDATE, Admission, Ask, Step
from wherry.access.plugins.refusals import forbidden
from wherry.access.user import Attributes, User
from wherry.errors import FieldError
from wherry.machinery.kinds import Obj
from wherry.workspaces import types
from wherry.workspaces.objects import read
from wherry.workspaces.sharing import FINALIZER, GROUP, SCHEMAS
from wherry.workspaces.sharing.claims import built_in
from wherry.workspaces.sharing.controller import Sharing
from wherry.workspaces.sharing.schemas import problems, rules_of

_PREFIX = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")
# (attributes, logical cluster): whether its authorizer allows it
MayDo = Callable[[Attributes, str], Awaitable[bool]]


def install(admission: Admission, sharing: Sharing, cluster: str, may: MayDo) -> None:
    """Hang the plugins on the admission of one logical cluster; `may` asks the authorizer of another one."""
    plugin = _Sharing(sharing, cluster, may)
    writes, made = frozenset((CREATE, UPDATE)), frozenset((CREATE,))

    def kinds(*resources: str) -> frozenset[tuple[str, str]]:
        return frozenset((GROUP, resource) for resource in resources)

    admission.mutating.append(Step("apis.kcp.io/APIBindingDeletionFinalizer", hold, made, kinds("apibindings")))
    check = admission.validating.append
    check(Step("apis.kcp.io/APIBinding", plugin.binding, writes, kinds("apibindings")))
    check(Step("apis.kcp.io/APIExportEndpointSlice", plugin.slice, made, kinds("apiexportendpointslices")))
    check(Step("apis.kcp.io/APIExport", export, writes, kinds("apiexports")))
    check(Step("apis.kcp.io/APIResourceSchema", schema, writes, kinds("apiresourceschemas")))
    check(Step("apis.kcp.io/APIConversion", plugin.conversion, writes, kinds("apiconversions")))
    kept = frozenset((("tenancy.kcp.io", "workspacetypes"),))
    check(Step("apis.kcp.io/DefaultAPIBindings", plugin.type, writes, kept))
    reserved = kinds("apibindings", "apiexports", "apiexportendpointslices")
    check(Step("apis.kcp.io/Status", status, frozenset((UPDATE,)), reserved))
    definitions = frozenset((("apiextensions.k8s.io", "customresourcedefinitions"),))
    check(Step("apis.kcp.io/CRDNoOverlappingGVR", plugin.definition, made, definitions))


class _Sharing:
    def __init__(self, sharing: Sharing, cluster: str, may: MayDo):
        self._sharing = sharing
        self._cluster = cluster
        self._may = may

    async def binding(self, ask: Ask) -> None:
        obj = ask.obj
        if obj is None or ask.subresource:
            return
        _refuse(ask, [*_reference(obj), *_selectors(obj)])
        if ask.operation == CREATE:
            await self._check_bind(ask, "APIBinding", obj["spec"]["reference"]["export"])

    async def slice(self, ask: Ask) -> None:
        if ask.obj is not None and not ask.subresource:
            await self._check_bind(ask, "APIExportEndpointSlice", ask.obj["spec"]["export"])

    async def _check_bind(self, ask: Ask, kind: str, reference: Obj) -> None:
        path, name = reference.get("path", ""), reference["name"]
        cluster = self._sharing.tree.resolve(path) if path else self._cluster
        there = bool(cluster) and self._sharing.index.export((cluster, name)) is not None
        if not (there or not path) or not await self._may(bind(ask.user, name), cluster):
            shown = f"{path}:{name}" if path else name
            raise forbidden(ask, f"unable to create {kind}: no permission to bind to export {shown}")

    async def type(self, ask: Ask) -> None:
        """Who has every workspace of a type bind an export may bind it himself; the refusal is the same for one that is
        not there. Raises Forbidden."""
        here = self._sharing.tree.path(self._cluster)
        now, before = (set(types.exports((obj or {}).get("spec") or {}, here)) for obj in (ask.obj, ask.old))
        for path, name in sorted(now - before):
            cluster = self._sharing.tree.resolve(path)
            if not await self._may(bind(ask.user, name), cluster):
                raise forbidden(ask, f"unable to bind by default: no permission to bind to export {path}:{name}")

    async def conversion(self, ask: Ask) -> None:
        """Rules are for the schema of their name, and bound with it. Raises Forbidden."""
        obj, old = ask.obj, ask.old
        if obj is None or ask.subresource or (old is not None and obj["spec"] == old["spec"]):
            return
        space = self._sharing.spaces.space(self._cluster)
        found = read(space, SCHEMAS + ask.name) if space is not None else None
        if found is None:
            missing = errors.NotFound.of(GROUP, "apiresourceschemas", ask.name).message
            raise forbidden(ask, f"error getting APIResourceSchema {ask.name}: {missing}")
        if self._sharing.schemas.uses(found["metadata"]["uid"]):
            raise forbidden(ask, f"APIResourceSchema {ask.name} is bound already, and its rules with it")
        problems = [str(problem) for problem in rules_of(found, obj["spec"]["conversions"]).problems]
        if problems:
            text = f"[{', '.join(problems)}]" if len(problems) > 1 else problems[0]
            raise forbidden(ask, f"error compiling conversion rules: {text}")

    async def definition(self, ask: Ask) -> None:
        spec = (ask.obj or {}).get("spec") or {}
        kind = spec.get("group", ""), (spec.get("names") or {}).get("plural", "")
        for binding in self._sharing.index.bindings(self._cluster):
            if binding.binds(kind) is not None:
                raise forbidden(ask, f'cannot create because resource is bound by APIBinding "{binding.name}"')


def bind(user: User, export: str) -> Attributes:
    """The right to bind an export."""
    return Attributes(user, "bind", "", True, GROUP, "v1alpha1", "apiexports", "", "", export)


async def hold(ask: Ask) -> None:
    """A binding stays until its objects have gone."""
    if ask.obj is not None and not ask.subresource:
        meta = ask.obj["metadata"]
        meta["finalizers"] = list(dict.fromkeys([*(meta.get("finalizers") or ()), FINALIZER]))


async def status(ask: Ask) -> None:
    if ask.subresource == "status" and (ask.obj or {}).get("status") != (ask.old or {}).get("status"):
        raise forbidden(ask, "status is the system's to change")


async def export(ask: Ask) -> None:
    if ask.obj is None or ask.subresource:
        return
    spec, wrong = ask.obj.get("spec") or {}, []
    for number, claim in enumerate(spec.get("permissionClaims") or ()):
        group = claim.get("group", "")
        if not claim.get("identityHash") and group != GROUP and not built_in(group, claim["resource"]):
            where = f"spec.permissionClaims[{number}].identityHash"
            wrong.append(errors.invalid(where, "", "identityHash is required for API types that are not built-in"))
    for number, offer in enumerate(spec.get("resources") or ()):
        suffix = f".{offer['name']}.{offer['group'] or 'core'}"
        if not offer["schema"].endswith(suffix):
            wrong.append(errors.invalid(f"spec.resources[{number}].schema", offer["schema"], f"must end in {suffix}"))
        if "virtual" in (offer.get("storage") or {}):
            where = f"spec.resources[{number}].storage.virtual"
            wrong.append(errors.forbidden(where, "resources that are stored elsewhere are not served here"))
    if wrong:
        raise forbidden(ask, str(wrong[0]))


async def schema(ask: Ask) -> None:
    obj, old = ask.obj, ask.old
    if obj is None or ask.subresource:
        return
    if old is not None:
        if obj.get("spec") != old.get("spec"):
            raise forbidden(ask, f"[{errors.invalid('spec', 'object', 'is immutable')}]")
        return
    name, names, group = obj["metadata"].get("name", ""), obj["spec"]["names"], obj["spec"]["group"] or "core"
    suffix, wrong = f".{names['plural']}.{group}", []
    if not name.endswith(suffix):
        wrong.append(errors.invalid("metadata.name", name, f"must end in {suffix}"))
    elif not _PREFIX.fullmatch(name.removesuffix(suffix)):
        text = f"must match ^{_PREFIX.pattern}$ in front of {suffix}"
        wrong.append(errors.invalid("metadata.name", name, text))
    _refuse(ask, [*wrong, *problems(obj)])


def _refuse(ask: Ask, wrong: list[FieldError]) -> None:
    if wrong:
        raise forbidden(ask, f"[{', '.join(map(str, wrong))}]" if len(wrong) > 1 else str(wrong[0]))


def _reference(obj: Obj) -> list[FieldError]:
    found = (obj["spec"].get("reference") or {}).get("export")
    if found is None:
        return [errors.required("spec.reference.export")]
    return [] if found.get("name") else [errors.required("spec.reference.export.name")]


def _selectors(obj: Obj) -> list[FieldError]:
    wrong = []
    for number, claim in enumerate(obj["spec"].get("permissionClaims") or ()):
        selector, path = claim.get("selector") or {}, f"spec.permissionClaims[{number}].selector"
        given = [key for key in ("matchLabels", "matchExpressions") if selector.get(key)]
        if selector.get("matchAll"):
            wrong += [errors.invalid(f"{path}.{key}", "object", f"{key} cannot be used with matchAll") for key in given]
        elif not given:
            text = "either one of matchAll, matchLabels, or matchExpressions must be set"
            wrong.append(errors.required(path, text))
        else:
            wrong += _selectable(selector, path)
    return wrong


def _selectable(selector: Obj, path: str) -> list[FieldError]:
    from wherry.machinery.selectors import SelectorError, from_label_selector

    try:
        from_label_selector(selector)
    except SelectorError as error:
        return [errors.invalid(path, "object", str(error))]
    return []
