"""What an operator says about audit, and the auditor that comes of it (apiserver/pkg/server/options/audit.go)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from wherry.access.audit.auditor import Auditor, Sink
from wherry.access.audit.buffer import Batching, Buffered
from wherry.access.audit.logfile import LogFile, Rotation
from wherry.access.audit.policy import Policy, PolicyError, load
from wherry.access.audit.webhook import Webhook, WebhookConfigError, read_config
from wherry.errors import ConfigurationError

Mode = Literal["blocking", "blocking-strict", "batch"]


class AuditError(ConfigurationError):
    """Audit as configured cannot begin; says why."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """`--audit-log-*`"""

    path: str = ""
    age: int = 366  # days
    backups: int = 100
    megabytes: int = 100
    compress: bool = False
    mode: Mode = "blocking"
    batching: Batching = field(default_factory=lambda: Batching(size=1, wait=0.0, qps=0.0))
    max_event: int = 0  # bytes; 0: nothing is cut short


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """`--audit-webhook-*`"""

    config_file: Path | None = None
    initial_backoff: float = 10.0
    batching: Batching = field(default_factory=Batching)
    max_event: int = 0


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Without a policy file nothing is audited, whatever else is said."""

    policy_file: Path | None = None
    log: LogOptions = LogOptions()
    webhook: WebhookOptions = WebhookOptions()


def make_auditor(options: AuditOptions, policy: Policy | None = None) -> Auditor | None:
    """None where nothing asks for events. Raises AuditError."""
    if policy is None and options.policy_file is None:
        return None
    try:
        rules = policy if policy is not None else load(options.policy_file or Path())
        sinks: list[Sink] = [*_log(options.log), *_webhook(options.webhook)]
    except (PolicyError, WebhookConfigError) as error:
        raise AuditError(str(error)) from None
    except OSError as error:
        raise AuditError(f"the audit log {options.log.path} cannot be opened: {error.strerror}") from None
    return Auditor(rules, sinks)


def _log(options: LogOptions) -> Sequence[Sink]:
    if not options.path:
        return ()
    for name, number in (("maxage", options.age), ("maxbackup", options.backups), ("maxsize", options.megabytes)):
        if number < 0:
            raise AuditError(f"--audit-log-{name} {number} can't be a negative number")
    rotation = Rotation(
        age=options.age, backups=options.backups, megabytes=options.megabytes, compress=options.compress
    )
    strict = options.mode == "blocking-strict"
    file = LogFile(options.path, rotation, strict=strict, max_event=options.max_event)
    return (_Written(file, options.batching),) if options.mode == "batch" else (file,)


class _Written(Buffered):
    """The log in mode batch: lines wait in a buffer and are written together."""

    def __init__(self, file: LogFile, batching: Batching):
        async def deliver(batch: list[bytes]) -> None:
            if not file.take(b"".join(batch)):
                raise OSError(f"{len(batch)} lines could not be written")

        super().__init__("log", deliver, batching, max_event=file.max_event)
        self._log = file

    async def stop(self) -> None:
        await super().stop()
        await self._log.stop()


def _webhook(options: WebhookOptions) -> Sequence[Sink]:
    if options.config_file is None:
        return ()
    from wherry.access.webhooks import WebhookCaller

    config = read_config(options.config_file)
    webhook = Webhook(config, WebhookCaller(user_agent="kube-apiserver"), initial_backoff=options.initial_backoff)
    return (webhook.sink(options.batching, max_event=options.max_event),)
