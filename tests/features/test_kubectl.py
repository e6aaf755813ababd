"""The real kubectl against `wherry up --simulate-nodes`: what users wait for comes true, and says it is simulated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

KUBECTL = Path(sys.executable).parent / "kubectl"
pytestmark = pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl is not installed beside Python")
Kubectl = Callable[..., str]


def _serve(folder: Path, *flags: str) -> Iterator[Kubectl]:
    command = [sys.executable, "-m", "wherry", "up", "--in-memory", "--port", "0", "--kubeconfig", "kc", *flags]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Ready")
        environment = {**os.environ, "KUBECONFIG": str(folder / "kc"), "KUBECACHEDIR": str(folder / "cache")}

        def run(line: str, *more: str, stdin: str = "", fails: bool = False) -> str:
            done = subprocess.run(
                [str(KUBECTL), *line.split(), *more],
                cwd=folder, env=environment, input=stdin, capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
            assert (done.returncode != 0) == fails, f"{line}: {done.stdout}{done.stderr}"
            return done.stdout + done.stderr

        yield run
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    serving = _serve(tmp_path_factory.mktemp("plane"), "--simulate-nodes", "3")
    run = next(serving)
    run("wait --for=create node/simulated-2 --timeout=10s")
    run("wait --for=condition=Ready node --all --timeout=10s")
    yield run
    serving.close()


def until(look: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


def apply(kubectl: Kubectl, *objects: dict[str, Any]) -> None:
    kubectl("apply -f -", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def workload(
    kind: str, name: str, api: str = "apps/v1", labels: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    labels = labels or {"app": name}
    pod = {"containers": [{"name": "c", "image": "x:1"}], **({"restartPolicy": "Never"} if kind == "Job" else {})}
    template = {"metadata": {"labels": labels}, "spec": pod}
    selector = {} if kind == "Job" else {"selector": {"matchLabels": labels}}
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {**selector, "template": template, **spec},
    }


def behaviour(name: str, app: str, **rules: Any) -> dict[str, Any]:
    spec = {"selector": {"matchLabels": {"app": app}}, **rules}
    return {
        "apiVersion": "simulation.wherry.dev/v1alpha1",
        "kind": "PodBehaviour",
        "metadata": {"name": name},
        "spec": spec,
    }


def test_nodes_say_that_they_are_simulated(kubectl: Kubectl) -> None:
    rows = kubectl("get nodes --no-headers").splitlines()
    assert [row.split()[:3] for row in rows] == [[f"simulated-{n}", "Ready", "simulated"] for n in range(3)]
    assert "simulated (nothing runs)" in kubectl("get nodes -o wide")
    assert kubectl("get simulatednodes --no-headers").split()[:3] == ["simulated", "3", "True"]
    assert kubectl("get lease -n kube-node-lease -o name").count("simulated-") == 3


def test_rollout_status_history_undo_restart_pause_and_resume(kubectl: Kubectl) -> None:
    kubectl("create deployment web --image=x:1 --replicas=3")
    assert "successfully rolled out" in kubectl("rollout status deployment/web --timeout=10s")
    kubectl("set image deployment/web x=x:2")
    kubectl("rollout status deployment/web --timeout=10s")
    history = kubectl("rollout history deployment/web").split()
    assert [word for word in history if word.isdigit()] == ["1", "2"]
    kubectl("rollout undo deployment/web")
    kubectl("rollout status deployment/web --timeout=10s")
    assert kubectl("get deployment web -o jsonpath={.spec.template.spec.containers[0].image}") == "x:1"
    assert (
        kubectl("get deployment web -o jsonpath={.metadata.annotations}") == '{"deployment.kubernetes.io/revision":"3"}'
    )
    kubectl("rollout restart deployment/web")
    kubectl("rollout status deployment/web --timeout=10s")
    kubectl("rollout pause deployment/web")
    kubectl("set image deployment/web x=x:9")
    kubectl("scale deployment/web --replicas=5")
    kubectl("wait deployment/web --for=jsonpath={.status.availableReplicas}=5 --timeout=10s")
    assert kubectl("get pods -l app=web -o jsonpath={.items[*].spec.containers[0].image}").split() == ["x:1"] * 5
    kubectl("rollout resume deployment/web")
    kubectl("rollout status deployment/web --timeout=10s")
    assert kubectl("get pods -l app=web -o jsonpath={.items[*].spec.containers[0].image}").split() == ["x:9"] * 5
    pod = json.loads(kubectl("get pods -l app=web -o json"))["items"][0]
    assert pod["metadata"]["annotations"]["simulation.wherry.dev/simulated"] == "true"
    condition = next(c for c in pod["status"]["conditions"] if c["type"] == "simulation.wherry.dev/Simulated")
    assert (condition["status"], condition["reason"]) == ("True", "NothingRuns")
    assert "Scaled up replica set" in kubectl("events --for deployment/web")
    kubectl("delete deployment web --timeout=10s")
    until(lambda: "No resources" in kubectl("get pods -l app=web"))


def test_a_rollout_that_stalls_is_told_and_undone(kubectl: Kubectl) -> None:
    kubectl("create deployment stall --image=good --replicas=2")
    kubectl("rollout status deployment/stall --timeout=10s")
    patch = {"spec": {"progressDeadlineSeconds": 1, "template": {"metadata": {"labels": {"version": "bad"}}}}}
    apply(
        kubectl,
        {**behaviour("bad", "stall"), "spec": {"selector": {"matchLabels": {"version": "bad"}}, "pullError": "no"}},
    )
    kubectl("patch deployment stall --type merge -p", json.dumps(patch))
    assert "exceeded its progress deadline" in kubectl("rollout status deployment/stall --timeout=15s", fails=True)
    assert "ErrImagePull" in kubectl("get pods -l version=bad") or "ImagePullBackOff" in kubectl(
        "get pods -l version=bad"
    )
    assert kubectl("get deployment stall -o jsonpath={.status.availableReplicas}") == "2"
    kubectl("rollout undo deployment/stall")
    assert "successfully rolled out" in kubectl("rollout status deployment/stall --timeout=10s")


def test_run_once_with_logs(kubectl: Kubectl) -> None:
    apply(kubectl, behaviour("talks", "talks", log=["one", "two"]))
    kubectl("run once --image=x --restart=Never --labels=app=talks")
    kubectl("wait pod/once --for=jsonpath={.status.phase}=Succeeded --timeout=10s")
    assert kubectl("logs once") == "one\ntwo\n"
    assert kubectl("logs once --tail=1") == "two\n"
    assert "not valid for pod once" in kubectl("logs once -c other", fails=True)
    kubectl("run stays --image=x")
    kubectl("wait pod/stays --for=condition=Ready --timeout=10s")
    assert "nothing runs in container stays" in kubectl("exec stays -- true", fails=True)


def test_a_pod_waits_for_its_image_and_loops(kubectl: Kubectl) -> None:
    apply(kubectl, behaviour("slow", "slow", pullSeconds=60), behaviour("crash", "crash", exitCode=2))
    kubectl("run slow --image=x --labels=app=slow")
    kubectl("run crash --image=x --labels=app=crash")
    until(lambda: "ContainerCreating" in kubectl("get pod slow"))
    assert "is waiting to start: ContainerCreating" in kubectl("logs slow", fails=True)
    until(lambda: "CrashLoopBackOff" in kubectl("get pod crash"))
    kubectl("delete pod slow crash --timeout=10s")


def test_jobs_complete_and_fail(kubectl: Kubectl) -> None:
    apply(
        kubectl,
        behaviour("breaks", "breaks", exitCode=7),
        workload("Job", "good", "batch/v1", completions=4, parallelism=2),
        workload("Job", "breaks", "batch/v1", backoffLimit=0),
        workload("Job", "indexed", "batch/v1", completions=3, parallelism=3, completionMode="Indexed"),
        workload("Job", "brief", "batch/v1", ttlSecondsAfterFinished=0),
    )
    kubectl("wait job/good job/indexed --for=condition=Complete --timeout=10s")
    kubectl("wait job/breaks --for=condition=Failed --timeout=10s")
    kubectl("wait job/brief --for=delete --timeout=10s")
    assert kubectl("get job good -o jsonpath={.status.succeeded}") == "4"
    assert kubectl("get job indexed -o jsonpath={.status.completedIndexes}") == "0-2"
    assert "BackoffLimitExceeded" in kubectl("get job breaks -o yaml")
    kubectl("create cronjob tick --image=x", "--schedule=0 0 1 1 *")
    kubectl("create job now --from=cronjob/tick")
    kubectl("wait job/now --for=condition=Complete --timeout=10s")
    until(lambda: kubectl("get cronjob tick -o jsonpath={.status.lastSuccessfulTime}") != "")


def test_stateful_and_daemon_sets_roll_out_and_back(kubectl: Kubectl) -> None:
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    claim["spec"]["resources"] = {"requests": {"storage": "1Gi"}}
    apply(
        kubectl,
        workload("StatefulSet", "db", serviceName="db", replicas=2, volumeClaimTemplates=[claim]),
        workload("DaemonSet", "agent"),
    )
    for target in ("statefulset/db", "daemonset/agent"):
        kubectl(f"rollout status {target} --timeout=10s")
        kubectl(f"set image {target} c=x:2")
        kubectl(f"rollout status {target} --timeout=10s")
        kubectl(f"rollout undo {target}")
        kubectl(f"rollout status {target} --timeout=10s")
    assert kubectl("get pvc -o name").split() == [f"persistentvolumeclaim/data-db-{n}" for n in (0, 1)]
    assert sorted(kubectl("get pods -l app=agent -o jsonpath={.items[*].spec.nodeName}").split()) == [
        f"simulated-{n}" for n in range(3)
    ]
    kubectl("delete statefulset/db daemonset/agent --timeout=10s")


def test_drain_moves_pods_and_honours_budgets(kubectl: Kubectl) -> None:
    kubectl("create deployment moved --image=x --replicas=3")
    kubectl("rollout status deployment/moved --timeout=10s")
    kubectl("expose deployment moved --port=80")
    kubectl("create pdb moved --selector=app=moved --min-available=2")
    kubectl("wait pdb/moved --for=jsonpath={.status.disruptionsAllowed}=1 --timeout=10s")
    node = kubectl("get pods -l app=moved -o jsonpath={.items[0].spec.nodeName}")
    assert "drained" in kubectl(f"drain {node} --force --ignore-daemonsets --timeout=20s")
    kubectl("rollout status deployment/moved --timeout=10s")
    assert node not in kubectl("get pods -l app=moved -o jsonpath={.items[*].spec.nodeName}")
    until(lambda: len(kubectl("get endpoints moved -o jsonpath={.subsets[*].addresses[*].ip}").split()[:3]) == 3)
    slices = json.loads(kubectl("get endpointslices -l kubernetes.io/service-name=moved -o json"))["items"]
    assert sum(e["conditions"]["ready"] for s in slices for e in s["endpoints"]) == 3
    kubectl(f"uncordon {node}")


def test_a_pod_that_fits_nowhere_is_pending_until_it_fits(kubectl: Kubectl) -> None:
    overrides = {"spec": {"nodeSelector": {"disk": "ssd"}}}
    kubectl("run picky --image=x", f"--overrides={json.dumps(overrides)}")
    until(lambda: "didn't match Pod's node affinity/selector" in kubectl("get pod picky -o json"))
    kubectl("label node simulated-1 disk=ssd")
    kubectl("wait pod/picky --for=condition=Ready --timeout=10s")


def test_without_being_asked_nothing_is_simulated(tmp_path: Path) -> None:
    serving = _serve(tmp_path)
    kubectl = next(serving)
    kubectl("create deployment web --image=x")
    time.sleep(0.3)
    assert "No resources" in kubectl("get replicasets,pods,nodes")
    assert "simulatednodes" not in kubectl("api-resources -o name")
    serving.close()


def test_a_node_dies_and_its_pods_move(kubectl: Kubectl) -> None:
    patch = [
        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}
    ]
    made = workload("Deployment", "mover", replicas=2)
    made["spec"]["template"]["spec"]["tolerations"] = patch
    apply(kubectl, made)
    kubectl("rollout status deployment/mover --timeout=10s")
    node = kubectl("get pods -l app=mover -o jsonpath={.items[0].spec.nodeName}")
    kubectl(f"annotate node {node} simulation.wherry.dev/down=true")
    kubectl(f"wait node/{node} --for=condition=Ready=Unknown --timeout=10s")

    def moved() -> bool:
        pods = json.loads(kubectl("get pods -l app=mover -o json"))["items"]
        alive = [p for p in pods if "deletionTimestamp" not in p["metadata"] and p["status"]["phase"] == "Running"]
        return len(alive) == 2 and all(p["spec"]["nodeName"] != node for p in alive)

    until(moved)
    assert "Terminating" in kubectl("get pods -l app=mover")
    kubectl(f"annotate node {node} simulation.wherry.dev/down-")
    kubectl(f"wait node/{node} --for=condition=Ready --timeout=10s")
    until(lambda: "Terminating" not in kubectl("get pods -l app=mover"))


def test_autoscale_follows_declared_usage(kubectl: Kubectl) -> None:
    made = workload("Deployment", "busy", replicas=1)
    made["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m"}}
    apply(kubectl, made)
    kubectl("rollout status deployment/busy --timeout=10s")
    kubectl("autoscale deployment/busy --min=1 --max=4 --cpu=50%")
    kubectl("annotate pod -l app=busy metrics.wherry.dev/cpu=150m")
    kubectl("wait deployment/busy --for=jsonpath={.spec.replicas}=3 --timeout=10s")
    assert "150%/50%" in kubectl("get hpa busy")
    assert "Metrics API not available" in kubectl("top pods", fails=True)


def test_nodes_that_are_taken_away_take_their_pods_along(kubectl: Kubectl) -> None:
    pool = {"apiVersion": "simulation.wherry.dev/v1alpha1", "kind": "SimulatedNode", "metadata": {"name": "extra"}}
    apply(kubectl, {**pool, "spec": {"count": 1, "labels": {"pool": "extra"}, "capacity": {"cpu": 2}}})
    kubectl("wait --for=create node/extra-0 --timeout=10s")
    assert kubectl("get node extra-0 -o jsonpath={.status.capacity.cpu}") == "2"
    overrides = {"spec": {"nodeSelector": {"pool": "extra"}}}
    kubectl("run guest --image=x", f"--overrides={json.dumps(overrides)}")
    kubectl("wait pod/guest --for=condition=Ready --timeout=10s")
    kubectl("delete simulatednode extra --timeout=10s")
    kubectl("wait pod/guest node/extra-0 --for=delete --timeout=10s")
