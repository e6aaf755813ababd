"""Which requests a webhook or a policy concerns: rules, selectors, and the other versions of a resource
(apiserver/pkg/admission/plugin/webhook/predicates, policy/matching)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import orjson

from wherry import errors
from wherry.access.admission import DELETE, Ask
from wherry.machinery.kinds import GroupVersionKind, Obj, Resource
from wherry.store.definition import Definition, labels_of
from wherry.store.registry import Registry
from wherry.store.store import Store

if TYPE_CHECKING:
    from wherry.machinery.selectors import Selector

GROUP = "admissionregistration.k8s.io"
_EXEMPT = frozenset(
    (
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
    )
)


def exempt(ask: Ask) -> bool:
    """What configures admission is not subject to it: else nobody could mend a configuration that refuses all."""
    res = ask.definition.resource
    return res.group == GROUP and res.name in _EXEMPT


def request_namespace(ask: Ask) -> str:
    """A namespace is a request in itself."""
    return ask.name if ask.is_namespace else ask.namespace


class Selected:
    """A label selector, parsed once; None matches everything, as an empty one does."""

    def __init__(self, selector: Obj | None):
        self.selector: Selector | None = None
        if selector and (selector.get("matchLabels") or selector.get("matchExpressions")):
            from wherry.machinery.selectors import from_label_selector

            self.selector = from_label_selector(selector)

    def matches(self, labels: dict[str, str]) -> bool:
        return self.selector is None or self.selector.matches(labels)


class Matcher:
    """matchConstraints, matchResources, or the like part of a webhook."""

    def __init__(self, match: Obj, rules: Iterable[Obj], *, rules_required: bool = True):
        self._namespaces = Selected(match.get("namespaceSelector"))
        self._objects = Selected(match.get("objectSelector"))
        self._rules = list(rules)
        self._excluded: list[Obj] = match.get("excludeResourceRules") or []
        self._equivalent = match.get("matchPolicy") != "Exact"
        self._all = not self._rules and not rules_required

    def matches(self, ask: Ask, store: Store, registry: Registry) -> Definition | None:
        """The definition in whose version the request matches; None where it does not.

        Raises NotFound for a namespace that there is not."""
        missing: errors.NotFound | None = None
        try:
            if not self._namespace(ask, store):
                return None
        except errors.NotFound as absent:
            missing = absent  # matters only to requests that match otherwise
        if self._objects.selector is not None and not any(map(self._object, (ask.obj, ask.old))):
            return None
        found = ask.definition if self._all else self._by_rules(ask, registry)
        if found is not None and missing is not None:
            raise missing
        return found

    def _by_rules(self, ask: Ask, registry: Registry) -> Definition | None:
        res = ask.definition.resource
        if any(rule_matches(ask, res, rule) for rule in self._excluded):
            return None
        others = list(equivalents(ask.definition, registry)) if self._equivalent else []
        if any(rule_matches(ask, other.resource, rule) for rule in self._excluded for other in others):
            return None
        if any(rule_matches(ask, res, rule) for rule in self._rules):
            return ask.definition
        for rule in self._rules:
            for other in others:
                if rule_matches(ask, other.resource, rule):
                    return other
        return None

    def _namespace(self, ask: Ask, store: Store) -> bool:
        if self._namespaces.selector is None:
            return True
        if ask.is_namespace and not ask.subresource and ask.operation != DELETE:
            return self._namespaces.matches(_labels(ask.obj or {}))
        name = request_namespace(ask)
        if not name:
            return True  # nothing to select by
        record = store.storage.newest(f"/{ask.definition.workspace}/core/namespaces/{name}")
        if record is None:
            raise errors.NotFound.of("", "namespaces", name)
        return self._namespaces.matches(labels_of(record))

    def _object(self, obj: Obj | None) -> bool:
        return obj is not None and self._objects.matches(_labels(obj))


def _labels(obj: Obj) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("labels") or {}


def equivalents(d: Definition, registry: Registry) -> Iterator[Definition]:
    """The other resources behind which the same objects are: other versions, and groups that share a storage."""
    for res in registry.resources(d.workspace):
        if res.name == d.resource.name and res is not d.resource:
            other = registry.find(d.workspace, res.group, res.version, res.name)
            if other is not None and other is not d and other.prefix == d.prefix:
                yield other


def rule_matches(ask: Ask, res: Resource, rule: Obj) -> bool:
    """Whether a rule is about the request as one of a resource."""
    if not _listed(rule.get("operations"), ask.operation) or not _listed(rule.get("apiGroups"), res.group):
        return False
    if not _listed(rule.get("apiVersions"), res.version):
        return False
    names = rule.get("resourceNames")
    if names and ask.name not in names:
        return False
    scope = rule.get("scope") or "*"
    if scope != "*" and (scope == "Namespaced") is not (bool(ask.namespace) and not ask.is_namespace):
        return False
    for wanted in rule.get("resources") or ():
        name, _, sub = wanted.partition("/")
        if name in ("*", res.name) and sub in ("*", ask.subresource):
            return True
    return False


def _listed(items: list[str] | None, wanted: str) -> bool:
    return any(item in ("*", wanted) for item in items or ())


# --- objects in the version that was matched -------------------------------------------------------------------------


def kind_of(d: Definition, subresource: str) -> GroupVersionKind:
    """What is in the body: of a subresource it may be another kind (Scale, Eviction, ...)."""
    res = d.resource
    if subresource:
        sub = res.subresources.get(subresource)
        if sub is not None and sub.kind and sub.kind != res.kind:
            group, version = (sub.group, sub.version) if sub.version else (res.group, res.version)
            return GroupVersionKind(group, version, sub.kind)
    return GroupVersionKind(res.group, res.version, res.kind)


async def shown(ask: Ask, d: Definition, obj: Obj | None) -> Obj | None:
    """An object of the request in the version of a definition, as clients see it."""
    if obj is None:
        return None
    kind = kind_of(d, ask.subresource)
    if kind.kind == d.resource.kind:
        if d.conversion is not None:
            if obj.get("apiVersion") != kind.api_version:
                obj = await d.conversion.into(obj)
        elif not d.same_version:
            obj = d.from_storage(orjson.loads(orjson.dumps(obj)))
    if obj.get("apiVersion") == kind.api_version and obj.get("kind") == kind.kind:
        return obj
    return {"kind": kind.kind, "apiVersion": kind.api_version, **_untyped(obj)}


def _untyped(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
