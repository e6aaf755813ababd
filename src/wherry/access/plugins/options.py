"""Which admission plugins are on and how they are configured: kube-apiserver's --enable-admission-plugins,
--disable-admission-plugins and --admission-control-config-file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wherry.errors import ConfigurationError

if TYPE_CHECKING:
    from wherry.access.plugins.podsecurity import Exemptions
    from wherry.machinery.podsecurity import Policy

Obj = dict[str, Any]

# In upstream's order. `True`: on by default.
ORDER: dict[str, bool] = {
    "AlwaysAdmit": False,
    "NamespaceAutoProvision": False,
    "NamespaceLifecycle": True,
    "NamespaceExists": False,
    "LimitPodHardAntiAffinityTopology": False,
    "LimitRanger": True,
    "ServiceAccount": True,
    "NodeRestriction": False,
    "TaintNodesByCondition": True,
    "AlwaysPullImages": False,
    "PodSecurity": True,
    "PodNodeSelector": False,
    "Priority": True,
    "DefaultTolerationSeconds": True,
    "ExtendedResourceToleration": False,
    "DefaultStorageClass": True,
    "StorageObjectInUseProtection": True,
    "OwnerReferencesPermissionEnforcement": False,
    "PersistentVolumeClaimResize": True,
    "RuntimeClass": True,
    "CertificateApproval": True,
    "CertificateSigning": True,
    "ClusterTrustBundleAttest": True,
    "CertificateSubjectRestriction": True,
    "DefaultIngressClass": True,
    "DenyServiceExternalIPs": False,
    "PodTopologyLabels": True,
    "PodResizeValidator": True,
    "MutatingAdmissionPolicy": True,
    "MutatingAdmissionWebhook": True,
    "ValidatingAdmissionPolicy": True,
    "ValidatingAdmissionWebhook": True,
    "ResourceQuota": True,
    "AlwaysDeny": False,
}
# Upstream has them, we do not; to disable them is no mistake.
ABSENT = frozenset(
    [
        "EventRateLimit",
        "ImagePolicyWebhook",
        "JobValidation",
        "NodeDeclaredFeatureValidator",
        "PodGroupProtection",
        "PodGroupWorkloadExists",
        "PodTolerationRestriction",
    ]
)


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """`configuration` is the document of each plugin that has one in the configuration file."""

    enabled: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    configuration: dict[str, Obj] = field(default_factory=dict)

    def on(self, name: str) -> bool:
        """Whether a plugin runs. What is both enabled and disabled is enabled, as upstream has it."""
        if not name or name in self.enabled:
            return True
        return ORDER.get(name, True) and name not in self.disabled


def make(enable: Iterable[str] = (), disable: Iterable[str] = (), file: Path | None = None) -> AdmissionOptions:
    """Options from names and a file. Raises ConfigurationError."""
    for flag, names in (("enable", enable), ("disable", disable)):
        for name in names:
            if name not in ORDER and name not in ABSENT:
                raise ConfigurationError(f'{flag}-admission-plugins plugin "{name}" is unknown')
            if name not in ORDER and flag == "enable":
                raise ConfigurationError(f"the admission plugin {name} of kube-apiserver is not there in Wherry")
    configuration = _read(file) if file is not None else {}
    return AdmissionOptions(frozenset(enable), frozenset(disable), configuration)


def _read(file: Path) -> dict[str, Obj]:
    """An AdmissionConfiguration: a document for each plugin, in it or in a file of its own beside it."""
    document = _document(file)
    if document.get("kind") != "AdmissionConfiguration":
        raise ConfigurationError(f"{file}: kind is {document.get('kind')!r}, not AdmissionConfiguration")
    found: dict[str, Obj] = {}
    for entry in document.get("plugins") or ():
        name = entry.get("name", "")
        if name not in ORDER and name not in ABSENT:
            raise ConfigurationError(f'{file}: the plugin "{name}" is unknown')
        if entry.get("path"):
            found[name] = _document(file.parent / entry["path"])
        elif isinstance(entry.get("configuration"), dict):
            found[name] = entry["configuration"]
    return found


def _document(file: Path) -> Obj:
    from wherry.kit import goyaml

    try:
        document, _ = goyaml.loads(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{file}: {error}") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{file}: no document with a kind")
    return document


def pod_security(document: Obj | None) -> tuple[Policy | None, Exemptions | None]:
    """Defaults and exemptions of a PodSecurityConfiguration. Raises ConfigurationError."""
    if not document:
        return None, None
    from wherry.access.plugins.podsecurity import Exemptions
    from wherry.machinery.podsecurity import LevelVersion, Policy
    from wherry.machinery.podsecurity.levels import LEVELS, parse_version

    if document.get("kind") != "PodSecurityConfiguration":
        raise ConfigurationError(f"expected PodSecurityConfiguration, got {document.get('kind')}")
    defaults, exemptions = document.get("defaults") or {}, document.get("exemptions") or {}
    modes = {}
    for mode in Policy._fields:
        level = defaults.get(mode) or "privileged"
        version = parse_version(defaults.get(f"{mode}-version") or "latest")
        if level not in LEVELS:
            raise ConfigurationError(f"PodSecurity: defaults.{mode}: {level!r} must be one of {', '.join(LEVELS)}")
        if version is None:
            raise ConfigurationError(f'PodSecurity: defaults.{mode}-version: must be "latest" or "v1.x"')
        modes[mode] = LevelVersion(level, version)
    names = {key: frozenset(exemptions.get(key) or ()) for key in ("usernames", "runtimeClasses", "namespaces")}
    exempt = Exemptions(names["usernames"], names["runtimeClasses"], names["namespaces"])
    return Policy(**modes), exempt
