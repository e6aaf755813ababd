"""Audit: who did what, when, and what became of it (k8s.io/apiserver/pkg/audit).

`policy` decides how much is told of a request, `trail` collects one request's story and writes it at each stage as an
`audit.k8s.io/v1` Event, `auditor` hands the finished line to the sinks (`logfile`, `webhook`) and to readers in the
process. All of it is imported only where audit is switched on; without it a request pays for one comparison with None.

This module is what everyone else sees: `annotate` adds to the event of the request at hand, wherever in the chain of
authentication, authorization and admission the caller stands, and does nothing where nobody listens.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

log = logging.getLogger("wherry.audit")

# The annotations of the request that the current task answers; None where audit is off.
current: ContextVar[dict[str, str] | None] = ContextVar("audit_annotations", default=None)


def annotate(key: str, value: str) -> None:
    """Say something about the request at hand. Keys name who says it (`podsecurity.example.org/reason`); the first
    value stays. It is shown at every level, so it must hold nothing secret."""
    found = current.get()
    if found is None:
        return
    if found.setdefault(key, value) != value:
        log.warning("the audit annotation %s is there already and keeps its value", key)


def wanted() -> bool:
    """Whether anyone would see an annotation: for those that are dear to make."""
    return current.get() is not None
