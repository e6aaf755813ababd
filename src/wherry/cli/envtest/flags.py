"""The flags that Wherry takes where a kube-apiserver is started: what each sets, and which say nothing to it.

Access, audit, limits and encryption have the same flags as `wherry up`, which took their names from kube-apiserver.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from wherry.cli import access_flags, protection

VERSION = "v1.36.0"  # of the kube-apiserver whose answers Wherry gives

# Flags of kube-apiserver 1.36 that are about what Wherry does not have (etcd as a database, kubelets, HTTP/2, replicas)
# or has in one way only. Who gives one is told so on standard error.
_LISTED = """
admission-control advertise-address aggregator-reject-forwarding-redirect allow-metric-labels
allow-metric-labels-manifest allow-privileged audit-log-batch-max-size audit-log-batch-max-wait
audit-log-batch-throttle-burst audit-log-batch-throttle-enable audit-log-batch-throttle-qps audit-log-format
audit-log-truncate-max-batch-size audit-log-version audit-webhook-mode audit-webhook-version contention-profiling
coordinated-leadership-lease-duration coordinated-leadership-renew-deadline coordinated-leadership-retry-period
cors-allowed-origins debug-socket-path default-not-ready-toleration-seconds default-unreachable-toleration-seconds
delete-collection-workers disable-http2-serving disabled-metrics egress-selector-config-file
emulated-version emulation-forward-compatible enable-aggregator-routing enable-garbage-collector enable-logs-handler
endpoint-reconciler-type etcd-cafile etcd-certfile etcd-compaction-interval etcd-count-metric-poll-period
etcd-db-metric-poll-interval etcd-healthcheck-timeout etcd-keyfile etcd-prefix etcd-readycheck-timeout
etcd-servers-overrides event-ttl external-hostname feature-gates goaway-chance http2-max-streams-per-connection
kubelet-certificate-authority kubelet-client-certificate kubelet-client-key kubelet-preferred-address-types
kubelet-timeout kubernetes-service-node-port lease-reuse-duration-seconds livez-grace-period log-flush-frequency
log-text-info-buffer-size log-text-split-stream logging-format max-connection-bytes-per-sec min-compatibility-version
min-request-timeout peer-advertise-ip peer-advertise-port peer-ca-file permit-address-sharing permit-port-sharing
profiling runtime-config runtime-config-emulation-forward-compatible
service-account-lookup service-account-signing-endpoint service-cluster-ip-range service-node-port-range
show-hidden-metrics-for-version shutdown-delay-duration shutdown-send-retry-after
shutdown-watch-termination-grace-period storage-backend storage-initialization-timeout storage-media-type
strict-transport-security-directives tls-cipher-suites tls-curve-preferences tls-min-version tls-sni-cert-key
tracing-config-file v vmodule watch-cache watch-cache-sizes
"""
WITHOUT_EFFECT = tuple(_LISTED.split())
# What envtest itself always says: not worth a word.
EXPECTED = ("allow-privileged", "service-cluster-ip-range", "v")


def parser() -> argparse.ArgumentParser:
    """All flags. Abbreviations are none, as for Go."""
    found = argparse.ArgumentParser(prog="kube-apiserver", allow_abbrev=False, add_help=False, argument_default=None)
    add = found.add_argument
    add("--secure-port", type=int, default=6443)
    add("--bind-address", default="0.0.0.0")
    add("--cert-dir", type=Path, default=Path("/var/run/kubernetes"))
    add("--etcd-servers", default="")
    add("--wherry-controllers", action="store_true")
    add("--wherry-simulate-nodes", type=int, default=0)
    access_flags.add(found)
    protection.add(found)
    for name in WITHOUT_EFFECT:
        add(f"--{name}", *(["-v"] if name == "v" else []), nargs="?", const="true", action="append")
    return found


def known() -> list[str]:
    """Their names, for the help text."""
    options = [option[2:] for action in parser()._actions for option in action.option_strings]
    return sorted(option for option in options if option)


def unheard(given: argparse.Namespace) -> list[str]:
    """Which flags were given that change nothing."""
    said = [name for name in WITHOUT_EFFECT if getattr(given, name.replace("-", "_")) is not None]
    return [name for name in said if name not in EXPECTED]
