"""ValidatingAdmissionPolicies say which of their expressions do not fit the kinds that they match
(kube-controller-manager's validatingadmissionpolicy-status controller)."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Feature, Runnable
from wherry.features.admissionpolicies.types_controller import ACCOUNT, TypesController


def _controllers(client: Client) -> Sequence[Runnable]:
    return [TypesController(client)]


FEATURE = Feature(
    "admissionpolicies", ACCOUNT, _controllers, wakes_on=("validatingadmissionpolicies.admissionregistration.k8s.io",)
)
