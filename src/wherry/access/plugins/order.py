"""The admission plugins in their order (kubernetes/pkg/kubeapiserver/options/plugins.go: AllOrderedPlugins).

Where upstream's plugin has a half that changes objects and one that checks them, so has ours, each in its list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.access.admission import CREATE, DELETE, UPDATE, WRITES, Admission, Kinds, Plugin, Step
from wherry.access.plugins.classes import claim_resize, default_classes
from wherry.access.plugins.limits import limit_bounds, limit_defaults
from wherry.access.plugins.namespaces import lifecycle
from wherry.access.plugins.nodes import not_ready_taint
from wherry.access.plugins.pods import checked_pods, pods
from wherry.access.plugins.podsecurity import KINDS as POD_SPECS
from wherry.access.plugins.podsecurity import PodSecurity
from wherry.access.plugins.policies import Policies
from wherry.access.plugins.services import Addresses
from wherry.access.plugins.storage import FINALIZERS, in_use_protection
from wherry.access.plugins.webhooks import Webhooks
from wherry.access.user import Attributes, Decision
from wherry.store.registry import Registry
from wherry.store.store import Store

PODS: Kinds = frozenset([("", "pods")])
CLAIMS: Kinds = frozenset([("", "persistentvolumeclaims")])
CLASSED: Kinds = CLAIMS | {("networking.k8s.io", "ingresses")}
LIMITED: Kinds = PODS | CLAIMS
NODES: Kinds = frozenset([("", "nodes")])
SERVICES: Kinds = frozenset([("", "services")])
NAMESPACES: Kinds = frozenset([("", "namespaces")])
_CREATE, _UPDATE, _DELETE = frozenset((CREATE,)), frozenset((UPDATE,)), frozenset((DELETE,))


def chains(
    store: Store, registry: Registry, decide: Callable[[Attributes], Decision] | None, caller: Callable[[], Any] | None
) -> Admission:
    addresses = Addresses(store)
    policies = Policies(store, registry, decide)

    webhooks = Webhooks(store, registry, caller, decide) if caller is not None else None

    def only(name: str, plugin: Plugin, operations: frozenset[str] = WRITES, kinds: Kinds | None = None) -> Step:
        return Step(name, plugin, operations, kinds)

    mutating = [
        only("NamespaceLifecycle", lifecycle(store), _CREATE),
        only("LimitRanger", limit_defaults(store), kinds=PODS),
        only("ServiceAccount", pods(store), kinds=PODS),
        only("TaintNodesByCondition", not_ready_taint, _CREATE, NODES),
        only("DefaultStorageClass", default_classes(store), _CREATE, CLASSED),
        only("StorageObjectInUseProtection", in_use_protection, _CREATE, frozenset(FINALIZERS)),
        Step("MutatingAdmissionPolicy", policies.mutating()),
    ]
    validating = [
        only("NamespaceLifecycle", lifecycle(store, deletes=True), _DELETE, NAMESPACES),
        only("LimitRanger", limit_bounds(store), kinds=LIMITED),
        only("PodSecurity", PodSecurity(store).plugin, kinds=POD_SPECS),
        only("RuntimeClass", checked_pods(store), _CREATE, PODS),
        only("PersistentVolumeClaimResize", claim_resize(store), _UPDATE, CLAIMS),
        Step("ValidatingAdmissionPolicy", policies.validating()),
    ]
    if webhooks is not None:
        mutating.append(Step("MutatingAdmissionWebhook", webhooks.mutating()))
        validating.append(Step("ValidatingAdmissionWebhook", webhooks.validating()))
    return Admission(mutating, validating, preparing=[only("", addresses.plugin, kinds=SERVICES)])
