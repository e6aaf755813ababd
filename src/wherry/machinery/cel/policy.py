"""Admission policies: their expressions compiled, and `evaluate` for one request. Pure: whoever calls gathers objects.

Follows k8s.io/apiserver/pkg/admission/plugin/cel (variables of expressions, composition) and policy/validating.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from wherry.machinery.builtin.policy.admission_rules import Scope
from wherry.machinery.cel import types as t
from wherry.machinery.cel.closures import Lazy
from wherry.machinery.cel.env import PER_CALL_LIMIT, Env, Program
from wherry.machinery.cel.environments import kubernetes_libraries
from wherry.machinery.cel.errors import CelError, CompileError, CostExceeded
from wherry.machinery.cel.library.applyconfig import type_named
from wherry.machinery.cel.library.authz import AUTHORIZER, RESOURCE, Authorizer
from wherry.machinery.cel.library.jsonpatch import JSONPATCH, PATCH_TYPE
from wherry.machinery.cel.types import Type

Obj = dict[str, Any]
BUDGET = 10_000_000
MATCH_BUDGET = 2_500_000
_S, _SL = t.STRING, t.list_of(t.STRING)


def _of(kind: str, /, **fields: Type) -> Type:
    return t.struct(f"kubernetes.{kind}", fields)


_GVK = _of("GroupVersionKind", group=_S, version=_S, kind=_S)
_GVR = _of("GroupVersionResource", group=_S, version=_S, resource=_S)
_USER = _of("UserInfo", username=_S, uid=_S, groups=_SL, extra=t.map_of(_S, _SL))
REQUEST = _of(
    "AdmissionRequest",
    kind=_GVK,
    resource=_GVR,
    subResource=_S,
    requestKind=_GVK,
    requestResource=_GVR,
    requestSubResource=_S,
    name=_S,
    namespace=_S,
    operation=_S,
    userInfo=_USER,
    dryRun=t.BOOL,
    options=t.DYN,
)
_CONDITION = _of("NamespaceCondition", status=_S, type=_S, lastTransitionTime=t.TIMESTAMP, message=_S, reason=_S)
_MAP = t.map_of(_S, _S)
_META = _of(
    "NamespaceMetadata",
    name=_S,
    generateName=_S,
    namespace=_S,
    labels=_MAP,
    annotations=_MAP,
    UID=_S,
    creationTimestamp=t.TIMESTAMP,
    deletionGracePeriodSeconds=t.INT,
    deletionTimestamp=t.TIMESTAMP,
    generation=t.INT,
    resourceVersion=_S,
    finalizers=_SL,
)
NAMESPACE = _of(
    "Namespace",
    metadata=_META,
    spec=_of("NamespaceSpec", finalizers=_SL),
    status=_of("NamespaceStatus", conditions=t.list_of(_CONDITION), phase=_S),
)
_MOST_OF_ANNOTATION = 10 * 1024  # bytes
_RESULTS = {
    "bool": ("bool",),
    "string": ("string",),
    "audit": ("string", "null_type"),
    "apply": ("Object",),
    "jsonpatch": ("list(JSONPatch)",),
}


@cache
def _base() -> Env:
    from wherry.machinery.cel.library.authz import AUTHZ

    return Env(libraries=(*kubernetes_libraries(), AUTHZ, JSONPATCH))


class _PatchEnv(Env):
    """Object{...} and Object.spec{...} name the parts of an apply configuration; what is in them is not checked."""

    def message(self, name: str) -> Type | None:
        return PATCH_TYPE if name == "JSONPatch" else type_named(name)


@cache
def _device_environment() -> Env:
    """What a selector of devices may refer to (k8s.io/dynamic-resource-allocation/cel)."""
    from wherry.machinery.cel.library.kubernetes import QUANTITY_TYPE

    def by_domain(value: Type) -> Type:
        return t.map_of(t.STRING, t.map_of(t.STRING, value))

    device = t.struct(
        "kubernetes.DRADevice",
        {
            "driver": t.STRING,
            "attributes": by_domain(t.DYN),
            "capacity": by_domain(QUANTITY_TYPE),
            "allowMultipleAllocations": t.BOOL,
        },
    )
    return Env({"device": device}, parent=_base())


def environment(scope: Scope, variables: dict[str, Type] | None = None) -> Env:
    """What an expression of a policy may refer to."""
    declared: dict[str, Type] = {
        "object": t.DYN,
        "oldObject": t.DYN,
        "request": REQUEST,
        "namespaceObject": NAMESPACE,
    }
    if scope.params:
        declared["params"] = t.DYN
    if scope.authorizer:
        declared["authorizer"] = AUTHORIZER
        declared["authorizer.requestResource"] = RESOURCE
    if variables:
        declared["variables"] = t.struct("kubernetes.variables", variables)
    kind = _PatchEnv if scope.patch_types else Env
    return kind(declared, parent=_base())


def typed_environment(declared: dict[str, Type]) -> Env:
    """What an expression of a policy may refer to where the types of `object`, `oldObject` and `params` are known."""
    known = {"request": REQUEST, "namespaceObject": NAMESPACE, "authorizer": AUTHORIZER}
    return Env({**known, **declared}, parent=_base())


def compile_in(text: str, scope: Scope) -> Program:
    """Raises CompileError, or ValueError when the result is of a wrong type."""
    return _compile(text, scope, _variable_types(scope))


def _variable_types(scope: Scope) -> dict[str, Type]:
    known: dict[str, Type] = {}
    for name, text in scope.variables:
        try:
            known[name] = _compile(text, Scope("any", params=scope.params), known).result_type
        except (CompileError, CelError, ValueError):
            known[name] = t.DYN
    return known


def _compile(text: str, scope: Scope, known: dict[str, Type]) -> Program:
    if scope.result == "device":
        return _compile_device(text)
    program = environment(scope, known).compile(text)
    wanted, got = _RESULTS.get(scope.result), program.result_type
    if wanted is not None and t.show(got) not in wanted and got.name not in wanted:
        if len(wanted) == 1:
            raise ValueError(f"must evaluate to {wanted[0]} but got {_shown(got)}")
        raise ValueError(f"must evaluate to one of [{' '.join(wanted)}] but got {_shown(got)}")
    return program.plan()


def _compile_device(text: str) -> Program:
    program = _device_environment().compile(text)
    got = program.result_type
    if got not in (t.BOOL, t.DYN):
        raise ValueError(f"must evaluate to bool or the unknown type, not {_shown(got)}")
    return program.plan()


def _shown(type_: Type) -> str:
    if type_.params:
        return f"{type_.name}({', '.join(_shown(p) for p in type_.params)})"
    return type_.name


def compile_expression(text: str, scope: Scope) -> str:
    """What is wrong with an expression, or nothing."""
    try:
        compile_in(text, scope)
    except CompileError as error:
        return f"compilation failed: {error}"
    except CelError as error:
        return f"program instantiation failed: {error}"
    except ValueError as error:
        return str(error)
    return ""


# --- evaluation ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Input:
    """One request. `request` is an AdmissionRequest as JSON; absent objects are None."""

    object: Obj | None
    old: Obj | None
    request: Obj
    namespace: Obj | None = None
    params: Obj | None = None
    authorizer: Authorizer | None = None

    def variables(self) -> Obj:
        given: Obj = {
            "object": self.object,
            "oldObject": self.old,
            "request": self.request,
            "namespaceObject": self.namespace,
            "params": self.params,
        }
        if self.authorizer is not None:
            given["authorizer"] = self.authorizer
            resource = self.request.get("resource") or {}
            from wherry.machinery.cel.library.authz import ResourceCheck

            given["authorizer.requestResource"] = ResourceCheck(
                self.authorizer.decide,
                type(self.authorizer.request)(
                    group=resource.get("group", ""),
                    resource=resource.get("resource", ""),
                    subresource=self.request.get("subResource") or "",
                    namespace=self.request.get("namespace") or "",
                    name=self.request.get("name") or "",
                ),
            )
        return given


@dataclass(frozen=True, slots=True)
class Denial:
    """A validation that failed, or an error where failurePolicy is Fail. `reason` is empty for errors; `expression` is
    the place of the validation among those of the policy."""

    message: str
    reason: str = ""
    expression: int = 0


@dataclass(slots=True)
class Outcome:
    """`failures`: annotations that failed where failurePolicy is Fail; they refuse whatever a binding's actions are."""

    denials: list[Denial] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)


class Policy:
    """A ValidatingAdmissionPolicy or MutatingAdmissionPolicy with its expressions compiled."""

    def __init__(self, policy: Obj):
        spec = policy.get("spec") or {}
        self.name = policy["metadata"]["name"]
        self.fail = (spec.get("failurePolicy") or "Fail") != "Ignore"
        self.problem = ""
        self.validations: list[tuple[Obj, Program, Program | None]] = []
        self.annotations: list[tuple[str, str, Program]] = []
        self.mutations: list[tuple[str, str, Program]] = []
        params = spec.get("paramKind") is not None
        self.conditions = [
            (c["name"], self._program(c["expression"], Scope("bool", params=params)))
            for c in spec.get("matchConditions") or []
        ]
        named = tuple((v["name"], v["expression"]) for v in spec.get("variables") or [])
        types = _variable_types(Scope("any", params=params, variables=named))
        self.variables = self._variables(named, params, types)
        for v in spec.get("validations") or []:
            program = self._program(v["expression"], Scope("bool", params=params), types)
            message = None
            if (v.get("messageExpression") or "").strip():
                message = self._program(v["messageExpression"], Scope("string", params=params, authorizer=False), types)
            if program is not None:
                self.validations.append((v, program, message))
        for a in spec.get("auditAnnotations") or []:
            program = self._program(a["valueExpression"].strip(), Scope("audit", params=params), types)
            if program is not None:
                self.annotations.append((a["key"], a["valueExpression"], program))
        for m in spec.get("mutations") or []:
            key = "jsonPatch" if m["patchType"] == "JSONPatch" else "applyConfiguration"
            text = (m.get(key) or {}).get("expression") or ""
            result = "jsonpatch" if key == "jsonPatch" else "apply"
            program = self._program(text, Scope(result, params=params, patch_types=True), types)
            if program is not None:
                self.mutations.append((m["patchType"], text, program))

    def _program(self, text: str, scope: Scope, types: dict[str, Type] | None = None) -> Program | None:
        try:
            return _compile(text, scope, types or {})
        except CompileError as error:
            self.problem = self.problem or f"compilation error: compilation failed: {error}"
        except (CelError, ValueError) as error:
            self.problem = self.problem or f"compilation error: {error}"
        return None

    def _variables(
        self, named: tuple[tuple[str, str], ...], params: bool, types: dict[str, Type]
    ) -> list[tuple[str, Program]]:
        out: list[tuple[str, Program]] = []
        before: dict[str, Type] = {}
        for name, text in named:
            program = self._program(text, Scope("any", params=params), dict(before))
            if program is not None:
                out.append((name, program))
            before[name] = types[name]
        return out

    def given(self, request: Input) -> Obj:
        """The variables of a run; composed ones are computed when they are first read."""
        given = request.variables()
        if self.variables:
            composed: Obj = {}
            given["variables"] = composed
            for name, program in self.variables:
                composed[name] = _lazy(program, given, name)
        return given

    def matches(self, request: Input) -> bool:
        """Whether all match conditions hold. Raises CelError when none is false and one failed."""
        given = request.variables()
        failed: list[str] = []
        for _, program in self.conditions:
            if program is None:
                continue
            try:
                if program.run(given, PER_CALL_LIMIT) is not True:
                    return False
            except CelError as error:
                failed.append(f"expression '{program.source}' resulted in error: {error}")
        if failed:
            different = list(dict.fromkeys(failed))
            raise CelError(failed[0] if len(different) == 1 else f"[{', '.join(different)}]")
        return True


def _lazy(program: Program, given: Obj, name: str) -> Lazy:
    def make(frame: list[Any]) -> Any:
        try:
            value, cost = program.run_counted(given, frame[1])
        except CostExceeded:
            raise
        except CelError as error:
            raise CelError(f'composited variable "{name}" fails to evaluate: {error}') from None
        frame[0] += cost
        return value

    return Lazy(make)


def evaluate(policy: Policy, request: Input) -> Outcome:
    """Decide one request by a validating policy."""
    out = Outcome()
    if policy.problem:
        _refuse(policy, out, policy.problem)
        return out
    try:
        if not policy.matches(request):
            return out
    except CelError as error:
        _refuse(policy, out, str(error))
        return out
    given = policy.given(request)
    budget = BUDGET
    for index, (item, program, message) in enumerate(policy.validations):
        try:
            result, cost = program.run_counted(given, PER_CALL_LIMIT)
        except CelError as error:
            _refuse(policy, out, f"expression '{program.source}' resulted in error: {error}", index)
            continue
        budget -= cost
        if budget < 0:
            text = "validation failed due to running out of cost budget, no further validation rules will be run"
            _refuse(policy, out, text)
            return out
        if result is not True:
            out.denials.append(Denial(_message(item, message, given), item.get("reason") or "Invalid", index))
    out.annotations.update(_annotations(policy, given, out))
    return out


def _refuse(policy: Policy, out: Outcome, message: str, expression: int = 0) -> None:
    if policy.fail:
        out.denials.append(Denial(message, expression=expression))


def _message(item: Obj, program: Program | None, given: Obj) -> str:
    if program is not None:
        try:
            text = program.run(given, PER_CALL_LIMIT)
            text = text.strip() if isinstance(text, str) else ""
            if text and "\n" not in text and len(text.encode()) <= 5 * 1024:
                return text
        except CelError:
            pass
    own = (item.get("message") or "").strip()
    return own or f"failed expression: {item['expression'].strip()}"


def _annotations(policy: Policy, given: Obj, out: Outcome) -> Iterator[tuple[str, str]]:
    for key, source, program in policy.annotations:
        try:
            value = program.run(given, PER_CALL_LIMIT)
        except CelError as error:
            if policy.fail:
                out.failures.append(f"expression '{source}' resulted in error: {error}")
            continue
        if isinstance(value, str) and value.strip():
            yield key, value.strip().encode()[:_MOST_OF_ANNOTATION].decode(errors="ignore")
