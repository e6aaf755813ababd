"""The scripts of `wherry envtest assets`, started as controller-runtime's envtest starts the binaries."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wherry.cli import main
from wherry.kit.pki import Pki

PATIENCE = 20.0
MAPS = "/api/v1/namespaces/default/configmaps"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    try:
        with urllib.request.urlopen(url, context=context, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@dataclass
class Environment:
    """What envtest keeps of one test environment: folders, ports, certificates and two processes."""

    assets: Path
    folder: Path
    etcd_port: int = field(default_factory=free_port)
    port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pki = Pki(self.folder / "ca")
        self.certificates = self.folder / "certificates"
        self.certificates.mkdir()
        server = self.pki.server(["127.0.0.1"])
        for name, data in {
            "apiserver.crt": server.certificate, "apiserver.key": server.key, "client-cert-auth-ca.crt":
            self.pki.authority, "sa-signer.crt": server.certificate, "sa-signer.key": server.key,
        }.items():  # fmt: skip
            (self.certificates / name).write_bytes(data)

    def as_user(self, name: str, *groups: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.pki.authority.decode())
        if name:
            self.pki.client(name, name, groups)
            context.load_cert_chain(self.folder / "ca" / f"{name}.crt", self.folder / "ca" / f"{name}.key")
        return context

    def __call__(self, method: str, path: str, body: Any = None, context: ssl.SSLContext | None = None) -> Any:
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", method=method)
        request.add_header("Content-Type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(
                request, data, timeout=10, context=context or self.as_user("admin", "system:masters")
            ) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            return json.load(refused)

    def start_etcd(self) -> None:
        url = f"http://127.0.0.1:{self.etcd_port}"
        self._start(
            "etcd", f"--listen-peer-urls=http://localhost:{free_port()}", f"--advertise-client-urls={url}",
            f"--listen-client-urls={url}", f"--data-dir={self.folder / 'etcd'}", "--unsafe-no-fsync=true",
        )  # fmt: skip
        self._await("etcd", f"{url}/health", None)

    def start_api_server(self, *further: str) -> None:
        at = self.certificates
        self._start(
            "kube-apiserver", f"--secure-port={self.port}", "--bind-address=127.0.0.1", f"--cert-dir={at}",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}", "--authorization-mode=RBAC",
            f"--client-ca-file={at / 'client-cert-auth-ca.crt'}", "--disable-admission-plugins=ServiceAccount",
            f"--service-account-issuer=https://127.0.0.1:{self.port}/", "--service-cluster-ip-range=10.0.0.0/24",
            f"--service-account-key-file={at / 'sa-signer.crt'}", "--allow-privileged=true",
            f"--service-account-signing-key-file={at / 'sa-signer.key'}", *further,
        )  # fmt: skip
        self._await("kube-apiserver", f"https://127.0.0.1:{self.port}/healthz", self.as_user(""))

    def _start(self, name: str, *flags: str) -> None:
        self.running[name] = subprocess.Popen([self.assets / name, *flags], stderr=subprocess.PIPE)

    def _await(self, name: str, url: str, context: ssl.SSLContext | None) -> None:
        end = time.monotonic() + PATIENCE
        while not answers(url, context):
            process = self.running[name]
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < end, f"{name} does not answer"

    def stop(self, name: str) -> tuple[int, bytes]:
        """Exit code and what it said on standard error."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=PATIENCE)[1]
        return process.returncode, said


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assets") / "bin"
    assert main(["envtest", "assets", str(folder)]) == 0
    return folder


@contextmanager
def environment_of(assets: Path, folder: Path) -> Iterator[Environment]:
    env = Environment(assets, folder)
    try:
        env.start_etcd()
        env.start_api_server()
        yield env
    finally:
        for process in env.running.values():
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def environment(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with environment_of(assets, tmp_path_factory.mktemp("envtest")) as env:
        yield env


def test_it_prints_the_folder_and_the_scripts_can_be_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["envtest", "assets", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}\n"
    assert sorted(os.listdir(tmp_path)) == ["etcd", "kube-apiserver", "kubectl"]
    assert all(os.access(tmp_path / name, os.X_OK) for name in os.listdir(tmp_path))


@pytest.mark.parametrize(
    ("name", "flag", "there"),
    [("kube-apiserver", "insecure-port", False), ("kube-apiserver", "secure-port", True),
     ("etcd", "unsafe-no-fsync", True)],
)  # fmt: skip
def test_the_help_text_names_the_flags_as_envtest_looks_for_them(
    assets: Path, name: str, flag: str, there: bool
) -> None:
    text = subprocess.run([assets / name, "--help"], capture_output=True, text=True, check=True).stdout
    assert bool(re.search(rf"(?m)^\s*--{flag}\b", text)) is there


def test_users_come_by_certificate_and_have_the_rights_that_roles_give(environment: Environment) -> None:
    assert environment("GET", "/version")["gitVersion"].startswith("v1.36")
    jane = environment.as_user("jane", "devs")
    assert environment("GET", MAPS, context=jane)["reason"] == "Forbidden"
    binding = {
        "metadata": {"name": "devs"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "devs"}],
    }
    environment("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    assert environment("GET", MAPS, context=jane)["kind"] == "ConfigMapList"


def test_tokens_are_signed_with_the_key_of_the_environment(environment: Environment) -> None:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    environment("POST", accounts, {"metadata": {"name": "robot"}})
    token = environment("POST", f"{accounts}/robot/token", {})["status"]["token"]
    review = {"spec": {"token": token}}
    status = environment("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
    assert status["user"]["username"] == "system:serviceaccount:default:robot"


def test_nothing_acts_but_what_kube_apiserver_does_by_itself(environment: Environment) -> None:
    pod = {"metadata": {"name": "alone"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert environment("POST", "/api/v1/namespaces/default/pods", pod)["kind"] == "Pod"  # without a ServiceAccount
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "1"}
    environment("POST", MAPS, {"metadata": {"name": "orphan", "ownerReferences": [owner]}})
    environment("POST", "/api/v1/namespaces", {"metadata": {"name": "stays"}})
    environment("DELETE", "/api/v1/namespaces/stays")
    assert environment("GET", "/api/v1/namespaces/stays")["status"]["phase"] == "Terminating"
    assert environment("GET", f"{MAPS}/orphan")["metadata"]["name"] == "orphan"
    assert environment("GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1.apps")["kind"] == "APIService"


def test_what_was_written_is_there_after_a_restart_of_the_api_server(environment: Environment) -> None:
    environment("POST", MAPS, {"metadata": {"name": "kept"}})
    assert environment.stop("kube-apiserver") == (0, b"")
    environment.start_api_server("--feature-gates=A=true", "--event-ttl", "2h")
    assert environment("GET", f"{MAPS}/kept")["metadata"]["name"] == "kept"
    code, said = environment.stop("kube-apiserver")
    assert (code, said) == (0, b"wherry: without effect here: --event-ttl, --feature-gates\n")
    environment.start_api_server()


@pytest.mark.parametrize(
    ("flags", "said"),
    [(["--no-such-flag=1"], "unrecognized arguments: --no-such-flag=1"),
     (["--etcd-servers=http://127.0.0.1:1"], "is not the stand-in that `wherry envtest assets` writes")],
)  # fmt: skip
def test_what_cannot_be_done_is_said(assets: Path, tmp_path: Path, flags: list[str], said: str) -> None:
    command = [assets / "kube-apiserver", f"--cert-dir={tmp_path}", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_stand_in_for_etcd_says_what_it_is(environment: Environment) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{environment.etcd_port}/version", timeout=5) as answer:
        assert json.load(answer)["note"] == "stand-in by Wherry"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{environment.etcd_port}/v3/kv/range", timeout=5)


def test_simulated_nodes_and_controllers_when_asked_for(tmp_path: Path) -> None:
    assert main(["envtest", "assets", str(tmp_path / "bin"), "--simulate-nodes", "2"]) == 0
    with environment_of(tmp_path / "bin", tmp_path) as environment:
        end = time.monotonic() + PATIENCE
        while len(environment("GET", "/api/v1/nodes")["items"]) < 2:
            assert time.monotonic() < end
