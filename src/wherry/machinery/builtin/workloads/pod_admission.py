"""What the admission plugins that are always on make of a pod: pure functions, fed with the objects they look up.

Follows plugin/pkg/admission: serviceaccount, defaulttolerationseconds, priority, runtimeclass. `Refused` carries what
stands behind `pods "x" is forbidden: `. Order of the plugins: service account, priority, tolerations, runtime class;
`check_runtime_class` comes after validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wherry.errors import StatusError
from wherry.machinery.builtin.common.names import name_is_path_segment
from wherry.machinery.kinds import Obj

TOKEN_PREFIX = "kube-api-access-"
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607  # an hour and seven: the odd number marks tokens nobody asked for
MIRROR = "kubernetes.io/config.mirror"
ENFORCE = "kubernetes.io/enforce-mountable-secrets"
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
SYSTEM_CLASSES = {"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}


class Refused(Exception):
    """Why a pod is not admitted."""


def account_name(pod: Obj) -> str:
    """The service account to look up, "" for a mirror pod, which has none."""
    if MIRROR in (pod["metadata"].get("annotations") or {}):
        return ""
    return pod["spec"].get("serviceAccountName") or "default"


def missing_account(namespace: str, name: str) -> Refused:
    """What a failed look-up says: the name may not even do for a request."""
    bad = name_is_path_segment(name, prefix=False)
    why = f'invalid resource name "{name}": [{" ".join(bad)}]' if bad else f'serviceaccount "{name}" not found'
    return Refused(f"error looking up service account {namespace}/{name}: {why}")


def admit_service_account(pod: Obj, account: Obj | None, suffix: Callable[[], str]) -> None:
    """Name the account, mount its token, take over its pull secrets. `account` is None only for mirror pods.

    `suffix` gives the random end of the token volume's name (five letters).
    """
    spec = pod["spec"]
    if account is None:
        _check_mirror(pod)
        return
    spec["serviceAccountName"] = spec["serviceAccount"] = account["metadata"]["name"]
    mount = spec.get("automountServiceAccountToken")
    if mount is None:
        mount = account.get("automountServiceAccountToken", True)
    if mount:
        _mount_token(spec, suffix)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [{"name": item.get("name", "")} for item in account["imagePullSecrets"]]
    if enforces_secrets(account):
        _check_secrets(spec, account)


def enforces_secrets(account: Obj) -> bool:
    """Whether pods of an account may use no secrets but those that it names."""
    return (account["metadata"].get("annotations") or {}).get(ENFORCE, "").lower() in ("1", "t", "true")


def _mount_token(spec: Obj, suffix: Callable[[], str]) -> None:
    volumes = spec.get("volumes") or []
    present = next((v["name"] for v in volumes if v.get("name", "").startswith(TOKEN_PREFIX)), "")
    name = present or TOKEN_PREFIX + suffix()
    needed = False
    for key in ("initContainers", "containers"):
        for container in spec.get(key) or ():
            mounts = container.get("volumeMounts") or []
            if all(mount.get("mountPath") != TOKEN_PATH for mount in mounts):
                mount: dict[str, Any] = {"name": name, "readOnly": True, "mountPath": TOKEN_PATH}
                container["volumeMounts"] = [*mounts, mount]
                needed = True
    if needed and not present:
        spec["volumes"] = [*volumes, {"name": name, "projected": _token_sources()}]


def _token_sources() -> Obj:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
        ],
        "defaultMode": 420,
    }


def secret_names(spec: Obj) -> set[str]:
    """Secrets that a pod names in any place (VisitPodSecretNames); only whether there are any matters."""
    names = {item.get("name", "") for item in spec.get("imagePullSecrets") or ()}
    for key in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(key) or ():
            for item in container.get("env") or ():
                reference = (item.get("valueFrom") or {}).get("secretKeyRef")
                if reference is not None:
                    names.add(reference.get("name", ""))
            names |= {i["secretRef"].get("name", "") for i in container.get("envFrom") or () if i.get("secretRef")}
    for volume in spec.get("volumes") or ():
        if volume.get("secret") is not None:
            names.add(volume["secret"].get("secretName", ""))
        for source in (volume.get("projected") or {}).get("sources") or ():
            if source.get("secret") is not None:
                names.add(source["secret"].get("name", ""))
    return names


def _check_mirror(pod: Obj) -> None:
    spec = pod["spec"]
    if spec.get("serviceAccountName"):
        raise Refused("a mirror pod may not reference service accounts")
    if secret_names(spec):
        raise Refused("a mirror pod may not reference secrets")
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if source.get("serviceAccountToken") is not None:
                raise Refused("a mirror pod may not use ServiceAccountToken volume projections")


def _check_secrets(spec: Obj, account: Obj) -> None:
    """The account's annotation asks that pods use no secrets but those it lists."""
    name = account["metadata"]["name"]
    known = {item.get("name", "") for item in account.get("secrets") or ()}
    tail = f"is not allowed because service account {name} does not reference that "
    for volume in spec.get("volumes") or ():
        secret = (volume.get("secret") or {}).get("secretName")
        if secret is not None and secret not in known:
            raise Refused(f'volume with secret.secretName="{secret}" {tail}secret')
    for key, word in (("initContainers", "init container"), ("containers", "container")):
        for container in spec.get(key) or ():
            check_container_secrets(container, word, known, name)
    pulls = {item.get("name", "") for item in account.get("imagePullSecrets") or ()}
    for index, item in enumerate(spec.get("imagePullSecrets") or ()):
        if item.get("name", "") not in pulls:
            raise Refused(f'imagePullSecrets[{index}].name="{item.get("name", "")}" {tail}imagePullSecret')


def check_container_secrets(container: Obj, word: str, known: set[str], account: str) -> None:
    """Secrets in the environment of one container; `word` says what kind of container it is."""
    start = f"{word} {container.get('name', '')} with"
    tail = f"is not allowed because service account {account} does not reference that secret"
    for item in container.get("env") or ():
        reference = (item.get("valueFrom") or {}).get("secretKeyRef")
        if reference is not None and reference.get("name", "") not in known:
            shown = f'referencing secret.secretName="{reference.get("name", "")}"'
            raise Refused(f"{start} envVar {item.get('name', '')} {shown} {tail}")
    for item in container.get("envFrom") or ():
        reference = item.get("secretRef")
        if reference is not None and reference.get("name", "") not in known:
            raise Refused(f'{start} envFrom referencing secret.secretName="{reference.get("name", "")}" {tail}')


def admit_tolerations(pod: Obj) -> None:
    """Five minutes of patience with a node that is not ready or not reachable."""
    spec = pod["spec"]
    tolerations = spec.get("tolerations") or []

    def tolerates(key: str) -> bool:
        return any(t.get("key", "") in (key, "") and t.get("effect", "") in ("NoExecute", "") for t in tolerations)

    added = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in (NOT_READY, UNREACHABLE)
        if not tolerates(key)
    ]
    if added:
        spec["tolerations"] = [*tolerations, *added]


def admit_priority(
    pod: Obj, lookup: Callable[[str], Obj | None], default_class: Callable[[], Obj | None] = lambda: None
) -> None:
    """Resolve the priority class: `lookup` by name, `default_class` the one marked globalDefault (lowest value)."""
    spec = pod["spec"]
    name = spec.get("priorityClassName", "")
    found = lookup(name) if name else default_class()
    if name and found is None:
        raise Refused(f"no PriorityClass with name {name} was found")
    value, policy = 0, "PreemptLowerPriority"
    if found is not None:
        value, policy = found.get("value", 0), found.get("preemptionPolicy", "")
        spec["priorityClassName"] = found["metadata"]["name"]
    asked = spec.get("priority")
    if asked is not None and asked != value:
        raise Refused(
            f"the integer value of priority ({asked}) must not be provided in pod spec; "
            f"priority admission controller computed {value} from the given PriorityClass name"
        )
    spec["priority"] = value
    if policy:
        wanted = spec.get("preemptionPolicy")
        if wanted is not None and wanted != policy:
            raise Refused(
                f"the string value of PreemptionPolicy ({wanted}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name"
            )
        spec["preemptionPolicy"] = policy


def admit_priority_update(new: Obj, old: Obj) -> None:
    """An update that leaves priority out keeps it."""
    for key in ("priority", "preemptionPolicy"):
        if new["spec"].get(key) is None and old["spec"].get(key) is not None:
            new["spec"][key] = old["spec"][key]


def admit_runtime_class(pod: Obj, lookup: Callable[[str], Obj | None]) -> None:
    """Overhead and scheduling of the pod's RuntimeClass."""
    spec = pod["spec"]
    found = _runtime_class(spec, lookup)
    fixed = found.get("overhead")
    if fixed is not None:
        wanted = fixed.get("podFixed") or {}
        if spec.get("overhead") and spec["overhead"] != wanted:
            raise Refused("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        if wanted:
            spec["overhead"] = dict(wanted)
    scheduling = found.get("scheduling")
    if scheduling is not None:
        _merge_scheduling(spec, scheduling)


def check_runtime_class(pod: Obj, lookup: Callable[[str], Obj | None]) -> None:
    """The half of the plugin that runs after the validation of the pod."""
    spec = pod["spec"]
    fixed = _runtime_class(spec, lookup).get("overhead")
    if fixed is not None and (fixed.get("podFixed") or {}) != (spec.get("overhead") or {}):
        raise Refused("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    if fixed is None and spec.get("overhead") is not None:
        raise Refused("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")


def _runtime_class(spec: Obj, lookup: Callable[[str], Obj | None]) -> Mapping[str, Any]:
    """The class that the pod names, empty when it names none."""
    name = spec.get("runtimeClassName")
    if name is None:
        return {}
    bad = name_is_path_segment(name, prefix=False)
    if bad:  # the look-up itself fails, which is no refusal
        raise StatusError(f'invalid resource name "{name}": [{" ".join(bad)}]', reason="")
    found = lookup(name)
    if found is None:
        raise Refused(f'pod rejected: RuntimeClass "{name}" not found')
    return found


def _merge_scheduling(spec: Obj, scheduling: Mapping[str, Any]) -> None:
    selector = dict(spec.get("nodeSelector") or {})
    for key, value in (scheduling.get("nodeSelector") or {}).items():
        if selector.get(key, value) != value:
            raise Refused(
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {selector[key]}"
            )
        selector[key] = value
    if selector:
        spec["nodeSelector"] = selector
    tolerations = list(spec.get("tolerations") or ())
    tolerations += [t for t in scheduling.get("tolerations") or () if t not in tolerations]
    if tolerations:
        spec["tolerations"] = tolerations
