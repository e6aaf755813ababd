"""The `wherry` command. Only `main` lives here: importing it must cost nothing (law 4)."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 could not be done, 2 wrong usage."""
    import sys

    from wherry.cli.arguments import parser

    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["kubectl"]:
        # Everything behind belongs to kubectl, --help included, so argparse must not see it.
        from wherry.cli.kubectl import run

        return run(given[1:])
    options = parser().parse_args(given)
    if options.command == "up":
        from wherry.cli.up import up

        return up(options)
    if options.command == "cel":
        from wherry.cli.cel import cel

        return cel(options)
    if options.command == "envtest":
        from wherry.cli.envtest.assets import envtest

        return envtest(options)
    if options.command == "ws":
        from wherry.cli.ws.command import ws

        return ws(options)
    if options.command == "fork":
        from wherry.cli.ws.fork import fork

        return fork(options)
    if options.command == "diff":
        from wherry.cli.ws.diff import diff

        return diff(options)
    if options.command == "merge":
        from wherry.cli.ws.merge import merge

        return merge(options)
    if options.command == "clone":
        from wherry.cli.copies.clone import clone

        return clone(options)
    if options.command == "export":
        from wherry.cli.copies.export import export

        return export(options)
    if options.command == "history":
        from wherry.cli.copies.past import history

        return history(options)
    if options.command == "get":
        from wherry.cli.copies.past import get

        return get(options)
    if options.command == "snapshot":
        from wherry.cli.snapshot import snapshot

        return snapshot(options)
    if options.command == "version":
        from wherry.cli.version import version

        return version()
    parser().print_help()
    return 2
