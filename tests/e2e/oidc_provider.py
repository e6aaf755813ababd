"""A real OpenID Connect provider over HTTPS, and the credential plugin that logs in there for kubectl.

The provider (Flask and Authlib) speaks the authorization code flow; the plugin is a script of its own, as people
install them, and does what a browser would do: it asks for a code, and trades it for an ID token.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import oidc_provider_mock
import werkzeug.serving

from wherry.kit.pki import Pki, write_private

PLUGIN = '''\
"""kubectl's credential plugin: python plugin.py ISSUER CA SUBJECT CLIENT"""
import json, ssl, sys, urllib.parse, urllib.request

issuer, authority, subject, client = sys.argv[1:]
BACK = "https://localhost/back"


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority))
web = urllib.request.build_opener(tls, Stay())
with web.open(issuer + "/.well-known/openid-configuration") as answer:
    found = json.load(answer)
asked = {"client_id": client, "redirect_uri": BACK, "response_type": "code", "scope": "openid profile email"}
login = urllib.parse.urlencode({"sub": subject}).encode()
try:
    web.open(found["authorization_endpoint"] + "?" + urllib.parse.urlencode(asked), login)
    raise SystemExit("no redirect")
except urllib.error.HTTPError as redirect:
    location = redirect.headers["Location"]
code = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)["code"][0]
trade = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "client_id": client,
         "client_secret": "any"}
with web.open(found["token_endpoint"], urllib.parse.urlencode(trade).encode()) as answer:
    token = json.load(answer)["id_token"]
info = json.loads(__import__("os").environ["KUBERNETES_EXEC_INFO"])
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": {"token": token}}))
'''


class Provider:
    """Where it is, and how to trust it."""

    def __init__(self, url: str, authority: Path, plugin: Path):
        self.url, self.authority, self.plugin = url, authority, plugin


@contextmanager
def serving(folder: Path) -> Iterator[Provider]:
    """A provider in a thread, until the block ends."""
    pki = Pki(None)
    pair = pki.server(["localhost"])
    authority, certificate, plugin = folder / "issuer-ca.pem", folder / "issuer.pem", folder / "plugin.py"
    authority.write_bytes(pki.authority)
    write_private(certificate, pair.certificate + pair.key)
    plugin.write_text(PLUGIN)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    users = [
        oidc_provider_mock.User(sub="jane", claims={"email": "jane@example.com", "groups": ["ops"], "tenant": "t1"}),
        oidc_provider_mock.User(sub="joe", claims={"email": "joe@elsewhere.org", "groups": [], "tenant": "t2"}),
    ]
    app = oidc_provider_mock.app(user_claims=users)
    server = werkzeug.serving.make_server("localhost", 0, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Provider(f"https://localhost:{server.port}", authority, plugin)
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
