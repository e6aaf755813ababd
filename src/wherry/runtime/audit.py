"""The seam for whoever wants to know what is done through the API server: audit events inside the process.

A feature whose controllers include such a thing is found by the control plane and gets every event that the audit
policy makes, as one JSON line each (`audit.k8s.io/v1` Event), in order and in batches. Where the operator has none,
everything is told at the level that the reader names, to readers alone. A reader that is slower than the requests loses
events: its buffer is bounded, and what did not fit is counted in `apiserver_audit_error_total{plugin="<its name>"}`.

Against another Kubernetes the same events come from that server's audit webhook.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class AuditReader(Protocol):
    """Reads audit events."""

    audit_name: str  # of the reader, in metrics
    audit_level: str  # Metadata, Request or RequestResponse: what it needs where no policy says otherwise

    async def audited(self, events: list[bytes]) -> None:
        """A batch. What this raises is logged, and the batch is lost."""
