"""ValidatingAdmissionPolicies and MutatingAdmissionPolicies with their bindings, asked on every write they match
(k8s.io/apiserver/pkg/admission/plugin/policy).

What there is of them is read once and again when one changes; without any, nothing of CEL is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from wherry import errors
from wherry.access.admission import Ask, Plugin
from wherry.access.pending import settled
from wherry.access.plugins.expressions import Decide, authorizer, request_document
from wherry.access.plugins.matching import GROUP, Matcher, Selected, exempt, shown
from wherry.access.plugins.patching import PatchError, configured, patched, put_back
from wherry.access.plugins.turns import Turns, turns
from wherry.machinery.kinds import Obj
from wherry.storage.api import Event
from wherry.store.definition import Definition, labels_of
from wherry.store.registry import Registry
from wherry.store.store import Store

if TYPE_CHECKING:
    from wherry.machinery.cel.policy import Denial, Input, Policy

_FAILURE = "validation.policy.admission.k8s.io/validation_failure"
_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}


class _Hook:
    """A policy and the bindings that put it to work; its expressions are compiled when it first matches."""

    def __init__(self, policy: Obj, bindings: list[Obj]):
        self.policy = policy
        self.name, self.uid = policy["metadata"]["name"], policy["metadata"]["uid"]
        self.fail = policy["spec"].get("failurePolicy") != "Ignore"
        self.again = policy["spec"].get("reinvocationPolicy") == "IfNeeded"
        self.constraints = _matcher(policy["spec"].get("matchConstraints"))
        self.bindings = [(b, _matcher(b["spec"].get("matchResources"), rules_required=False)) for b in bindings]
        self._compiled: Policy | None = None

    @property
    def compiled(self) -> Policy:
        if self._compiled is None:
            from wherry.machinery.cel.policy import Policy

            self._compiled = Policy(self.policy)
        return self._compiled


def _matcher(match: Obj | None, *, rules_required: bool = True) -> Matcher | None:
    return None if match is None else Matcher(match, match.get("resourceRules") or (), rules_required=rules_required)


_Invocation = tuple[_Hook, Obj, Obj | None, Definition]  # policy, binding, parameters, what it matched


class Policies:
    """Both plugins over one store. `decide` answers the authorizer of expressions."""

    def __init__(self, store: Store, registry: Registry, decide: Decide | None = None):
        self.store, self.registry, self.decide = store, registry, decide
        self._hooks: dict[tuple[str, str], list[_Hook]] = {}
        store.storage.subscribe(self._changed)

    def _changed(self, events: Sequence[Event]) -> None:
        if self._hooks and any(f"/{GROUP}/" in event.key for event in events):
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
        records = self.store.storage.range(f"/{workspace}/{GROUP}/{resource}/").records
        return [orjson.loads(record.value) for record in records]

    def get(self, key: str) -> Obj | None:
        record = self.store.storage.newest(key)
        return orjson.loads(record.value) if record is not None else None

    # --- the plugins -------------------------------------------------------------------------------------------------
    def validating(self) -> Plugin:
        async def plugin(ask: Ask) -> None:
            hooks = self.hooks(ask.definition.workspace, "validating")
            if hooks and not exempt(ask):
                await self._validate(ask, hooks)

        return plugin

    def mutating(self) -> Plugin:
        async def plugin(ask: Ask) -> None:
            hooks = self.hooks(ask.definition.workspace, "mutating")
            if hooks and not exempt(ask) and ask.obj is not None:
                await self._mutate(ask, hooks)

        return plugin

    async def _validate(self, ask: Ask, hooks: list[_Hook]) -> None:
        from wherry.machinery.cel.policy import evaluate

        denied: list[tuple[str, str]] = []  # (text, reason)

        def failed(hook: _Hook, binding: Obj, why: str) -> None:
            if hook.fail:
                denied.append((f"{_validating(hook, binding)} denied request: {why}", ""))

        notes: dict[str, dict[str, None]] = {}
        for hook, binding, params, matched in self._matching(ask, hooks, failed):
            request = await self._input(ask, matched, params)
            outcome = await settled(partial(evaluate, hook.compiled, request))
            actions = binding["spec"].get("validationActions") or []
            for denial in outcome.denials:
                if "Deny" in actions:
                    denied.append((f"{_validating(hook, binding)} denied request: {denial.message}", denial.reason))
                if "Audit" in actions:
                    ask.annotate(_FAILURE, _failure(binding, denial))
                if "Warn" in actions:
                    text = f"Validation failed for {_validating(hook, binding)}: {denial.message}"
                    ask.ctx.warnings.append(text)
            for why in outcome.failures:
                failed(hook, binding, why)
            for key, value in outcome.annotations.items():
                notes.setdefault(f"{hook.name}/{key}", {})[value] = None
        for key, values in notes.items():
            ask.annotate(key, ", ".join(values))
        if denied:
            raise _refusal(ask, *denied[0])

    async def _mutate(self, ask: Ask, hooks: list[_Hook]) -> None:
        refused: list[tuple[str, str]] = []  # (text, reason)

        def failed(hook: _Hook, binding: Obj, why: str, reason: str = "Forbidden") -> None:
            if hook.fail:
                where = f"policy '{hook.name}' with binding '{binding['metadata']['name']}'"
                refused.append((f"{where} denied request: {why}", reason))

        taken = turns(ask, "policies")
        taken.begin(ask)
        for invocation in list(self._matching(ask, hooks, failed)):
            for problem in await self._take_turn(ask, taken, *invocation):
                failed(*invocation[:2], problem, "Invalid")
        taken.end(ask)
        if refused:
            raise _refusals(ask, refused)

    async def _take_turn(
        self, ask: Ask, taken: Turns, hook: _Hook, binding: Obj, params: Obj | None, matched: Definition
    ) -> list[str]:
        """Let one policy change the object. What went wrong."""
        from wherry.machinery.cel.errors import CelError

        policy = hook.compiled
        if policy.problem:
            return [policy.problem]
        request = await self._input(ask, matched, params)
        try:
            if not await settled(partial(policy.matches, request)):
                return []
        except CelError as error:
            return [str(error)]
        turn = hook.uid, binding["metadata"]["uid"], params and params["metadata"]["uid"]
        if taken.over(turn):
            return []
        problems: list[str] = []
        changed = False
        for mutation in policy.mutations:
            current = replace(request, object=await shown(ask, matched, ask.obj))
            try:
                document = await settled(partial(_mutated, policy, *mutation, current, matched))
                changed |= await put_back(ask, matched, document)
            except (CelError, errors.BadRequest) as error:
                problems.append(str(error))
        taken.took(turn, changed=changed, again=hook.again)
        return problems

    # --- what matches ------------------------------------------------------------------------------------------------
    def _matching(
        self, ask: Ask, hooks: list[_Hook], failed: Callable[[_Hook, Obj, str], None]
    ) -> Iterator[_Invocation]:
        """Each policy and binding that concern the write, once per parameter object, with the definition in whose
        version the policy sees it. `failed` hears of bindings whose parameters are missing."""
        for hook in hooks:
            matched = hook.constraints and hook.constraints.matches(ask, self.store, self.registry)
            if not matched:
                continue
            for binding, narrowed in hook.bindings:
                if narrowed is not None and narrowed.matches(ask, self.store, self.registry) is None:
                    continue
                try:
                    found = self._params(ask, hook.policy["spec"].get("paramKind"), binding["spec"].get("paramRef"))
                except LookupError as error:
                    failed(hook, binding, f"failed to configure binding: {error.args[0]}")
                    continue
                for params in found:
                    yield hook, binding, params, matched

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
            selected = Selected(ref.get("selector"))
            records = self.store.storage.range(prefix).records
            found += [orjson.loads(record.value) for record in records if selected.matches(labels_of(record))]
        if not found and ref.get("parameterNotFoundAction") != "Allow":
            raise LookupError("no params found for policy binding with `Deny` parameterNotFoundAction")
        head = {"apiVersion": kind["apiVersion"], "kind": kind["kind"]}
        return [{**head, **obj} for obj in found if obj is not None]

    async def _input(self, ask: Ask, matched: Definition, params: Obj | None) -> Input:
        from wherry.machinery.cel.policy import Input

        namespace = None
        if ask.namespace and not ask.is_namespace:
            namespace = self.get(f"/{ask.definition.workspace}/core/namespaces/{ask.namespace}")
        obj, old = await shown(ask, matched, ask.obj), await shown(ask, matched, ask.old)
        return Input(obj, old, request_document(ask, matched), namespace, params, authorizer(ask, self.decide))


def _mutated(policy: Policy, kind: str, source: str, program: Any, request: Input, matched: Definition) -> Obj:
    """The object of a request after one mutation. Raises CelError."""
    from wherry.machinery.cel.errors import CelError
    from wherry.machinery.cel.library.applyconfig import configuration

    document = request.object or {}
    try:
        result = program.run(policy.given(request))
    except CelError as error:
        raise CelError(f"expression '{source}' resulted in error: {error}") from None
    try:
        if kind == "JSONPatch":
            return patched(document, result)
        own = {"apiVersion": document.get("apiVersion"), "kind": document.get("kind")}
        return configured(document, {**configuration(result), **own}, matched.node())
    except PatchError as error:
        doing = "JSON Patch" if kind == "JSONPatch" else "error applying patch"
        raise CelError(f"{doing}: {error}") from None


def _refusal(ask: Ask, text: str, reason: str) -> errors.StatusError:
    res = ask.definition.resource
    reason = reason or "Invalid"
    meta = (ask.obj or ask.old or {}).get("metadata") or {}
    name = ask.name or meta.get("name") or meta.get("generateName") or "Unknown"
    full = f'{errors.qualified(res.group, res.name)} "{name}" is forbidden: {text}'
    details = errors.resource_details(res.group, res.name, name, causes=[{"message": text}])
    return errors.StatusError(full, details=details, reason=reason, code=_CODES.get(reason, 403))


def _refusals(ask: Ask, refused: list[tuple[str, str]]) -> errors.StatusError:
    """The first text and reason of those given; all texts as causes."""
    res = ask.definition.resource
    details = errors.resource_details(res.group, res.name, ask.name, causes=[{"message": text} for text, _ in refused])
    text, reason = refused[0]
    return errors.StatusError(text, details=details, reason=reason, code=403)


def _validating(hook: _Hook, binding: Obj) -> str:
    return f"ValidatingAdmissionPolicy '{hook.name}' with binding '{binding['metadata']['name']}'"


def _failure(binding: Obj, denial: Denial) -> str:
    """The value of the audit annotation that tells of a failed validation (ValidationFailureValue)."""
    spec = binding["spec"]
    failure = {
        "message": denial.message,
        "policy": spec["policyName"],
        "binding": binding["metadata"]["name"],
        "expressionIndex": denial.expression,
        "validationActions": spec["validationActions"],
    }
    return orjson.dumps([failure]).decode()
