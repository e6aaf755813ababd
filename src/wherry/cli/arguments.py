"""The commands and flags, and nothing else: the law tests hold `docs/reference/cli.md` against this tree."""

from __future__ import annotations

import argparse
from pathlib import Path

from wherry.cli import access_flags, protection

DATA = Path(".wherry")
PORT = 6443
LOG_LEVELS = ("debug", "info", "warning", "error")

_EXAMPLES = """\
examples:
  wherry up                         start, with the data in .wherry/
  wherry kubectl get namespaces     talk to it
  wherry ws create team --enter     a workspace for a team
  wherry up --in-memory --port 0    forget everything at exit, on a free port
  export KUBECONFIG=.wherry/kubeconfig && helm install ...

Documentation: https://github.com/wherry-dev/wherry/tree/main/docs
"""

_UP_EXAMPLES = """\
examples:
  wherry up
  wherry up --data ~/planes/blue --port 7443
  wherry up --in-memory --port 0 --kubeconfig /tmp/kc

It prints one line when it is ready and stops on Ctrl-C.
"""


_CEL_EXAMPLES = """\
examples:
  wherry cel eval "self.replicas <= 5" --var 'self={"replicas": 3}'
  wherry cel check "quantity('1Gi').isLessThan(quantity('2Gi'))"
"""

_FORK_EXAMPLES = """\
examples:
  wherry fork team try --enter      copy the workspace team, and go there
  wherry fork . ../before --at 812  the current one as it stood at revision 812
"""

_DIFF_EXAMPLES = """\
examples:
  wherry diff shop trial            what the copy has changed
  wherry diff . ../trial -o yaml

Exits with 0 when nothing is different, 1 when something is, 2 for trouble.
"""

_MERGE_EXAMPLES = """\
examples:
  wherry merge trial                into the workspace that trial is a copy of
  wherry merge trial --dry-run

Nothing is written where both sides changed the same field, unless --force is given.
"""

_CLONE_EXAMPLES = """\
examples:
  wherry clone copy --context prod --redact-secrets
  wherry clone preview --from deploy/

What is there already and means the same stays as it is: run it again to go on after a failure.
"""

_GET_EXAMPLES = """\
examples:
  wherry get configmaps --at 2026-11-25T15:04:05Z
  wherry get deployment web -n shop --at 812 -o yaml

Of now, kubectl get tells more.
"""

_WS_EXAMPLES = """\
examples:
  wherry ws                         say where one is
  wherry ws create team --enter     make a workspace and go there; kubectl is there too then
  wherry ws ..                      the parent; also: - (the one before), :root:a:b, a:b, ..:c
  wherry ws tree
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    raw = argparse.RawDescriptionHelpFormatter
    root = argparse.ArgumentParser(
        prog="wherry",
        description="A Kubernetes-style control plane in one process.",
        epilog=_EXAMPLES,
        formatter_class=raw,
    )
    commands = root.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _up(commands.add_parser("up", help="start a control plane", epilog=_UP_EXAMPLES, formatter_class=raw))
    # Listed for the help text; `cli.main` hands everything behind it to kubectl unseen.
    commands.add_parser("kubectl", help="run kubectl against the control plane", add_help=False)
    commands.add_parser("version", help="print the version")
    _envtest(commands.add_parser("envtest", help="stand in for kube-apiserver and etcd", formatter_class=raw))
    _cel(commands.add_parser("cel", help="try a CEL expression", epilog=_CEL_EXAMPLES, formatter_class=raw))
    _ws(commands.add_parser("ws", help="make workspaces and walk them", epilog=_WS_EXAMPLES, formatter_class=raw))
    _fork(
        commands.add_parser("fork", help="copy a workspace in milliseconds", epilog=_FORK_EXAMPLES, formatter_class=raw)
    )
    _diff(commands.add_parser("diff", help="compare two workspaces", epilog=_DIFF_EXAMPLES, formatter_class=raw))
    _merge(
        commands.add_parser(
            "merge", help="take back what a fork has changed", epilog=_MERGE_EXAMPLES, formatter_class=raw
        )
    )
    _clone(commands.add_parser("clone", help="fill a workspace", epilog=_CLONE_EXAMPLES, formatter_class=raw))
    _export(commands.add_parser("export", help="write a workspace as manifests"))
    _history(commands.add_parser("history", help="who changed an object, and when"))
    _get(commands.add_parser("get", help="objects as they were", epilog=_GET_EXAMPLES, formatter_class=raw))
    _snapshot(commands.add_parser("snapshot", help="a whole control plane in one file"))
    return root


def _snapshot(snapshot: argparse.ArgumentParser) -> None:
    snapshot.add_argument("action", choices=("save", "restore"), help="of a control plane that does not run")
    snapshot.add_argument("file", type=Path, metavar="FILE", help="the snapshot")
    snapshot.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="the data folder (default .wherry)")
    snapshot.add_argument("-o", "--output", choices=("json",), default="", help="print JSON")


def _history(history: argparse.ArgumentParser) -> None:
    history.add_argument("kind", metavar="KIND", help="e.g. deployment, deployments.apps, deploy")
    history.add_argument("name", metavar="NAME", help="the object")
    _where(history)
    history.add_argument("--secrets", action="store_true", help="show what is in Secrets")
    history.add_argument("-o", "--output", choices=("json",), default="", help="print JSON")


def _get(get: argparse.ArgumentParser) -> None:
    get.add_argument("kind", metavar="KIND", help="e.g. deployment, deployments.apps, deploy")
    get.add_argument("name", nargs="?", default="", metavar="NAME", help="one object (default: all)")
    get.add_argument("--at", required=True, metavar="WHEN", help="a resourceVersion or a time, 2026-11-25T15:04:05Z")
    _where(get)
    get.add_argument("-o", "--output", choices=("yaml", "json"), default="", help="whole objects")


def _where(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-n", "--namespace", default="default", metavar="NAME", help="the namespace (default: default)"
    )
    command.add_argument("--workspace", default=".", metavar="PATH", help="the workspace (default: the current one)")
    command.add_argument("--kubeconfig", type=Path, metavar="FILE", help="which to read (default as kubectl)")


def _clone(clone: argparse.ArgumentParser) -> None:
    clone.add_argument("workspace", metavar="WORKSPACE", help="the workspace to fill; made if it is not there")
    where = clone.add_mutually_exclusive_group(required=True)
    where.add_argument("--context", default="", metavar="NAME", help="from the cluster of this context")
    where.add_argument("--from", dest="source", type=Path, metavar="PATH", help="from a folder or file of manifests")
    clone.add_argument(
        "--kinds", type=_words, default=(), metavar="KINDS", help="only these: configmaps,deployments.apps,..."
    )
    clone.add_argument("--namespaces", type=_words, default=(), metavar="NAMES", help="only these, and what is in none")
    clone.add_argument("--redact-secrets", action="store_true", help="take Secrets without their values")
    clone.add_argument("--kubeconfig", type=Path, metavar="FILE", help="which to read (default as kubectl)")
    clone.add_argument("-o", "--output", choices=("json",), default="", help="print JSON")


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _export(export: argparse.ArgumentParser) -> None:
    export.add_argument("workspace", metavar="WORKSPACE", help="the workspace; . is the current one")
    export.add_argument("--folder", type=Path, metavar="DIR", help="a file per object (default: standard output)")
    export.add_argument("--all", action="store_true", help="also what controllers made of other objects")
    export.add_argument("--redact-secrets", action="store_true", help="write Secrets without their values")
    export.add_argument("--kubeconfig", type=Path, metavar="FILE", help="which to read (default as kubectl)")
    export.add_argument("-o", "--output", choices=("json",), default="", help="with --folder: print JSON")


def _merge(merge: argparse.ArgumentParser) -> None:
    merge.add_argument("fork", metavar="FORK", help="the workspace whose changes are taken")
    merge.add_argument(
        "target", nargs="?", default="", metavar="TARGET", help="where to (default: what FORK is a copy of)"
    )
    merge.add_argument("--dry-run", action="store_true", help="only say what would be done")
    merge.add_argument("--force", action="store_true", help="let the fork win where both sides changed a field")
    merge.add_argument("--kubeconfig", type=Path, metavar="FILE", help="which to read (default as kubectl)")
    merge.add_argument("-o", "--output", choices=("json",), default="", help="print JSON")


def _diff(diff: argparse.ArgumentParser) -> None:
    diff.add_argument("before", metavar="A", help="a workspace (. is the current one), or context:NAME for a cluster")
    diff.add_argument("after", metavar="B", help="the workspace to compare it with")
    diff.add_argument("--status", action="store_true", help="compare the status of objects as well")
    diff.add_argument("--secrets", action="store_true", help="show what is in Secrets")
    diff.add_argument("--kubeconfig", type=Path, metavar="FILE", help="which to read (default as kubectl)")
    diff.add_argument(
        "-o", "--output", choices=("summary", "yaml", "json"), default="", help="another form than lines for people"
    )


def _fork(fork: argparse.ArgumentParser) -> None:
    fork.add_argument("source", metavar="SOURCE", help="the workspace to copy; . is the current one")
    fork.add_argument("target", metavar="TARGET", help="the workspace to make")
    fork.add_argument("--at", default="", metavar="WHEN", help="as it stood at this resourceVersion or time")
    fork.add_argument("--fresh", action="store_true", help="give the objects uids of their own (takes a while longer)")
    fork.add_argument("--no-base", action="store_true", help="do not keep what it begins with, which a merge needs")
    fork.add_argument("--enter", action="store_true", help="go there")
    fork.add_argument("--kubeconfig", type=Path, metavar="FILE", help="which to read and change (default as kubectl)")
    fork.add_argument("-o", "--output", choices=("json",), default="", help="print JSON")


def _ws(ws: argparse.ArgumentParser) -> None:
    ws.add_argument(
        "words", nargs="*", metavar="WORD",
        help="use PATH (or just PATH), current, list, tree, create NAME, create-context [NAME], delete PATH",
    )  # fmt: skip
    ws.add_argument("--kubeconfig", type=Path, metavar="FILE", help="which to read and change (default as kubectl)")
    ws.add_argument("--type", default="", metavar="TYPE", help="create: the type, e.g. root:organization")
    ws.add_argument("--enter", action="store_true", help="create: go there")
    ws.add_argument("--ignore-existing", action="store_true", help="create: one that is there will do")
    ws.add_argument("--create-context", default="", metavar="NAME", help="create: a context for it, by this name")
    ws.add_argument("--overwrite", action="store_true", help="create-context: exchange one of the same name")
    ws.add_argument("--recursive", action="store_true", help="delete: also workspaces below")
    ws.add_argument("--no-wait", action="store_true", help="delete: do not wait until it is gone")
    ws.add_argument("--by-host", action="store_true", help="name it by host (team.localhost) instead of by path")
    ws.add_argument("--short", action="store_true", help="use, current: print the path alone")
    ws.add_argument("-o", "--output", choices=("json",), default="", help="print JSON")


def _envtest(envtest: argparse.ArgumentParser) -> None:
    envtest.add_argument("action", choices=("assets",), help="write the scripts that envtest starts")
    envtest.add_argument("folder", type=Path, metavar="DIR", help="where to; for KUBEBUILDER_ASSETS")
    envtest.add_argument("--controllers", action="store_true", help="with controllers, as `wherry up --controllers`")
    envtest.add_argument(
        "--simulate-nodes", type=int, default=0, metavar="N", help="with N simulated nodes; includes --controllers"
    )


def _cel(cel: argparse.ArgumentParser) -> None:
    cel.add_argument("action", choices=("eval", "check"), help="eval prints the value, check the type")
    cel.add_argument("expression", metavar="EXPRESSION", help="the expression")
    cel.add_argument("--var", action="append", default=[], metavar="NAME=JSON", help="a variable; may be repeated")
    cel.add_argument("--self", metavar="FILE", help="JSON for the variable self; - reads standard input")
    cel.add_argument("--cost", action="store_true", help="print on standard error what the run cost")


def _up(up: argparse.ArgumentParser) -> None:
    where = up.add_mutually_exclusive_group()
    where.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="the data folder (default .wherry)")
    where.add_argument("--in-memory", action="store_true", help="keep nothing: everything is gone at exit")
    up.add_argument("--storage", default="", metavar="URL", help="keep the records elsewhere, e.g. sqlite:DIR, memory:")
    up.add_argument("--bind", default="127.0.0.1", metavar="ADDR", help="the address to listen on (default 127.0.0.1)")
    up.add_argument(
        "--port", type=int, default=PORT, metavar="N", help=f"the port; 0 takes a free one (default {PORT})"
    )
    up.add_argument("--kubeconfig", type=Path, metavar="FILE", help="where to write it (default DIR/kubeconfig)")
    up.add_argument(
        "--tls-name", action="append", default=[], metavar="NAME",
        help="a further name or address for the server's certificate; may be repeated",
    )  # fmt: skip
    up.add_argument(
        "--controllers", action="store_true",
        help="run the controllers of apps and batch (Deployments make pods, ...); off by default",
    )  # fmt: skip
    up.add_argument(
        "--simulate-nodes", type=int, default=0, metavar="N",
        help="N simulated nodes, on which pods become ready although nothing runs; includes --controllers",
    )  # fmt: skip
    up.add_argument(
        "--history", type=protection.duration, default=300.0, metavar="DURATION",
        help="how far back the past can be read, e.g. 24h (default 5m, as kube-apiserver)",
    )  # fmt: skip
    up.add_argument("--log-level", choices=LOG_LEVELS, default="warning", help="how much to log (default warning)")
    access_flags.add(up)
    protection.add(up)
