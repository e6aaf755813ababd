"""What stands in the place of etcd: it keeps a data folder open for the API server, and no data itself.

It answers the health check that envtest waits for, tells Wherry's API server which folder is its, and ends at SIGTERM.
Started for every test environment, it runs as a file of its own without site packages and imports next to nothing.
"""

import os
import signal
import socket
import sys

TEXT = "A stand-in by Wherry: it names a data folder to Wherry's kube-apiserver and speaks no etcd."
FLAGS = ["advertise-client-urls", "data-dir", "listen-client-urls", "listen-peer-urls", "unsafe-no-fsync"]
PATH = "/wherry"  # where the API server asks


def given(arguments: list[str]) -> dict[str, str]:
    """Flags by name. A flag without a value is true; there is nothing but flags."""
    found: dict[str, str] = {}
    at = 0
    while at < len(arguments):
        name, equals, value = arguments[at].lstrip("-").partition("=")
        at += 1
        if not equals:
            value = "true"
            if at < len(arguments) and not arguments[at].startswith("-"):
                value, at = arguments[at], at + 1
        found[name] = value
    return found


def place(url: str) -> tuple[str, int]:
    """Host and port of `http://host:port`."""
    rest = url.partition("://")[2].rstrip("/")
    host, _, port = rest.rpartition(":")
    return host.strip("[]"), int(port)


def answer(path: str, folder: str, *, sync: bool) -> bytes:
    """The whole answer to a request for a path."""
    status, body = "200 OK", '{"health":"true","reason":""}'
    if path == PATH:
        quoted = folder.replace("\\", "\\\\").replace('"', '\\"')
        body = f'{{"folder":"{quoted}","fsync":{"true" if sync else "false"}}}'
    elif path == "/version":
        body = '{"etcdserver":"3.6.0","etcdcluster":"3.6.0","note":"stand-in by Wherry"}'
    elif path not in ("/health", "/livez", "/readyz"):
        status, body = "404 Not Found", '{"error":"this is a stand-in by Wherry, no etcd"}'
    data = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + data


def main() -> int:
    flags = given(sys.argv[1:])
    folder = os.path.abspath(flags.get("data-dir", "default.etcd"))
    try:
        host, port = place(flags.get("listen-client-urls", "http://localhost:2379").partition(",")[0])
        os.makedirs(folder, mode=0o700, exist_ok=True)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(64)
    except (OSError, ValueError) as error:
        print(f"wherry: etcd stand-in: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))  # it holds nothing that would have to be put away
    sync = flags.get("unsafe-no-fsync", "false").lower() not in ("true", "1", "t")
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(5)
            try:
                words = connection.recv(4096).split(b" ", 2)
                path = words[1].decode("latin-1") if len(words) == 3 else ""
                connection.sendall(answer(path, folder, sync=sync))
            except OSError:
                continue  # whoever asked has gone


if __name__ == "__main__":
    sys.exit(main())
