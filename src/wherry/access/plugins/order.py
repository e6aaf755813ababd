"""The admission plugins in their order (kubernetes/pkg/kubeapiserver/options/plugins.go: AllOrderedPlugins).

Where upstream's plugin has a half that changes objects and one that checks them, so has ours, each in its list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from wherry.access.admission import ALL, CREATE, DELETE, UPDATE, WRITES, Admission, Kinds, Step
from wherry.access.pending import settled
from wherry.access.plugins import nodes, placed, pods
from wherry.access.plugins.certificates import BUNDLES, REQUESTS, approval, attestation, signing, subject_restriction
from wherry.access.plugins.classes import CLAIM, INGRESSES, claim_resize, default_class
from wherry.access.plugins.limits import limit_bounds, limit_defaults
from wherry.access.plugins.namespaces import lifecycle
from wherry.access.plugins.options import ORDER, AdmissionOptions, pod_security
from wherry.access.plugins.podsecurity import KINDS as POD_SPECS
from wherry.access.plugins.podsecurity import PodSecurity
from wherry.access.plugins.policies import Policies
from wherry.access.plugins.quota import Quotas, limited_resources
from wherry.access.plugins.services import Addresses
from wherry.access.plugins.storage import FINALIZERS, in_use_protection
from wherry.access.plugins.webhooks import Webhooks
from wherry.access.user import Attributes, Decision
from wherry.store.registry import Registry
from wherry.store.store import Store

PODS: Kinds = frozenset([("", "pods")])
CLAIMS: Kinds = frozenset([CLAIM])
# Whose changes may use more of a quota than before; of all others only what is made is counted.
METERED: Kinds = frozenset(
    [("", "pods"), ("", "services"), ("", "persistentvolumeclaims"), ("resource.k8s.io", "resourceclaims")]
)
NODES: Kinds = frozenset([("", "nodes")])
SERVICES: Kinds = frozenset([("", "services")])
NAMESPACES: Kinds = frozenset([("", "namespaces")])
_CREATE, _UPDATE, _DELETE = frozenset((CREATE,)), frozenset((UPDATE,)), frozenset((DELETE,))

Allowed = Callable[[Attributes], Awaitable[bool]]


def chains(
    store: Store,
    registry: Registry,
    decide: Callable[[Attributes], Decision] | None,
    caller: Callable[[], Any] | None,
    options: AdmissionOptions,
) -> Admission:
    """Everything that is on, sorted; `caller` gives the way out to webhooks, without it there are none."""

    async def allowed(asked: Attributes) -> bool:
        return decide is None or (await settled(lambda: decide(asked))).allowed

    policies = Policies(store, registry, decide)
    webhooks = Webhooks(store, registry, caller, decide) if caller is not None else None
    mutating = [*_mutating(store, policies, webhooks), *_optional_mutating(store, registry, options)]
    validating = [
        *_validating(store, policies, webhooks, allowed, options),
        *_quota(store, registry, options),
        *_optional_validating(store, registry, allowed, options),
    ]
    places = {name: place for place, name in enumerate(ORDER)}
    for steps in (mutating, validating):
        steps.sort(key=lambda step: places[step.name])
    return Admission(
        [step for step in mutating if options.on(step.name)],
        [step for step in validating if options.on(step.name)],
        preparing=[Step("", Addresses(store).plugin, WRITES, SERVICES)],
    )


def _mutating(store: Store, policies: Policies, webhooks: Webhooks | None) -> Iterator[Step]:
    yield Step("NamespaceLifecycle", lifecycle(store), _CREATE)
    yield Step("LimitRanger", limit_defaults(store), WRITES, PODS)
    yield Step("ServiceAccount", pods.service_account(store), _CREATE, PODS)
    yield Step("TaintNodesByCondition", nodes.not_ready_taint, _CREATE, NODES)
    yield Step("Priority", pods.priority(store), WRITES, PODS)
    yield Step("DefaultTolerationSeconds", pods.tolerations, WRITES, PODS)
    yield Step("DefaultStorageClass", default_class(store, CLAIM), _CREATE, CLAIMS)
    yield Step("StorageObjectInUseProtection", in_use_protection, _CREATE, frozenset(FINALIZERS))
    yield Step("RuntimeClass", pods.runtime_class(store), _CREATE, PODS)
    yield Step("DefaultIngressClass", default_class(store, INGRESSES), _CREATE, frozenset([INGRESSES]))
    yield Step("PodTopologyLabels", placed.topology_labels(store), _CREATE, PODS)
    yield Step("MutatingAdmissionPolicy", policies.mutating())
    if webhooks is not None:
        yield Step("MutatingAdmissionWebhook", webhooks.mutating())


def _validating(
    store: Store, policies: Policies, webhooks: Webhooks | None, allowed: Allowed, options: AdmissionOptions
) -> Iterator[Step]:
    requests = frozenset([REQUESTS])
    security = PodSecurity(store, *pod_security(options.configuration.get("PodSecurity")))
    yield Step("NamespaceLifecycle", lifecycle(store, deletes=True), _DELETE, NAMESPACES)
    yield Step("LimitRanger", limit_bounds(store), WRITES, PODS | CLAIMS)
    yield Step("ServiceAccount", pods.debugging_secrets(store), _UPDATE, PODS)
    yield Step("PodSecurity", security.plugin, WRITES, POD_SPECS)
    yield Step("PersistentVolumeClaimResize", claim_resize(store), _UPDATE, CLAIMS)
    yield Step("RuntimeClass", pods.runtime_class(store, check=True), _CREATE, PODS)
    yield Step("CertificateApproval", approval(allowed), _UPDATE, requests)
    yield Step("CertificateSigning", signing(allowed), _UPDATE, requests)
    yield Step("ClusterTrustBundleAttest", attestation(allowed), WRITES, frozenset([BUNDLES]))
    yield Step("CertificateSubjectRestriction", subject_restriction, _CREATE, requests)
    yield Step("PodResizeValidator", placed.resize(store), _UPDATE, PODS)
    yield Step("ValidatingAdmissionPolicy", policies.validating())
    if webhooks is not None:
        yield Step("ValidatingAdmissionWebhook", webhooks.validating())


def _quota(store: Store, registry: Registry, options: AdmissionOptions) -> Iterator[Step]:
    quotas = Quotas(store, registry, limited_resources(options.configuration.get("ResourceQuota")))
    yield Step("ResourceQuota", quotas.plugin, _CREATE)
    yield Step("ResourceQuota", quotas.plugin, _UPDATE, METERED)


def _optional_mutating(store: Store, registry: Registry, options: AdmissionOptions) -> Iterator[Step]:
    if not options.enabled:
        return
    from wherry.access.plugins import optional
    from wherry.access.plugins.noderestriction import NodeRestriction

    selectors = options.configuration.get("PodNodeSelector") or {}
    yield Step("AlwaysAdmit", optional.always_admit, frozenset())
    yield Step("NamespaceAutoProvision", optional.namespace_provision(store, registry), _CREATE)
    yield Step("NodeRestriction", NodeRestriction(store).plugin, WRITES | _DELETE)
    yield Step("AlwaysPullImages", optional.always_pull, WRITES, PODS)
    yield Step("PodNodeSelector", optional.node_selector(store, selectors), _CREATE, PODS)
    yield Step("ExtendedResourceToleration", optional.extended_tolerations, WRITES, PODS)


def _optional_validating(
    store: Store, registry: Registry, allowed: Allowed, options: AdmissionOptions
) -> Iterator[Step]:
    if not options.enabled:
        return
    from wherry.access.plugins import optional

    owners = optional.owner_references(registry, allowed)
    yield Step("NamespaceExists", optional.namespace_exists(store), WRITES | _DELETE)
    yield Step("LimitPodHardAntiAffinityTopology", optional.hard_anti_affinity, WRITES, PODS)
    yield Step("AlwaysPullImages", optional.pulls_always, WRITES, PODS)
    yield Step("OwnerReferencesPermissionEnforcement", owners, WRITES)
    yield Step("DenyServiceExternalIPs", optional.no_external_ips, WRITES, SERVICES)
    yield Step("AlwaysDeny", optional.always_deny, ALL)
