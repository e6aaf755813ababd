"""Subresources of built-in kinds, tables, defaults and addresses."""

from __future__ import annotations

from typing import Any

from tests.conformance.api import TABLE, Api, causes, deployment, made, ok, pod, refused, service, unique
from tests.conformance.behaviours import Area, row

area = Area("kinds", "Built-in kinds: subresources, tables, defaults")

PODS = "kubernetes/pkg/registry/core/pod/storage"
SCALE = "kubernetes/pkg/registry/apps/deployment/storage/storage.go ScaleREST"
PRINTERS = "kubernetes/pkg/printers/internalversion/printers.go"


@area("The scale of a Deployment has its selector as text.", SCALE)
def test_scale(api: Api) -> None:
    made(api.post("apps/deployments", deployment()))
    scale = ok(api.get("apps/deployments/d/scale"))
    assert (scale["kind"], scale["spec"], scale["status"]) == ("Scale", {}, {"replicas": 0, "selector": "app=x"})


@area("A write of the scale moves the Deployment's generation.", SCALE)
def test_write_scale(api: Api) -> None:
    made(api.post("apps/deployments", deployment()))
    body = {"metadata": {"name": "d", "namespace": api.namespace}, "spec": {"replicas": 2}}
    assert ok(api.put("apps/deployments/d/scale", body))["spec"] == {"replicas": 2}
    found = ok(api.get("apps/deployments/d"))
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (2, 2)


@area("Negative replicas of a scale are refused.", SCALE)
def test_negative_scale(api: Api) -> None:
    made(api.post("apps/deployments", deployment()))
    status = refused(api.merge("apps/deployments/d/scale", {"spec": {"replicas": -1}}), 422, "Invalid")
    assert causes(status) == [("FieldValueInvalid", "spec.replicas")]


@area.table(
    SCALE,
    row("scale-set", "StatefulSets have a scale.", "apps/statefulsets"),
    row("scale-replicaset", "ReplicaSets have a scale.", "apps/replicasets"),
)
def test_scales(api: Api, path: str) -> None:
    body = deployment("s")
    made(
        api.post(
            path,
            {
                "metadata": body["metadata"],
                "spec": {k: v for k, v in body["spec"].items() if k in ("replicas", "selector", "template")},
            },
        )
    )
    assert ok(api.get(f"{path}/s/scale"))["kind"] == "Scale"


@area("A DaemonSet has none.", "kubernetes/pkg/registry/apps/rest/storage_apps.go")
def test_no_scale(api: Api) -> None:
    refused(api.get("apps/daemonsets/d/scale"), 404, "NotFound", "the server could not find the requested resource")


@area("An update of status keeps the spec.", "kubernetes/pkg/registry/apps/deployment/strategy.go statusStrategy")
def test_status(api: Api) -> None:
    made(api.post("apps/deployments", deployment()))
    found = ok(api.merge("apps/deployments/d/status", {"spec": {"paused": True}, "status": {"observedGeneration": 1}}))
    assert found["status"]["observedGeneration"] == 1
    assert "paused" not in found["spec"]


@area("Logs of a pod without a node are nothing: 204.", "kubernetes/pkg/registry/core/pod/strategy.go LogLocation")
def test_log(api: Api) -> None:
    made(api.post("pods", pod()))
    assert api.get("pods/p/log").status == 204


@area.table(
    "kubernetes/pkg/apis/core/validation/validation.go ValidatePodLogOptions",
    row(
        "log-tail",
        "tailLines is not negative.",
        "tailLines=-1",
        422,
        'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
    ),
    row(
        "log-limit",
        "limitBytes is positive.",
        "limitBytes=0",
        422,
        "limitBytes: Invalid value: 0: must be greater than 0",
    ),
    row(
        "log-since",
        "sinceSeconds is positive.",
        "sinceSeconds=0",
        422,
        "sinceSeconds: Invalid value: 0: must be greater than 0",
    ),
    row(
        "log-container",
        "A container that the pod has not is named.",
        "container=zz",
        400,
        "container zz is not valid for pod p",
    ),
    row("log-number", "tailLines is a number.", "tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
)
def test_log_options(api: Api, options: str, code: int, text: str) -> None:
    made(api.post("pods", pod()))
    refused(api.get(f"pods/p/log?{options}"), code, "Invalid" if code == 422 else "BadRequest", text)


@area(
    "Logs of one of several containers need its name.", "kubernetes/pkg/registry/core/pod/strategy.go validateContainer"
)
def test_log_of_several(api: Api) -> None:
    made(api.post("pods", pod(containers=[{"name": "a", "image": "i"}, {"name": "b", "image": "i"}])))
    refused(
        api.get("pods/p/log"), 400, "BadRequest", "a container name must be specified for pod p, choose one of: [a b]"
    )


@area.table(
    "kubernetes/pkg/registry/core/pod/strategy.go",
    row("exec-no-node", "exec in a pod without a node says so.", "exec?command=x"),
    row("attach-no-node", "attach to a pod without a node says so.", "attach"),
    row("forward-no-node", "portforward to a pod without a node says so.", "portforward"),
)
def test_no_node(api: Api, sub: str) -> None:
    made(api.post("pods", pod()))
    refused(api.get(f"pods/p/{sub}"), 400, "BadRequest", "pod p does not have a host assigned")


@area(
    "The proxy of a Service that is not there is 404 of the Service.", "kubernetes/pkg/registry/core/service/proxy.go"
)
def test_proxy(api: Api) -> None:
    refused(api.get("services/none/proxy"), 404, "NotFound", 'services "none" not found')


@area("A binding gives a pod its node.", f"{PODS}/storage.go BindingREST")
def test_binding(api: Api) -> None:
    made(api.post("pods", pod()))
    made(api.post("pods/p/binding", {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}))
    found = ok(api.get("pods/p"))
    assert found["spec"]["nodeName"] == "n1"
    assert [(c["type"], c["status"]) for c in found["status"]["conditions"]] == [("PodScheduled", "True")]
    ok(api.delete("pods/p?gracePeriodSeconds=0"))


@area("A pod that has a node is not bound again.", f"{PODS}/storage.go BindingREST")
def test_bound(api: Api) -> None:
    made(api.post("pods", pod(nodeName=unique("n"))))
    body = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n2"}}
    refused(api.post("pods/p/binding", body), 409, "Conflict", "is already assigned to node")
    ok(api.delete("pods/p?gracePeriodSeconds=0"))


@area(
    "A target that is no Node is refused, as a fault of the server.",
    "kubernetes/pkg/apis/core/validation/validation.go ValidatePodBinding",
)
def test_bad_target(api: Api) -> None:
    made(api.post("pods", pod()))
    body = {"metadata": {"name": "p"}, "target": {"kind": "Thing", "name": "n"}}
    refused(
        api.post("pods/p/binding", body),
        500,
        "",
        'target.kind: Unsupported value: "Thing": supported values: "Node", "<empty>"',
    )


@area("An eviction deletes a pod that no budget speaks of.", f"{PODS}/eviction.go")
def test_eviction(api: Api) -> None:
    made(api.post("pods", pod()))
    assert made(api.post("pods/p/eviction", {"metadata": {"name": "p"}}))["status"] == "Success"
    refused(api.get("pods/p"), 404, "NotFound")


@area("A dry-run eviction keeps the pod.", f"{PODS}/eviction.go")
def test_dry_eviction(api: Api) -> None:
    made(api.post("pods", pod()))
    made(api.post("pods/p/eviction?dryRun=All", {"metadata": {"name": "p"}}))
    ok(api.get("pods/p"))


@area("Ephemeral containers are added through their own subresource.", f"{PODS}/storage.go EphemeralContainersREST")
def test_ephemeral(api: Api) -> None:
    made(api.post("pods", pod()))
    patch = {"spec": {"ephemeralContainers": [{"name": "e", "image": "i"}]}}
    assert ok(api.strategic("pods/p/ephemeralcontainers", patch))["spec"]["ephemeralContainers"][0]["name"] == "e"


@area("They cannot be added to the pod itself.", "kubernetes/pkg/apis/core/validation/validation.go ValidatePodUpdate")
def test_ephemeral_elsewhere(api: Api) -> None:
    made(api.post("pods", pod()))
    refused(
        api.strategic("pods/p", {"spec": {"ephemeralContainers": [{"name": "e", "image": "i"}]}}),
        422,
        "Invalid",
        "pod updates may not change fields other than",
    )


@area(
    "They cannot be taken away again.",
    "kubernetes/pkg/apis/core/validation/validation.go ValidatePodEphemeralContainersUpdate",
)
def test_ephemeral_stay(api: Api) -> None:
    made(api.post("pods", pod()))
    ok(api.strategic("pods/p/ephemeralcontainers", {"spec": {"ephemeralContainers": [{"name": "e", "image": "i"}]}}))
    refused(
        api.merge("pods/p/ephemeralcontainers", {"spec": {"ephemeralContainers": []}}),
        422,
        "Invalid",
        "existing ephemeral containers",
    )


@area("Resources of a pod change through resize.", f"{PODS}/storage.go ResizeREST")
def test_resize(api: Api) -> None:
    made(api.post("pods", pod(containers=[{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}])))
    patch = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "500m"}}}]}}
    assert ok(api.strategic("pods/p/resize", patch))["spec"]["containers"][0]["resources"]["requests"] == {
        "cpu": "500m"
    }


@area(
    "A token of a service account names it and its audience.",
    "kubernetes/pkg/registry/core/serviceaccount/storage/token.go",
)
def test_token(api: Api) -> None:
    made(api.post("serviceaccounts", {"metadata": {"name": "s"}}))
    found = made(api.post("serviceaccounts/s/token", {"spec": {"audiences": ["x"], "expirationSeconds": 600}}))
    assert found["kind"] == "TokenRequest"
    assert found["status"]["token"].count(".") == 2


@area(
    "A token lives for ten minutes at least.",
    "kubernetes/pkg/apis/authentication/validation/validation.go ValidateTokenRequest",
)
def test_short_token(api: Api) -> None:
    made(api.post("serviceaccounts", {"metadata": {"name": "s"}}))
    refused(
        api.post("serviceaccounts/s/token", {"spec": {"expirationSeconds": 10}}),
        422,
        "Invalid",
        "spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes",
    )


@area.table(
    PRINTERS,
    row("table-pods", "Pods have the columns of kubectl.", "pods", ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"]),
    row("table-deployments", "Deployments have theirs.", "apps/deployments", ["Name", "Ready", "Up-to-date", "Available", "Age", "Containers", "Images", "Selector"]),
    row("table-services", "Services have theirs.", "services", ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector"]),
    row("table-maps", "ConfigMaps have theirs.", "configmaps", ["Name", "Data", "Age"]),
    row("table-secrets", "Secrets have theirs.", "secrets", ["Name", "Type", "Data", "Age"]),
    row("table-jobs", "Jobs have theirs.", "batch/jobs", ["Name", "Status", "Completions", "Duration", "Age", "Containers", "Images", "Selector"]),
    row("table-sets", "StatefulSets have theirs.", "apps/statefulsets", ["Name", "Ready", "Age", "Containers", "Images"]),
    row("table-leases", "Leases have theirs.", "coordination/leases", ["Name", "Holder", "Age"]),
    row("table-roles", "Roles have theirs.", "rbac/roles", ["Name", "Created At"]),
)  # fmt: skip
def test_tables(api: Api, path: str, columns: Any) -> None:
    assert [c["name"] for c in ok(api.get(path, accept=TABLE))["columnDefinitions"]] == columns


@area("A row of a table carries the object's metadata.", "apiserver/pkg/endpoints/handlers/response.go asTable")
def test_row_metadata(api: Api) -> None:
    api.config_map(metadata={"labels": {"n": "1"}})
    row_ = ok(api.get("configmaps?labelSelector=n", accept=TABLE))["rows"][0]
    assert (row_["object"]["kind"], row_["object"]["metadata"]["name"]) == ("PartialObjectMetadata", "a")


@area.table(
    "apimachinery/pkg/apis/meta/v1/types.go TableOptions",
    row("rows-none", "includeObject=None leaves objects out.", "None", None),
    row("rows-object", "includeObject=Object shows them whole.", "Object", "ConfigMap"),
)
def test_include(api: Api, include: str, kind: Any) -> None:
    api.config_map()
    found = ok(api.get(f"configmaps/a?includeObject={include}", accept=TABLE))["rows"][0].get("object")
    assert (found or {}).get("kind") == kind


@area.table(
    "kubernetes/pkg/apis/core/v1/defaults.go",
    row("default-policy", "A pod restarts always.", "restartPolicy", "Always"),
    row("default-dns", "A pod's DNS is the cluster's.", "dnsPolicy", "ClusterFirst"),
    row("default-grace", "A pod has 30 seconds of grace.", "terminationGracePeriodSeconds", 30),
    row("default-scheduler", "A pod has the default scheduler.", "schedulerName", "default-scheduler"),
    row("default-links", "A pod gets links to services.", "enableServiceLinks", True),
)
def test_pod_defaults(api: Api, field: str, value: Any) -> None:
    assert made(api.post("pods", pod()))["spec"][field] == value


@area.table(
    "kubernetes/pkg/apis/core/v1/defaults.go SetDefaults_Container",
    row("pull-latest", "An image without a tag is always pulled.", "example.com/i", "Always"),
    row("pull-tagged", "An image with a tag is pulled if it is not there.", "example.com/i:1", "IfNotPresent"),
    row("pull-named-latest", "The tag latest is like none.", "example.com/i:latest", "Always"),
)
def test_pull_policy(api: Api, image: str, policy: str) -> None:
    found = made(api.post("pods", pod(containers=[{"name": "c", "image": image}])))
    assert found["spec"]["containers"][0]["imagePullPolicy"] == policy


@area(
    "Tolerations of what is not ready are added.",
    "kubernetes/plugin/pkg/admission/defaulttolerationseconds/admission.go",
)
def test_tolerations(api: Api) -> None:
    keys = [t["key"] for t in made(api.post("pods", pod()))["spec"]["tolerations"]]
    assert keys == ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]


@area(
    "A new pod is pending, with its quality of service.",
    "kubernetes/pkg/registry/core/pod/strategy.go PrepareForCreate",
)
def test_pod_status(api: Api) -> None:
    assert made(api.post("pods", pod()))["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


@area("A Service gets an address.", "kubernetes/pkg/registry/core/service/storage/alloc.go")
def test_cluster_ip(api: Api) -> None:
    spec = made(api.post("services", service()))["spec"]
    assert spec["clusterIP"].count(".") == 3
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert (spec["type"], spec["sessionAffinity"], spec["ipFamilyPolicy"]) == ("ClusterIP", "None", "SingleStack")


@area("A headless Service gets none.", "kubernetes/pkg/registry/core/service/storage/alloc.go")
def test_headless(api: Api) -> None:
    assert made(api.post("services", service(clusterIP="None")))["spec"]["clusterIPs"] == ["None"]


@area("A NodePort Service gets ports between 30000 and 32767.", "kubernetes/pkg/registry/core/service/storage/alloc.go")
def test_node_port(api: Api) -> None:
    port = made(api.post("services", service(type="NodePort")))["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767


@area("An address that is taken is refused.", "kubernetes/pkg/registry/core/service/storage/alloc.go")
def test_taken_address(api: Api) -> None:
    taken = made(api.post("services", service("s")))["spec"]["clusterIP"]
    refused(
        api.post("services", service("t", clusterIP=taken)),
        422,
        "Invalid",
        "failed to allocate IP",
        "provided IP is already allocated",
    )


@area("The address of a deleted Service is free again.", "kubernetes/pkg/registry/core/service/storage/alloc.go")
def test_freed_address(api: Api) -> None:
    taken = made(api.post("services", service("s")))["spec"]["clusterIP"]
    ok(api.delete("services/s"))
    assert api.eventually(lambda: api.post("services", service("t", clusterIP=taken)).status == 201, 5)


@area("A Service's address does not change.", "kubernetes/pkg/apis/core/validation/validation.go ValidateServiceUpdate")
def test_address_stays(api: Api) -> None:
    made(api.post("services", service()))
    refused(
        api.merge("services/s", {"spec": {"clusterIP": "10.0.0.250", "clusterIPs": ["10.0.0.250"]}}),
        422,
        "Invalid",
        "may not change once set",
    )


@area(
    "The selector of a Deployment does not change.",
    "kubernetes/pkg/apis/apps/validation/validation.go ValidateDeploymentUpdate",
)
def test_selector_stays(api: Api) -> None:
    made(api.post("apps/deployments", deployment()))
    labels = {"app": "y"}
    patch = {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}
    refused(
        api.merge("apps/deployments/d", patch), 422, "Invalid", "spec.selector: Invalid value:", "field is immutable"
    )


@area(
    "The selector of a Deployment matches its template.",
    "kubernetes/pkg/apis/apps/validation/validation.go ValidateDeploymentSpec",
)
def test_selector_matches(api: Api) -> None:
    refused(
        api.post("apps/deployments", deployment(selector={"matchLabels": {"app": "y"}})),
        422,
        "Invalid",
        "`selector` does not match template `labels`",
    )


@area(
    "A secret of a type has the keys of that type.", "kubernetes/pkg/apis/core/validation/validation.go ValidateSecret"
)
def test_secret_type(api: Api) -> None:
    refused(
        api.post("secrets", {"metadata": {"name": "s"}, "type": "kubernetes.io/tls"}),
        422,
        "Invalid",
        "data[tls.crt]: Required value",
    )


@area("The type of a secret does not change.", "kubernetes/pkg/apis/core/validation/validation.go ValidateSecretUpdate")
def test_secret_type_stays(api: Api) -> None:
    made(api.post("secrets", {"metadata": {"name": "s"}}))
    refused(
        api.merge("secrets/s", {"type": "example.com/x"}),
        422,
        "Invalid",
        'type: Invalid value: "example.com/x": field is immutable',
    )


@area(
    "A Job labels its pods, and selects them, by itself.",
    "kubernetes/pkg/registry/batch/job/strategy.go generateSelector",
)
def test_job_selector(api: Api) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    found = made(api.post("batch/jobs", {"metadata": {"name": "j"}, "spec": {"template": template, "suspend": True}}))
    uid = found["metadata"]["uid"]
    assert found["spec"]["selector"]["matchLabels"] == {"batch.kubernetes.io/controller-uid": uid}
    assert found["spec"]["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "j"
