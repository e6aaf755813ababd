"""Nobody grants what they do not hold: writes of roles and bindings, after mutating admission and before validation.

Follows pkg/registry/rbac/*/policybased and k8s.io/component-helpers/auth/rbac/validation. The verbs `escalate` on a
role and `bind` on a referenced role lift the rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wherry.access.admission import Ask, Plugin
from wherry.access.chain import MASTERS, Chain
from wherry.access.pending import settled
from wherry.access.rbac import GROUP, Rbac, Rule
from wherry.access.user import Attributes
from wherry.errors import Forbidden, NotFound, go_quote, qualified, resource_details
from wherry.machinery.kinds import Obj

_ROLES, _BINDINGS = ("roles", "clusterroles"), ("rolebindings", "clusterrolebindings")
_EVERYTHING: list[Rule] = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]
_AGGREGATES = "must have cluster-admin privileges to use the aggregationRule"
_SHOWN = ("apiGroups", "resources", "nonResourceURLs", "resourceNames", "verbs")


def escalation(chain: Chain, rbac: Rbac) -> Plugin:
    """The check as a plugin; it comes after all that may change the object."""

    async def check(ask: Ask) -> None:
        res = ask.definition.resource
        if res.group != GROUP or ask.obj is None or MASTERS in ask.user.groups or _only_collected(ask.obj, ask.old):
            return
        obj = ask.obj
        if res.name in _ROLES:
            await settled(lambda: _role(chain, rbac, ask, obj))
        elif res.name in _BINDINGS:
            await settled(lambda: _binding(chain, rbac, ask, obj))

    return check


def _only_collected(obj: Obj, old: Obj | None) -> bool:
    """Whether an update only touches what garbage collection needs to touch."""
    return old is not None and _without(obj) == _without(old)


def _without(obj: Obj) -> Obj:
    skipped = ("ownerReferences", "finalizers", "managedFields")
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k not in skipped}}


def _allowed(chain: Chain, ask: Ask, verb: str, resource: str, name: str) -> bool:
    workspace = ask.definition.workspace
    asked = Attributes(ask.user, verb, "", True, GROUP, "*", resource, "", ask.namespace, name, workspace)
    return bool(chain.decide(asked)["allowed"])


def _role(chain: Chain, rbac: Rbac, ask: Ask, obj: Obj) -> None:
    # a create names no object in its URL, so a right that is bound to names does not help there
    named = ask.name if ask.old is not None else ""
    if _allowed(chain, ask, "escalate", ask.definition.resource.name, named):
        return
    _confirm(rbac, ask, obj.get("rules") or [])
    gathers = _aggregates(obj) or (ask.old is not None and _aggregates(ask.old))
    if gathers and any(_missing(list(_held(rbac, ask)), _EVERYTHING)):
        raise _refusal(ask, _AGGREGATES)


def _aggregates(obj: Obj) -> bool:
    return bool((obj.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _binding(chain: Chain, rbac: Rbac, ask: Ask, obj: Obj) -> None:
    ref = obj.get("roleRef") or {}
    kind, name = ref.get("kind", ""), ref.get("name", "")
    resource = {"Role": "roles", "ClusterRole": "clusterroles"}.get(kind)
    if resource is None:
        raise _refusal(ask, f"unsupported role reference kind: {go_quote(kind)}")
    if _allowed(chain, ask, "bind", resource, name):
        return
    rules = rbac.role(kind, ask.namespace, name, ask.definition.workspace)
    if rules is None:
        raise NotFound.of(GROUP, resource[:-1], name)
    _confirm(rbac, ask, rules)


def _held(rbac: Rbac, ask: Ask) -> Iterator[Rule]:
    return rbac.rules(ask.user, ask.namespace, ask.definition.workspace)


def _confirm(rbac: Rbac, ask: Ask, rules: Sequence[Rule]) -> None:
    lines = sorted({_shown(rule) for rule in _compact(_missing(list(_held(rbac, ask)), rules))})
    if lines:
        groups = " ".join(map(go_quote, ask.user.groups))
        who = f"user {go_quote(ask.user.name)} (groups=[{groups}])"
        held = "is attempting to grant RBAC permissions not currently held"
        error = rbac.missing(ask.user, ask.namespace, ask.definition.workspace)
        unresolved = f"; resolution errors: [{error}]" if error else ""
        raise _refusal(ask, f"{who} {held}:\n" + "\n".join(lines) + unresolved)


def _refusal(ask: Ask, why: str) -> Forbidden:
    res = ask.definition.resource
    text = f"{qualified(res.group, res.name)} {go_quote(ask.name)} is forbidden: {why}"
    return Forbidden(text, details=resource_details(res.group, res.name, ask.name))


def uncovered(held: Sequence[Rule], wanted: Sequence[Rule]) -> list[Rule]:
    """What of `wanted` nobody has who has `held` (component-helpers/auth/rbac/validation.Covers)."""
    return list(_compact(_missing(held, wanted)))


def _missing(held: Sequence[Rule], wanted: Sequence[Rule]) -> Iterator[Rule]:
    """The smallest rights of `wanted` that no single rule of `held` covers."""
    for rule in wanted:
        for right in _broken_down(rule):
            if not any(_covers(own, right) for own in held):
                yield right


def _broken_down(rule: Rule) -> Iterator[Rule]:
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in rule.get("verbs") or ():
                right = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                for name in rule.get("resourceNames") or (None,):
                    yield right if name is None else {**right, "resourceNames": [name]}
    for url in rule.get("nonResourceURLs") or ():
        for verb in rule.get("verbs") or ():
            yield {"nonResourceURLs": [url], "verbs": [verb]}


def _covers(own: Rule, right: Rule) -> bool:
    if not _within(own, right, "verbs"):
        return False
    if "nonResourceURLs" in right:
        return _covers_url(own.get("nonResourceURLs") or (), right["nonResourceURLs"][0])
    names = own.get("resourceNames")
    if names and not (right.get("resourceNames") and right["resourceNames"][0] in names):
        return False
    return _within(own, right, "apiGroups") and _covers_resource(own.get("resources") or (), right["resources"][0])


def _within(own: Rule, right: Rule, what: str) -> bool:
    values = own.get(what) or ()
    return "*" in values or right[what][0] in values


def _covers_resource(own: Sequence[str], resource: str) -> bool:
    _, slash, subresource = resource.partition("/")
    return "*" in own or resource in own or (bool(slash) and f"*/{subresource}" in own)


def _covers_url(own: Sequence[str], url: str) -> bool:
    return any(o == url or (o.endswith("*") and url.startswith(o.rstrip("*"))) for o in own)


def _compact(rights: Iterator[Rule]) -> Iterator[Rule]:
    """Rights on the same resource and name as one rule, so that a refusal stays readable."""
    together: dict[tuple[str, ...], Rule] = {}
    for right in rights:
        if "nonResourceURLs" in right:
            yield right
            continue
        key = (right["apiGroups"][0], right["resources"][0], *right.get("resourceNames", ()))
        if key in together:
            together[key]["verbs"].extend(right["verbs"])
        else:
            together[key] = {**right, "verbs": list(right["verbs"])}
    yield from together.values()


def _shown(rule: Rule) -> str:
    parts = (f"{k[0].upper() + k[1:]}:[{' '.join(map(go_quote, rule[k]))}]" for k in _SHOWN if k in rule)
    return "{" + ", ".join(parts).replace("ApiGroups:", "APIGroups:", 1) + "}"
