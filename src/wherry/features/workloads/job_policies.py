"""Pure: pod failure policies and success policies of jobs (pkg/controller/job/{pod_failure,success}_policy.go)."""

from __future__ import annotations

from wherry.features.workloads.common import Obj, is_deleting, phase
from wherry.features.workloads.job_indexes import parse_indexes


def replaces_only_failed(job: Obj) -> bool:
    return bool(job["spec"].get("podReplacementPolicy") == "Failed")


def is_failed(job: Obj, pod: Obj) -> bool:
    """A pod on its way out counts as failed, unless the job waits for its end."""
    if phase(pod) == "Failed":
        return True
    if replaces_only_failed(job):
        return False
    return is_deleting(pod) and phase(pod) != "Succeeded"


def judge(job: Obj, pod: Obj) -> tuple[str, bool, str]:
    """(why the job fails, whether the failure counts, the rule's action)."""
    meta = pod["metadata"]
    title = f"{meta.get('namespace', '')}/{meta['name']}"
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        action, text = rule["action"], ""
        if rule.get("onExitCodes"):
            status = _exit(pod, rule["onExitCodes"])
            if status is None:
                continue
            code = status["state"]["terminated"]["exitCode"]
            text = f"Container {status['name']} for pod {title} failed with exit code {code}"
            text += f" matching {action} rule at index {number}"
        else:
            condition = _condition(pod, rule.get("onPodConditions") or ())
            if condition is None:
                continue
            text = f"Pod {title} has condition {condition['type']} matching {action} rule at index {number}"
        return (text if action == "FailJob" else ""), action != "Ignore", action
    return "", True, ""


def _exit(pod: Obj, wanted: Obj) -> Obj | None:
    status = pod.get("status") or {}
    for field in ("containerStatuses", "initContainerStatuses"):
        for container in status.get(field) or ():
            ended = container["state"].get("terminated")
            if not ended or not ended["exitCode"] or wanted.get("containerName") not in (None, container["name"]):
                continue
            if (ended["exitCode"] in wanted["values"]) == (wanted["operator"] == "In"):
                found: Obj = container
                return found
    return None


def _condition(pod: Obj, patterns: list[Obj] | tuple[()]) -> Obj | None:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        for pattern in patterns:
            if condition["type"] == pattern["type"] and condition["status"] == pattern.get("status", "True"):
                found: Obj = condition
                return found
    return None


def success(job: Obj, succeeded: set[int]) -> str:
    """The message of the first success rule that is met."""
    completions = job["spec"].get("completions") or 0
    for number, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or ()):
        count = rule.get("succeededCount")
        if rule.get("succeededIndexes"):
            required = parse_indexes(rule["succeededIndexes"], completions)
            have = len(required & succeeded)
            met = bool(required) and (have == len(required) or (count is not None and have >= count))
        else:
            met = count is not None and bool(succeeded) and len(succeeded) >= count
        if met:
            return f"Matched rules at index {number}"
    return ""
