"""Match conditions of webhook authorizers: CEL over the SubjectAccessReview that would be sent.

Follows k8s.io/apiserver/pkg/authorization/cel. Imported when a configuration has conditions, and not before.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from wherry.machinery.cel import types as t
from wherry.machinery.cel.env import Env, Program
from wherry.machinery.cel.environments import kubernetes
from wherry.machinery.cel.errors import CelError, CompileError

Obj = dict[str, Any]
_S, _SL = t.STRING, t.list_of(t.STRING)
_TEXTS = ("namespace", "verb", "group", "version", "resource", "subresource", "name")


@cache
def _environment() -> Env:
    requirement = t.struct("kubernetes.SelectorRequirement", {"key": _S, "operator": _S, "values": _SL})

    def selector(name: str) -> t.Type:
        return t.struct(f"kubernetes.{name}", {"rawSelector": _S, "requirements": t.list_of(requirement)})

    resource = t.struct(
        "kubernetes.ResourceAttributes",
        {
            **dict.fromkeys(_TEXTS, _S),
            "fieldSelector": selector("FieldSelectorAttributes"),
            "labelSelector": selector("LabelSelectorAttributes"),
        },
    )
    request = t.struct(
        "kubernetes.SubjectAccessReviewSpec",
        {
            "resourceAttributes": resource,
            "nonResourceAttributes": t.struct("kubernetes.NonResourceAttributes", {"path": _S, "verb": _S}),
            "user": _S,
            "groups": _SL,
            "extra": t.map_of(_S, _SL),
            "uid": _S,
        },
    )
    return kubernetes().extend({"request": request})


def compiled(source: str) -> Program:
    """Raises ValueError with upstream's text."""
    try:
        program = _environment().compile(source).plan()
    except CompileError as error:
        raise ValueError(f"compilation failed: {error}") from None
    except CelError as error:
        raise ValueError(f"program instantiation failed: {error}") from None
    if program.result_type != t.BOOL:
        raise ValueError(f"must evaluate to bool but got {t.show(program.result_type)}")
    return program


def match(programs: list[Program], spec: Obj) -> bool:
    """Whether all conditions hold for a review's spec. Raises ValueError when none is false and one failed."""
    given = {"request": _complete(spec)}
    failed: list[str] = []
    for program in programs:
        try:
            if program.run(given) is not True:
                return False
        except CelError as error:
            failed.append(f"cel evaluation error: expression '{program.source}' resulted in error: {error}")
    if failed:
        different = list(dict.fromkeys(failed))
        raise ValueError(different[0] if len(different) == 1 else f"[{', '.join(different)}]")
    return True


def _complete(spec: Obj) -> Obj:
    """Every text is there, empty or not, so that expressions need not ask."""
    made: Obj = {key: spec.get(key) or "" for key in ("user", "uid")}
    made.update(groups=spec.get("groups") or [], extra=spec.get("extra") or {})
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None:
        selectors = {key: resource[key] for key in ("fieldSelector", "labelSelector") if key in resource}
        made["resourceAttributes"] = {**{key: resource.get(key) or "" for key in _TEXTS}, **selectors}
    if other is not None:
        made["nonResourceAttributes"] = {key: other.get(key) or "" for key in ("path", "verb")}
    return made
