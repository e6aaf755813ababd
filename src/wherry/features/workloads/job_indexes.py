"""Pure: completion indexes of jobs, and how sets of them are written, `1,3-5`
(pkg/controller/job/indexed_job_utils.go)."""

from __future__ import annotations

from collections.abc import Iterable

from wherry.features.workloads.common import Obj

INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
_VARIABLE = "JOB_COMPLETION_INDEX"


def parse_indexes(text: str, completions: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        if first.isdigit() and (not last or last.isdigit()):
            found.update(index for index in range(int(first), int(last or first) + 1) if index < completions)
    return found


def format_indexes(indexes: Iterable[int]) -> str:
    """Ascending, neighbours joined: two as `1,2`, three and more as `1-3`."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(f"{a}" if a == b else f"{a},{b}" if b == a + 1 else f"{a}-{b}" for a, b in runs)


def index_of(pod: Obj) -> int | None:
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdigit() else None


def count_of(pod: Obj, annotation: str) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(annotation, "")
    return int(text) if text.isdigit() else 0


def indexed_template(template: Obj, job_name: str, index: int) -> Obj:
    """The template of one index's pods: annotation, label, host name and environment variable."""
    meta, spec = template.get("metadata") or {}, template["spec"]
    annotations = {**(meta.get("annotations") or {}), INDEX: str(index)}
    labels = {**(meta.get("labels") or {}), INDEX: str(index)}
    changed = {**spec, "hostname": f"{job_name}-{index}"}
    for field in ("initContainers", "containers"):
        if spec.get(field):
            changed[field] = [_with_variable(container) for container in spec[field]]
    return {**template, "metadata": {**meta, "annotations": annotations, "labels": labels}, "spec": changed}


def _with_variable(container: Obj) -> Obj:
    env = container.get("env") or []
    if any(variable["name"] == _VARIABLE for variable in env):
        return container
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    return {**container, "env": [*env, {"name": _VARIABLE, "valueFrom": source}]}
