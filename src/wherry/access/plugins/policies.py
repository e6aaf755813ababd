"""ValidatingAdmissionPolicies and MutatingAdmissionPolicies with their bindings, asked on every write they match
(k8s.io/apiserver/pkg/admission/plugin/policy).

What there is of them is read once and again when one changes; without any, nothing of CEL is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from wherry import errors
from wherry.access.admission import Ask, Plugin, user_info
from wherry.access.pending import settled
from wherry.access.plugins.expressions import Decide, authorizer
from wherry.machinery.kinds import Obj
from wherry.storage.api import Event
from wherry.store.registry import Registry
from wherry.store.store import Store

if TYPE_CHECKING:
    from wherry.machinery.cel.policy import Input, Policy

_GROUP = "admissionregistration.k8s.io"
_EXEMPT = frozenset(
    [
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
    ]
)
_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}


class _Hook:
    """A policy and the bindings that put it to work; its expressions are compiled when it first matches."""

    def __init__(self, policy: Obj, bindings: list[Obj]):
        self.policy, self.bindings = policy, bindings
        self._compiled: Policy | None = None

    @property
    def compiled(self) -> Policy:
        if self._compiled is None:
            from wherry.machinery.cel.policy import Policy

            self._compiled = Policy(self.policy)
        return self._compiled


class Policies:
    """Both plugins over one store. `decide` answers the authorizer of expressions."""

    def __init__(self, store: Store, registry: Registry, decide: Decide | None = None):
        self.store, self.registry, self.decide = store, registry, decide
        self._hooks: dict[tuple[str, str], list[_Hook]] = {}
        store.storage.subscribe(self._changed)

    def _changed(self, events: Sequence[Event]) -> None:
        if self._hooks and any(f"/{_GROUP}/" in event.key for event in events):
            self._hooks.clear()

    def hooks(self, workspace: str, kind: str) -> list[_Hook]:
        """The bound policies of one kind ("validating" or "mutating"), by name."""
        found = self._hooks.get((workspace, kind))
        if found is None:
            policies = self._all(workspace, f"{kind}admissionpolicies")
            bindings = self._all(workspace, f"{kind}admissionpolicybindings") if policies else []
            found = []
            for policy in policies:
                name = policy["metadata"]["name"]
                own = [b for b in bindings if b["spec"].get("policyName") == name]
                if own:
                    found.append(_Hook(policy, own))
            self._hooks[workspace, kind] = found
        return found

    def _all(self, workspace: str, resource: str) -> list[Obj]:
        records = self.store.storage.range(f"/{workspace}/{_GROUP}/{resource}/").records
        return [orjson.loads(record.value) for record in records]

    def get(self, key: str) -> Obj | None:
        record = self.store.storage.newest(key)
        return orjson.loads(record.value) if record is not None else None

    # --- the plugins -------------------------------------------------------------------------------------------------
    def validating(self) -> Plugin:
        async def plugin(ask: Ask) -> None:
            hooks = self.hooks(ask.definition.workspace, "validating")
            if hooks and not _exempt(ask):
                said = len(ask.ctx.warnings)

                def validate() -> None:
                    del ask.ctx.warnings[said:]  # of a run that had to wait for an authorizer
                    self._validate(ask, hooks)

                await settled(validate)

        return plugin

    def mutating(self) -> Plugin:
        async def plugin(ask: Ask) -> None:
            hooks = self.hooks(ask.definition.workspace, "mutating")
            if hooks and not _exempt(ask) and ask.obj is not None:
                await self._mutate(ask, hooks)

        return plugin

    def _validate(self, ask: Ask, hooks: list[_Hook]) -> None:
        from wherry.machinery.cel.policy import evaluate

        denied: list[tuple[str, str]] = []
        for hook, binding, request in self._matching(ask, hooks, denied):
            policy, name = hook.policy["metadata"]["name"], binding["metadata"]["name"]
            outcome = evaluate(hook.compiled, request)
            actions = binding["spec"].get("validationActions") or []
            for denial in outcome.denials:
                if "Deny" in actions:
                    text = (
                        f"ValidatingAdmissionPolicy '{policy}' with binding '{name}' denied request: {denial.message}"
                    )
                    denied.append((text, denial.reason))
                if "Warn" in actions:
                    text = f"Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{name}'"
                    ask.ctx.warnings.append(f"{text}: {denial.message}")
        if denied:
            raise _refusal(ask, *denied[0])

    async def _mutate(self, ask: Ask, hooks: list[_Hook]) -> None:
        denied: list[tuple[str, str]] = []
        for hook, binding, request in self._matching(ask, hooks, denied):
            await self._mutate_one(ask, hook, binding, request)
        if denied:
            raise _refusal(ask, *denied[0])

    async def _mutate_one(self, ask: Ask, hook: _Hook, binding: Obj, request: Input) -> None:
        from wherry.machinery.cel.errors import CelError

        policy = hook.compiled
        try:
            if policy.problem:
                raise CelError(policy.problem)
            if not await settled(partial(policy.matches, request)):
                return
            for mutation in policy.mutations:
                await settled(partial(_apply, ask, policy, *mutation, request))
        except CelError as error:
            if policy.fail:
                where = f"policy '{policy.name}' with binding '{binding['metadata']['name']}'"
                raise _plain_refusal(ask, f"{where} denied request: {error}") from None

    # --- what matches ------------------------------------------------------------------------------------------------
    def _matching(
        self, ask: Ask, hooks: list[_Hook], denied: list[tuple[str, str]]
    ) -> Iterator[tuple[_Hook, Obj, Input]]:
        """Each policy and binding that concern the write, once per parameter object."""
        for hook in hooks:
            if not self._selects(ask, hook.policy["spec"].get("matchConstraints")):
                continue
            for binding in hook.bindings:
                matched = binding["spec"].get("matchResources")
                if matched is not None and not self._selects(ask, matched, rules_required=False):
                    continue
                try:
                    found = self._params(ask, hook.policy["spec"].get("paramKind"), binding["spec"].get("paramRef"))
                except LookupError as error:
                    if hook.policy["spec"].get("failurePolicy") != "Ignore":
                        policy, name = hook.policy["metadata"]["name"], binding["metadata"]["name"]
                        text = f"ValidatingAdmissionPolicy '{policy}' with binding '{name}' denied request"
                        denied.append((f"{text}: failed to configure binding: {error.args[0]}", ""))
                    continue
                for params in found:
                    yield hook, binding, self._input(ask, params)

    def _selects(self, ask: Ask, match: Obj | None, *, rules_required: bool = True) -> bool:
        if match is None:
            return False
        if not self._namespace_selected(ask, match.get("namespaceSelector")):
            return False
        if not _object_selected(ask, match.get("objectSelector")):
            return False
        if any(_rule_matches(ask, rule) for rule in match.get("excludeResourceRules") or ()):
            return False
        rules = match.get("resourceRules") or []
        if not rules:
            return not rules_required
        return any(_rule_matches(ask, rule) for rule in rules)

    def _namespace_selected(self, ask: Ask, selector: Obj | None) -> bool:
        if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
            return True
        res = ask.definition.resource
        if res.name == "namespaces" and not res.group:
            labels = ((ask.obj or ask.old or {}).get("metadata") or {}).get("labels") or {}
        elif ask.namespace:
            found = self.get(f"/{ask.definition.workspace}/core/namespaces/{ask.namespace}")
            labels = ((found or {}).get("metadata") or {}).get("labels") or {}
        else:
            return True
        return _selected(selector, labels)

    def _params(self, ask: Ask, kind: Obj | None, ref: Obj | None) -> list[Obj | None]:
        """The parameter objects of a binding. Raises LookupError where there must be some."""
        if kind is None or ref is None:
            return [None]
        group, _, version = kind["apiVersion"].rpartition("/")
        workspace = ask.definition.workspace
        resource = next(
            (
                r
                for r in self.registry.resources(workspace)
                if r.group == group and r.version == version and r.kind == kind["kind"]
            ),
            None,
        )
        if resource is None:
            raise LookupError(f"paramKind kind `{kind['apiVersion']}, Kind={kind['kind']}` not known")
        prefix = f"/{workspace}/{group or 'core'}/{resource.name}/"
        if resource.namespaced:
            namespace = ref.get("namespace") or ask.namespace
            if not namespace:
                raise LookupError(
                    "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
                )
            prefix += f"{namespace}/"
        found: list[Obj | None] = []
        if ref.get("name"):
            one = self.get(prefix + ref["name"])
            found = [one] if one is not None else []
        else:
            for record in self.store.storage.range(prefix).records:
                obj = orjson.loads(record.value)
                if _selected(ref.get("selector") or {}, obj["metadata"].get("labels") or {}):
                    found.append(obj)
        if not found and ref.get("parameterNotFoundAction") != "Allow":
            raise LookupError("no params found for policy binding with `Deny` parameterNotFoundAction")
        head = {"apiVersion": kind["apiVersion"], "kind": kind["kind"]}
        return [{**head, **obj} for obj in found if obj is not None]

    def _input(self, ask: Ask, params: Obj | None) -> Input:
        from wherry.machinery.cel.policy import Input

        res = ask.definition.resource
        namespace = None
        if ask.namespace and not (res.name == "namespaces" and not res.group):
            namespace = self.get(f"/{ask.definition.workspace}/core/namespaces/{ask.namespace}")
        return Input(
            _shown(ask, ask.obj), _shown(ask, ask.old), _request(ask), namespace, params, authorizer(ask, self.decide)
        )


def _exempt(ask: Ask) -> bool:
    res = ask.definition.resource
    return res.group == _GROUP and res.name in _EXEMPT


def _selected(selector: Obj, labels: dict[str, str]) -> bool:
    from wherry.machinery.selectors import from_label_selector

    return from_label_selector(selector).matches(labels)


def _object_selected(ask: Ask, selector: Obj | None) -> bool:
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return True
    objects = [obj for obj in (ask.obj, ask.old) if obj is not None]
    return any(_selected(selector, (obj.get("metadata") or {}).get("labels") or {}) for obj in objects)


def _rule_matches(ask: Ask, rule: Obj) -> bool:
    res = ask.definition.resource
    if not _listed(rule.get("operations"), ask.operation) or not _listed(rule.get("apiGroups"), res.group):
        return False
    if not _listed(rule.get("apiVersions"), res.version):
        return False
    names = rule.get("resourceNames")
    if names and ask.name not in names:
        return False
    is_namespace = res.name == "namespaces" and not res.group
    scope = rule.get("scope") or "*"
    if scope == "Namespaced" and (is_namespace or not ask.namespace):
        return False
    if scope == "Cluster" and not is_namespace and ask.namespace:
        return False
    for wanted in rule.get("resources") or ():
        name, _, sub = wanted.partition("/")
        if name in ("*", res.name) and sub in ("*", ask.subresource):
            return True
    return False


def _listed(items: list[str] | None, wanted: str) -> bool:
    return any(item in ("*", wanted) for item in items or ())


def _shown(ask: Ask, obj: Obj | None) -> Obj | None:
    if obj is None:
        return None
    res = ask.definition.resource
    version = f"{res.group}/{res.version}" if res.group else res.version
    return {"apiVersion": version, "kind": res.kind, **obj}


def _request(ask: Ask) -> Obj:
    res = ask.definition.resource
    kind = {"group": res.group, "version": res.version, "kind": res.kind}
    resource = {"group": res.group, "version": res.version, "resource": res.name}
    request: Obj = {
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": ask.name,
        "operation": ask.operation,
        "userInfo": user_info(ask.user),
        "dryRun": ask.dry_run,
        "options": dict(ask.ctx.options),
    }
    if ask.subresource:
        request["subResource"] = request["requestSubResource"] = ask.subresource
    if ask.namespace:
        request["namespace"] = ask.namespace
    return request


def _apply(ask: Ask, policy: Policy, kind: str, source: str, program: Any, request: Input) -> None:
    """Run one mutation and put its result into the object."""
    from wherry.machinery.cel.errors import CelError

    assert ask.obj is not None
    current = _with_object(request, _shown(ask, ask.obj))
    try:
        result = program.run(policy.given(current))
    except CelError as error:
        raise CelError(f"expression '{source}' resulted in error: {error}") from None
    if kind == "JSONPatch":
        patched = _patched(current.object or {}, result)
    else:
        from wherry.machinery.cel.library.applyconfig import configuration

        patched = _merged(ask, current.object or {}, configuration(result))
    head = {"apiVersion", "kind"} - ask.obj.keys()
    ask.obj.clear()
    ask.obj.update({k: v for k, v in patched.items() if k not in head})
    ask.definition.strategy.default(ask.obj)


def _merged(ask: Ask, document: Obj, config: Obj) -> Obj:
    """An apply configuration merged into the object as server-side apply merges, without an owner."""
    from wherry.access.plugins.patching import PatchError, configured
    from wherry.machinery.cel.errors import CelError

    config = {**config, "apiVersion": document.get("apiVersion"), "kind": document.get("kind")}
    try:
        merged = configured(document, config, ask.definition.node())
        obj, _ = ask.definition.canonical(merged, "Ignore")
    except (PatchError, errors.BadRequest) as error:
        raise CelError(f"error applying patch: {error}") from None
    return obj


def _with_object(request: Input, obj: Obj | None) -> Input:
    from dataclasses import replace

    return replace(request, object=obj)


def _patched(document: Obj, patches: list[Obj]) -> Obj:
    from wherry.machinery.cel.errors import CelError
    from wherry.machinery.patch import json_patch

    for patch in patches:
        try:
            document = json_patch.apply(document, [patch])
        except errors.StatusError as error:
            op, path = patch.get("op", ""), patch.get("path", "")
            text = {
                "add": f'add operation does not apply: doc is missing path: "{path}": missing value',
                "remove": f'remove operation does not apply: doc is missing path: "{path}": missing value',
                "replace": f"replace operation does not apply: doc is missing path: {path}: missing value",
                "test": f"testing value {path} failed: test failed",
            }.get(op, error.message)
            raise CelError(f"JSON Patch: {text}") from None
    return document


def _refusal(ask: Ask, text: str, reason: str) -> errors.StatusError:
    res = ask.definition.resource
    reason = reason or "Invalid"
    meta = (ask.obj or ask.old or {}).get("metadata") or {}
    name = ask.name or meta.get("name") or meta.get("generateName") or "Unknown"
    full = f'{errors.qualified(res.group, res.name)} "{name}" is forbidden: {text}'
    details = errors.resource_details(res.group, res.name, name, causes=[{"message": text}])
    return errors.StatusError(full, details=details, reason=reason, code=_CODES.get(reason, 403))


def _plain_refusal(ask: Ask, text: str) -> errors.StatusError:
    res = ask.definition.resource
    details = errors.resource_details(res.group, res.name, ask.name, causes=[{"message": text}])
    return errors.StatusError(text, details=details, reason="Invalid", code=403)
