"""`wherry up`: one control plane in this process, until a signal ends it."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from wherry.cli import protection
from wherry.cli.access_flags import options_of
from wherry.cli.arguments import DATA

if TYPE_CHECKING:
    from wherry.controlplane import ControlPlane

log = logging.getLogger("wherry")

_loaded = time.monotonic()
IMPATIENCE_SECONDS = 0.3


def up(options: argparse.Namespace) -> int:
    """`wherry up` with these flags."""

    def begin(plane: ControlPlane) -> None:
        print(f"Ready at {plane.url} in {since_start_ms()} ms; kubeconfig: {plane.kubeconfig_path}", flush=True)
        plane.start_features(("workloads",) if options.controllers else (), simulate_nodes=options.simulate_nodes)

    return served(options.log_level, lambda: _plane(options), begin)


def served(level: str, make: Callable[[], ControlPlane], begin: Callable[[ControlPlane], None]) -> int:
    """Start, let it `begin`, wait for SIGINT or SIGTERM, stop. Expected failures are one line on stderr."""
    from wherry.errors import ConfigurationError
    from wherry.kit.loops import fast_loop
    from wherry.server.serve import ListenError
    from wherry.storage.api import StorageError

    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(stream=sys.stderr, level=getattr(logging, level.upper()), format=form)
    try:
        plane = make()
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(_serve(plane, begin))
    except (StorageError, ListenError, ConfigurationError, OSError) as error:
        # OSError: a kubeconfig or certificate that cannot be read or written; its text names the file.
        log.debug("start failed", exc_info=error)
        print(f"wherry: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _plane(options: argparse.Namespace) -> ControlPlane:
    from wherry.controlplane import ControlPlane

    access = options_of(options)
    access.check()
    return ControlPlane(
        data_dir=None if options.in_memory else options.data,
        storage_url=options.storage,
        history=options.history,
        bind=options.bind,
        port=options.port,
        names=options.tls_name,
        kubeconfig_path=options.kubeconfig or (DATA / "kubeconfig" if options.in_memory else None),
        access=access,
        limits=protection.limits(options),
        audit=protection.options(options),
        encryption=options.encryption_provider_config,
        reload_encryption=options.encryption_provider_config_automatic_reload,
    )


async def _serve(plane: ControlPlane, begin: Callable[[ControlPlane], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    asked = _asked(stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, asked)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            pass
    # The thread that commits must not wait long for the interpreter when the loop is busy: an answer hangs on it.
    sys.setswitchinterval(0.001)
    await plane.serve()
    try:
        # What stands now stands until the end: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        begin(plane)
        from wherry.controlplane.warm import warm

        warming = asyncio.create_task(warm())
        await stop.wait()
        warming.cancel()
    finally:
        await plane.stop()


def _asked(stop: asyncio.Event) -> Callable[[], None]:
    """What a signal does: the first stops cleanly, a later one is impatience.

    Not one that follows at once: a process group and its leader (`timeout`, `make`) often send the same signal twice.
    """
    first = 0.0

    def asked() -> None:
        nonlocal first
        now = time.monotonic()
        if stop.is_set() and now - first > IMPATIENCE_SECONDS:
            os._exit(130)
        if not stop.is_set():
            first = now
            stop.set()

    return asked


def since_start_ms() -> int:
    """Milliseconds since the process was started; since this module was loaded where the system does not tell."""
    try:
        # Field 22, counted behind the command's name, which may itself hold blanks and parentheses.
        fields = Path("/proc/self/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return round((time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1000)
    except (OSError, AttributeError, ValueError, IndexError):
        return round((time.monotonic() - _loaded) * 1000)
