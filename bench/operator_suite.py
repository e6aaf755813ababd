"""The same twenty tests of a Kopf operator on Wherry and on kube-apiserver with etcd: time per test, total, memory.

    python -m bench.operator_suite [FOLDER_WITH_BINARIES]

On Wherry each test has a workspace, on the other server a namespace. The operator is started anew for each test, in the
test's process, as the guide docs/how-to/test-kopf.md does it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

import yaml
from tools.targets import address

import wherry
from bench.procfs import memory_mib
from bench.servers import TOKEN, kube

OPERATOR = """
import kopf

@kopf.on.startup()
def settings(settings, **_):
    settings.posting.enabled = False

@kopf.on.create("example.com", "v1", "greetings")
@kopf.on.update("example.com", "v1", "greetings", field="spec.text")
def said(spec, patch, **_):
    patch.status["said"] = spec["text"].upper()
"""
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: greetings.example.com}
spec:
  group: example.com
  names: {kind: Greeting, plural: greetings}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
TESTS = """
import time
import pytest
from kopf.testing import KopfRunner
from kubernetes.client import CustomObjectsApi

WHERE = ("example.com", "v1")

@pytest.mark.parametrize("number", range(20))
def test_it_answers(place, number):
    api, namespace = place
    custom = CustomObjectsApi(api)
    with KopfRunner(["run", "--namespace", namespace, "operator_under_test.py"]):
        body = {"apiVersion": "example.com/v1", "kind": "Greeting", "metadata": {"name": "a"}, "spec": {"text": "hi"}}
        custom.create_namespaced_custom_object(*WHERE, namespace, "greetings", body)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = custom.get_namespaced_custom_object(*WHERE, namespace, "greetings", "a")
            if found.get("status", {}).get("said") == "HI":
                return
            time.sleep(0.01)
        raise AssertionError("no answer")
"""
ON_WHERRY = """
import pytest

@pytest.fixture
def place(kubernetes_client):
    return kubernetes_client, "default"
"""
ON_KUBE = """
import pytest, yaml
from kubernetes import client, config

@pytest.fixture(scope="session")
def api():
    with config.new_client_from_config() as found:
        body = yaml.safe_load(open("crds/greetings.yaml"))
        client.ApiextensionsV1Api(found).create_custom_resource_definition(body)
        yield found

@pytest.fixture
def place(api, request):
    name = f"test-{request.node.callspec.params['number']}"
    client.CoreV1Api(api).create_namespace({"metadata": {"name": name}})
    yield api, name
    client.CoreV1Api(api).delete_namespace(name)
"""


def run(folder: Path, conftest: str, environment: dict[str, str]) -> dict[str, float]:
    """Seconds of the suite and of its parts, and the peak of pytest's memory in MiB."""
    for name, text in (
        ("operator_under_test.py", OPERATOR), ("test_operator.py", TESTS), ("conftest.py", conftest),
        ("pytest.ini", "[pytest]\nwherry_manifests = crds\n"), ("crds/greetings.yaml", DEFINITION),
    ):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    source = str(Path(wherry.__file__).parents[1])
    environment = {**os.environ, **environment, "PYTHONPATH": source, "PYTEST_PLUGINS": "wherry.testing.plugin"}
    began = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", "result.xml"]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    total = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError((folder / "log.txt").read_text()[-4000:])
    cases = [float(case.get("time", 0)) for case in ElementTree.parse(folder / "result.xml").iter("testcase")]
    return {
        "total": total,
        "first": cases[0],
        "median": sorted(cases)[len(cases) // 2],
        "memory": used.ru_maxrss / 1024,
    }


async def on_kube(binaries: Path, folder: Path) -> dict[str, float]:
    async with kube(binaries) as started:
        (folder / "kubeconfig").write_text(yaml.safe_dump(address(started.target.url, TOKEN)))
        environment = {"KUBECONFIG": str(folder / "kubeconfig")}
        found = await asyncio.to_thread(run, folder, ON_KUBE, environment)
        found["start"] = started.start_seconds
        found["servers"] = sum(memory_mib([pid])["peak"] for pid in started.target.pids)
        return found


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rows.append(("wherry", run(Path(folder), ON_WHERRY, {})))
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(("kube-apiserver, etcd", asyncio.run(on_kube(Path(sys.argv[1]), Path(folder)))))
    for name, found in rows:
        total = found["total"] + found.get("start", 0.0)
        memory = found["memory"] + found.get("servers", 0.0)
        print(
            f"{name}: {total:.1f} s in all, start of servers {found.get('start', 0.0):.1f} s; "
            f"a test {found['median'] * 1000:.0f} ms, the first {found['first'] * 1000:.0f} ms; {memory:.0f} MiB"
        )


if __name__ == "__main__":
    main()
