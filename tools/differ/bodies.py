"""Kinds that the differential test writes, each with a valid body to start from.

The bodies are small and touch what has rules of its own (defaults, lists with keys, quantities, immutable fields);
tools/differ/mutate.py makes the rest of what is possible out of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

Obj = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One resource and how often it is chosen."""

    group: str
    version: str
    resource: str
    kind: str
    make: Callable[[Random], Obj]
    namespaced: bool = True
    weight: int = 3
    subresources: tuple[str, ...] = ()
    custom: bool = False
    lists: bool = True  # whether a list shows only what the sequence has made

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str, name: str = "", sub: str = "") -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        middle = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return "/".join([f"{root}{middle}/{self.resource}", *filter(None, [name, sub])])


def container(rng: Random, name: str = "c") -> Obj:
    found: Obj = {
        "name": name,
        "image": rng.choice(["nginx", "busybox:1.36", "registry.example.com/a/b@sha256:" + "0" * 64]),
    }
    if rng.random() < 0.5:
        found["ports"] = [
            {"containerPort": 80, "name": "http"},
            {"containerPort": 81, "protocol": rng.choice(["TCP", "UDP"])},
        ]
    if rng.random() < 0.4:
        found["env"] = [
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ]
    if rng.random() < 0.4:
        found["resources"] = {
            "requests": {"cpu": rng.choice(["0.5", "100m", "1"]), "memory": "64Mi"},
            "limits": {"cpu": "2"},
        }
    if rng.random() < 0.3:
        found["livenessProbe"] = {"httpGet": {"path": "/", "port": rng.choice([80, "http"])}, "periodSeconds": 5}
    if rng.random() < 0.2:
        found["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    if rng.random() < 0.2:
        found["securityContext"] = {"runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}}
    return found


def pod_spec(rng: Random) -> Obj:
    spec: Obj = {"containers": [container(rng)]}
    if rng.random() < 0.3:
        spec["containers"].append(container(rng, "d"))
    if rng.random() < 0.3:
        spec["initContainers"] = [container(rng, "i")]
    volumes: list[Obj] = [
        {"emptyDir": {}},
        {"configMap": {"name": "m"}},
        {"secret": {"secretName": "s"}},
        {"hostPath": {"path": "/h"}},
    ]
    volumes.append({"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}})
    if rng.random() < 0.6 or any("volumeMounts" in c for c in spec["containers"]):
        spec["volumes"] = [{"name": "v", **rng.choice(volumes)}]
    if rng.random() < 0.2:
        spec["tolerations"] = [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}]
    if rng.random() < 0.2:
        spec["topologySpreadConstraints"] = [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
        ]
    if rng.random() < 0.15:
        term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}}
        spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return spec


def template(rng: Random, **more: Any) -> Obj:
    return {"metadata": {"labels": {"app": "x"}}, "spec": {**pod_spec(rng), **more}}


def _workload(rng: Random, **more: Any) -> Obj:
    return {"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template(rng), **more}}


def _config_map(rng: Random) -> Obj:
    made: Obj = {"data": {key: rng.choice(["1", "two", ""]) for key in rng.sample("abcde", rng.randint(0, 3))}}
    if rng.random() < 0.1:
        made["binaryData"] = {"bin": "aGVsbG8="}
    if rng.random() < 0.1:
        made["immutable"] = rng.random() < 0.5
    return made


def _secret(rng: Random) -> Obj:
    return rng.choice(
        [
            {"stringData": {"a": "b"}},
            {"data": {"a": "Yg=="}, "type": "example.com/own"},
            {"type": "kubernetes.io/basic-auth", "stringData": {"username": "u", "password": "p"}},
            {"type": "kubernetes.io/tls", "data": {"tls.crt": "YQ==", "tls.key": "Yg=="}},
            {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": '{"auths":{}}'}},
        ]
    )


def _service(rng: Random) -> Obj:
    ports = [{"port": 80, "name": "http"}, {"port": 81, "name": "other", "protocol": "UDP", "targetPort": "x"}]
    spec: Obj = {"selector": {"app": "x"}, "ports": ports[: rng.randint(1, 2)]}
    if rng.random() < 0.6:
        spec["type"] = rng.choice(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])
    if spec.get("type") == "ExternalName":
        spec["externalName"] = "example.com"
    if rng.random() < 0.15 and spec.get("type", "ClusterIP") == "ClusterIP":
        spec["clusterIP"] = "None"
    if rng.random() < 0.2:
        spec["sessionAffinity"] = "ClientIP"
    return {"spec": spec}


def _claim(rng: Random) -> Obj:
    spec: Obj = {
        "accessModes": [rng.choice(["ReadWriteOnce", "ReadWriteMany"])],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    if rng.random() < 0.5:
        spec["storageClassName"] = rng.choice(["", "fast"])
    return {"spec": spec}


def _volume(rng: Random) -> Obj:
    source: Obj = rng.choice([{"hostPath": {"path": "/d"}}, {"nfs": {"server": "s", "path": "/p"}}])
    return {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **source}}


def _job(rng: Random) -> Obj:
    spec: Obj = {"template": {"spec": {**pod_spec(rng), "restartPolicy": rng.choice(["Never", "OnFailure"])}}}
    if rng.random() < 0.3:
        spec |= {"completions": 3, "completionMode": rng.choice(["Indexed", "NonIndexed"]), "parallelism": 2}
    if rng.random() < 0.3:
        spec["suspend"] = rng.random() < 0.5
    return {"spec": spec}


def _cron(rng: Random) -> Obj:
    return {"spec": {"schedule": rng.choice(["* * * * *", "@hourly", "0 3 * * 1"]), "jobTemplate": _job(rng)}}


def _ingress(rng: Random) -> Obj:
    backend = {"service": {"name": "s", "port": rng.choice([{"number": 80}, {"name": "http"}])}}
    path = {"path": "/", "pathType": rng.choice(["Prefix", "Exact"]), "backend": backend}
    spec: Obj = {"rules": [{"host": rng.choice(["a.example.com", "*.example.com"]), "http": {"paths": [path]}}]}
    if rng.random() < 0.3:
        spec["tls"] = [{"hosts": ["a.example.com"], "secretName": "t"}]
    return {"spec": spec}


def _policy(rng: Random) -> Obj:
    peer = rng.choice([{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}])
    spec: Obj = {"podSelector": {"matchLabels": {"a": "b"}}, "ingress": [{"from": [peer], "ports": [{"port": 80}]}]}
    if rng.random() < 0.4:
        spec["policyTypes"] = ["Ingress", "Egress"][: rng.randint(1, 2)]
    return {"spec": spec}


def _role(rng: Random) -> Obj:
    return {
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": rng.sample(["get", "list", "watch", "*"], 2)}]
    }


def _binding(rng: Random) -> Obj:
    subject = rng.choice(
        [
            {"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"},
            {"kind": "User", "name": "u"},
            {"kind": "ServiceAccount", "name": "a", "namespace": "default"},
        ]
    )
    return {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}, "subjects": [subject]}


def _cluster_binding(rng: Random) -> Obj:
    made = _binding(rng)
    return {**made, "roleRef": {**made["roleRef"], "kind": "ClusterRole"}}


def _quota(rng: Random) -> Obj:
    spec: Obj = {"hard": {rng.choice(["pods", "services", "count/widgets.example.com"]): "100", "requests.cpu": "1000"}}
    if rng.random() < 0.3:
        spec["scopes"] = [rng.choice(["BestEffort", "NotTerminating", "NotBestEffort"])]
    return {"spec": spec}


def _limits(rng: Random) -> Obj:
    return {
        "spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "2000Gi"}, "min": {"storage": "1"}}]}
    }


def _hpa(rng: Random) -> Obj:
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
    spec: Obj = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "maxReplicas": 5}
    if rng.random() < 0.6:
        spec["metrics"] = [metric]
    return {"spec": spec}


def _budget(rng: Random) -> Obj:
    return {
        "spec": {
            "selector": {"matchLabels": {"app": "y"}},
            rng.choice(["minAvailable", "maxUnavailable"]): rng.choice([1, "50%"]),
        }
    }


def _lease(rng: Random) -> Obj:
    spec: Obj = {"holderIdentity": "h", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.000006Z"}
    return {"spec": spec if rng.random() < 0.8 else {}}


def _slice(rng: Random) -> Obj:
    kind = rng.choice([("IPv4", "10.1.2.3"), ("IPv6", "fd00::1"), ("FQDN", "a.example.com")])
    return {"addressType": kind[0], "endpoints": [{"addresses": [kind[1]]}], "ports": [{"port": 80, "name": "a"}]}


def _endpoints(rng: Random) -> Obj:
    return {"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80, "name": "a"}]}]}


def _event(rng: Random) -> Obj:
    return {
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "${ns}"},
        "reason": "R",
        "message": "m",
        "type": "Normal",
    }


def _account(rng: Random) -> Obj:
    return {"automountServiceAccountToken": False} if rng.random() < 0.3 else {}


def _storage_class(rng: Random) -> Obj:
    made: Obj = {"provisioner": "example.com/p", "parameters": {"a": "b"}}
    if rng.random() < 0.5:
        made["reclaimPolicy"] = rng.choice(["Delete", "Retain"])
    return made


def _priority(rng: Random) -> Obj:
    return {"value": rng.choice([0, 10, -5, 1000]), "description": "d"}


def _node(rng: Random) -> Obj:
    return {"spec": {"podCIDR": "10.9.0.0/24", "taints": [{"key": "k", "effect": "NoSchedule"}]}}


def _webhook(rng: Random) -> Obj:
    rule = {"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]}
    hook = {"name": "a.example.com", "clientConfig": {"url": "https://h.example.com/x"}, "sideEffects": "None"}
    return {"webhooks": [{**hook, "admissionReviewVersions": ["v1"], "rules": [rule]}]}


def _admission_policy(rng: Random) -> Obj:
    rule = {"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]}
    checks = ["object.spec.replicas < 5", "has(object.metadata.labels)", "object.metadata.name.startsWith('a')"]
    return {
        "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": rng.choice(checks)}]}
    }


def _flow(rng: Random) -> Obj:
    rules = {
        "subjects": [{"kind": "Group", "group": {"name": "g"}}],
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}],
    }
    return {
        "spec": {
            "priorityLevelConfiguration": {"name": "p"},
            "matchingPrecedence": rng.randint(1, 5000),
            "rules": [rules],
        }
    }


def _level(rng: Random) -> Obj:
    limited = {"nominalConcurrencyShares": rng.randint(1, 9), "limitResponse": {"type": "Reject"}}
    return {"spec": {"type": "Limited", "limited": limited}}


def _csi_driver(rng: Random) -> Obj:
    return {"spec": {"attachRequired": rng.random() < 0.5}}


def _runtime_class(rng: Random) -> Obj:
    return {"handler": "h", "overhead": {"podFixed": {"cpu": "100m"}}}


def _ingress_class(rng: Random) -> Obj:
    return {"spec": {"controller": "example.com/c"}}


def _controller(rng: Random) -> Obj:
    return {"spec": {"selector": {"app": "x"}, "template": template(rng)}}


_APPS = ("apps", "v1")
_STATUS = ("status",)
_SCALE = ("status", "scale")
_RBAC = ("rbac.authorization.k8s.io", "v1")
_NET = ("networking.k8s.io", "v1")

KINDS: list[Kind] = [
    Kind("", "v1", "configmaps", "ConfigMap", _config_map, weight=12),
    Kind("", "v1", "secrets", "Secret", _secret, weight=5),
    Kind("", "v1", "services", "Service", _service, weight=7, subresources=_STATUS),
    Kind("", "v1", "pods", "Pod", lambda r: {"spec": pod_spec(r)}, weight=9, subresources=("status", "eviction", "binding", "ephemeralcontainers", "resize", "log")),
    Kind("", "v1", "serviceaccounts", "ServiceAccount", _account, weight=2, subresources=("token",), lists=False),
    Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", _claim, subresources=_STATUS),
    Kind("", "v1", "persistentvolumes", "PersistentVolume", _volume, namespaced=False, subresources=_STATUS, lists=False),
    Kind("", "v1", "resourcequotas", "ResourceQuota", _quota, weight=1, subresources=_STATUS),
    Kind("", "v1", "limitranges", "LimitRange", _limits, weight=1),
    Kind("", "v1", "endpoints", "Endpoints", _endpoints, weight=2),
    Kind("", "v1", "events", "Event", _event, weight=2),
    Kind("", "v1", "replicationcontrollers", "ReplicationController", _controller, weight=2, subresources=_SCALE),
    Kind("", "v1", "podtemplates", "PodTemplate", lambda r: {"template": template(r)}, weight=1),
    Kind("", "v1", "nodes", "Node", _node, namespaced=False, weight=2, subresources=_STATUS, lists=False),
    Kind(*_APPS, "deployments", "Deployment", _workload, weight=10, subresources=_SCALE),
    Kind(*_APPS, "statefulsets", "StatefulSet", lambda r: _workload(r, serviceName="s"), weight=4, subresources=_SCALE),
    Kind(*_APPS, "daemonsets", "DaemonSet", _workload, weight=3, subresources=_STATUS),
    Kind(*_APPS, "replicasets", "ReplicaSet", _workload, weight=3, subresources=_SCALE),
    Kind(*_APPS, "controllerrevisions", "ControllerRevision", lambda r: {"revision": 1, "data": {"a": 1}}, weight=1),
    Kind("batch", "v1", "jobs", "Job", _job, weight=4, subresources=_STATUS),
    Kind("batch", "v1", "cronjobs", "CronJob", _cron, weight=3, subresources=_STATUS),
    Kind(*_NET, "ingresses", "Ingress", _ingress, weight=4, subresources=_STATUS),
    Kind(*_NET, "networkpolicies", "NetworkPolicy", _policy, weight=3),
    Kind(*_NET, "ingressclasses", "IngressClass", _ingress_class, namespaced=False, weight=1, lists=False),
    Kind(*_RBAC, "roles", "Role", _role, weight=3),
    Kind(*_RBAC, "rolebindings", "RoleBinding", _binding, weight=2),
    Kind(*_RBAC, "clusterroles", "ClusterRole", _role, namespaced=False, weight=2, lists=False),
    Kind(*_RBAC, "clusterrolebindings", "ClusterRoleBinding", _cluster_binding, namespaced=False, weight=1, lists=False),
    Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", _hpa, weight=3, subresources=_STATUS),
    Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", _budget, weight=3, subresources=_STATUS),
    Kind("coordination.k8s.io", "v1", "leases", "Lease", _lease, weight=3),
    Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", _slice, weight=3),
    Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", _storage_class, namespaced=False, weight=2, lists=False),
    Kind("storage.k8s.io", "v1", "csidrivers", "CSIDriver", _csi_driver, namespaced=False, weight=1, lists=False),
    Kind("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", _priority, namespaced=False, weight=2, lists=False),
    Kind("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", _runtime_class, namespaced=False, weight=1, lists=False),
    Kind("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", _webhook, namespaced=False, weight=1, lists=False),
    Kind("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", _webhook, namespaced=False, weight=1, lists=False),
    Kind("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", _admission_policy, namespaced=False, weight=1, lists=False),
    Kind("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema", _flow, namespaced=False, weight=1, lists=False),
    Kind("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "PriorityLevelConfiguration", _level, namespaced=False, weight=1, lists=False),
]  # fmt: skip
