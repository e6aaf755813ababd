"""The flags of `wherry up` for audit and encryption at rest, under kube-apiserver's names, and what comes of them."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.access.audit.options import AuditOptions
    from wherry.server.limits import Limits

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?)(ms|s|m|h)")


def duration(text: str) -> float:
    """Seconds of a Go duration like `1m30s`."""
    parts = _PART.findall(text)
    if text == "0":
        return 0.0
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 500ms, 10s, 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def yes_or_no(text: str) -> bool:
    """A boolean flag's value, as Go reads it."""
    known = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return known[text.lower()]


def add(up: argparse.ArgumentParser) -> None:
    """All of them."""
    group = up.add_argument_group("audit (off without a policy)")
    add = group.add_argument
    add("--audit-policy-file", type=Path, metavar="FILE", help="an audit.k8s.io/v1 Policy: what is told of whom")
    add("--audit-log-path", default="", metavar="FILE", help="write events to this file as JSON lines; - is stdout")
    add("--audit-log-maxage", type=int, default=366, metavar="DAYS", help="keep rotated files so long (default 366)")
    add("--audit-log-maxbackup", type=int, default=100, metavar="N", help="keep so many of them (default 100)")
    add("--audit-log-maxsize", type=int, default=100, metavar="MB", help="rotate at this size (default 100; 0: never)")
    add("--audit-log-compress", action="store_true", help="gzip rotated files")
    add(
        "--audit-log-mode", choices=("blocking", "blocking-strict", "batch"), default="blocking",
        help="blocking writes before the answer, -strict refuses what it cannot log, batch writes later",
    )  # fmt: skip
    add("--audit-log-batch-buffer-size", type=int, default=10_000, metavar="N", help="events in mode batch (10000)")
    add("--audit-log-truncate-enabled", action="store_true", help="leave out the objects of long events")
    add("--audit-log-truncate-max-event-size", type=int, default=102_400, metavar="BYTES", help="what is long (102400)")
    add("--audit-webhook-config-file", type=Path, metavar="FILE", help="send events to the server of this kubeconfig")
    add(
        "--audit-webhook-initial-backoff", type=duration, default=10.0, metavar="TIME",
        help="the wait before the first repetition (default 10s)",
    )  # fmt: skip
    add("--audit-webhook-batch-buffer-size", type=int, default=10_000, metavar="N", help="events that wait (10000)")
    add("--audit-webhook-batch-max-size", type=int, default=400, metavar="N", help="events of a batch (400)")
    add("--audit-webhook-batch-max-wait", type=duration, default=30.0, metavar="TIME", help="until one goes (30s)")
    add(
        "--audit-webhook-batch-throttle-enable", type=yes_or_no, nargs="?", const=True, default=True, metavar="BOOL",
        help="bound the batches per second (default true)",
    )  # fmt: skip
    add("--audit-webhook-batch-throttle-qps", type=float, default=10.0, metavar="N", help="batches per second (10)")
    add("--audit-webhook-batch-throttle-burst", type=int, default=15, metavar="N", help="batches at once (15)")
    add("--audit-webhook-truncate-enabled", action="store_true", help="leave out the objects of long events")
    add("--audit-webhook-truncate-max-batch-size", type=int, default=10 << 20, metavar="BYTES", help="(10485760)")
    add("--audit-webhook-truncate-max-event-size", type=int, default=102_400, metavar="BYTES", help="(102400)")
    group = up.add_argument_group("limits")
    add = group.add_argument
    add(
        "--enable-priority-and-fairness", type=yes_or_no, nargs="?", const=True, default=True, metavar="BOOL",
        help="share seats between flows by FlowSchemas and priority levels (default true)",
    )  # fmt: skip
    add("--max-requests-inflight", type=int, default=400, metavar="N", help="with the next, the seats (default 400)")
    add("--max-mutating-requests-inflight", type=int, default=200, metavar="N", help="(default 200)")
    add("--request-timeout", type=duration, default=60.0, metavar="TIME", help="until an answer begins (default 1m)")
    add("--max-watches", type=int, default=10_000, metavar="N", help="open watches (default 10000)")
    add("--max-watches-per-user", type=int, default=5_000, metavar="N", help="of one user (default 5000)")
    group = up.add_argument_group("encryption at rest")
    add = group.add_argument
    add("--encryption-provider-config", type=Path, metavar="FILE", help="an EncryptionConfiguration: what is encrypted")
    add(
        "--encryption-provider-config-automatic-reload", type=yes_or_no, nargs="?", const=True, default=False,
        metavar="BOOL", help="read it again when it changes (default false)",
    )  # fmt: skip


def limits(args: argparse.Namespace) -> Limits:
    from wherry.server.limits import Limits

    return Limits(
        fair=args.enable_priority_and_fairness,
        read_only_in_flight=args.max_requests_inflight,
        mutating_in_flight=args.max_mutating_requests_inflight,
        request_seconds=args.request_timeout,
        watches=args.max_watches,
        watches_per_user=args.max_watches_per_user,
    )


def options(args: argparse.Namespace) -> AuditOptions | None:
    """None where nothing is asked for, so that nothing is imported."""
    if args.audit_policy_file is None:
        return None
    from wherry.access.audit.buffer import Batching
    from wherry.access.audit.options import AuditOptions, LogOptions, WebhookOptions

    log = LogOptions(
        path=args.audit_log_path,
        age=args.audit_log_maxage,
        backups=args.audit_log_maxbackup,
        megabytes=args.audit_log_maxsize,
        compress=args.audit_log_compress,
        mode=args.audit_log_mode,
        batching=Batching(buffer=args.audit_log_batch_buffer_size, wait=0.0, qps=0.0),
        max_event=args.audit_log_truncate_max_event_size if args.audit_log_truncate_enabled else 0,
    )
    cut = args.audit_webhook_truncate_enabled
    batching = Batching(
        buffer=args.audit_webhook_batch_buffer_size,
        size=args.audit_webhook_batch_max_size,
        wait=args.audit_webhook_batch_max_wait,
        qps=args.audit_webhook_batch_throttle_qps if args.audit_webhook_batch_throttle_enable else 0.0,
        burst=args.audit_webhook_batch_throttle_burst,
        max_bytes=args.audit_webhook_truncate_max_batch_size if cut else 0,
    )
    webhook = WebhookOptions(
        config_file=args.audit_webhook_config_file,
        initial_backoff=args.audit_webhook_initial_backoff,
        batching=batching,
        max_event=args.audit_webhook_truncate_max_event_size if cut else 0,
    )
    return AuditOptions(args.audit_policy_file, log, webhook)
