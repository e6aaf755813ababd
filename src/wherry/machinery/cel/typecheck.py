"""Warnings about types in the expressions of a ValidatingAdmissionPolicy (plugin/policy/validating/typechecking.go).

Other than when a policy runs, `object`, `oldObject` and `params` have the types of the kinds that the policy is for.
"""

from __future__ import annotations

from collections.abc import Mapping

from wherry.machinery.cel import types as t
from wherry.machinery.cel.decls import declare
from wherry.machinery.cel.env import Env
from wherry.machinery.cel.errors import CompileError
from wherry.machinery.cel.policy import typed_environment
from wherry.machinery.cel.types import Type
from wherry.machinery.kinds import GroupVersionKind, Obj


def expression_warnings(policy: Obj, schemas: Mapping[GroupVersionKind, Obj | None], params: Obj | None) -> list[Obj]:
    """The `expressionWarnings` of a policy's status. `schemas`: of the kinds to check against, in order; those that are
    not known are passed over. `params`: the schema of the parameters, None where it is not known."""
    spec = policy["spec"]
    declared: dict[str, Type] = {}
    if spec.get("paramKind") is not None:
        declared["params"] = _type(params, spec["paramKind"]["kind"])
    environments: list[tuple[GroupVersionKind, Env]] = []
    for kind, schema in schemas.items():
        if schema is not None:
            own = _type(schema, kind.kind)
            base = typed_environment({**declared, "object": own, "oldObject": own})
            environments.append((kind, _with_variables(base, spec.get("variables") or [])))
    out: list[Obj] = []
    for index, validation in enumerate(spec.get("validations") or ()):
        for field in ("expression", "messageExpression"):
            warning = _warning(validation.get(field) or "", environments)
            if warning:
                out.append({"fieldRef": f"spec.validations[{index}].{field}", "warning": warning})
    return out


def _type(schema: Obj | None, name: str) -> Type:
    found = schema and declare(schema, True, name)
    return found.type if found else t.DYN


def _with_variables(env: Env, variables: list[Obj]) -> Env:
    known: dict[str, Type] = {}
    for variable in variables:
        try:
            known[variable["name"]] = _extended(env, known).compile(variable["expression"]).result_type
        except CompileError:
            known[variable["name"]] = t.DYN
    return _extended(env, known)


def _extended(env: Env, variables: dict[str, Type]) -> Env:
    return env.extend({"variables": t.struct("kubernetes.variables", dict(variables))}) if variables else env


def _warning(text: str, environments: list[tuple[GroupVersionKind, Env]]) -> str:
    """What is wrong with an expression, kind by kind."""
    found = []
    for kind, env in environments if text else ():
        try:
            env.compile(text)
        except CompileError as error:
            found.append(f"{kind}: {error}\n")
    return "\n".join(found)
