"""Requests that go on to what runs a pod (`runtime/nodes`): logs, exec (pkg/registry/core/pod/strategy.go)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wherry import errors
from wherry.runtime.nodes import LogOptions, NodeRuntime
from wherry.server import options
from wherry.server.handler import Call
from wherry.server.http import Response

Obj = dict[str, Any]
_PLAIN = [("content-type", "text/plain")]


async def answer(call: Call, runtime: NodeRuntime, pod: Obj, container: str, logs: LogOptions | None) -> Response:
    """The answer of the runtime that has the pod's node."""
    if logs is not None:
        return Response(200, _PLAIN, await runtime.logs(pod, replace(logs, container=container)))
    if call.info.subresource == "exec":
        command = [value for key, value in call.info.query if key == "command"]
        return Response(200, _PLAIN, await runtime.exec(pod, container, command))
    name = pod["metadata"]["name"]
    raise errors.ServiceUnavailable(f"pod {name}: its node does not offer {call.info.subresource}")


def log_options(call: Call) -> LogOptions:
    """PodLogOptions of the query. Raises BadRequest, Invalid (ValidatePodLogOptions)."""
    info = call.info
    found = LogOptions(
        follow=bool(options.boolean(info, "follow")),
        previous=bool(options.boolean(info, "previous")),
        timestamps=bool(options.boolean(info, "timestamps")),
        since_seconds=options.integer(info, "sinceSeconds"),
        tail_lines=options.integer(info, "tailLines"),
        limit_bytes=options.integer(info, "limitBytes"),
    )
    wrong: list[errors.FieldError] = []
    if found.tail_lines is not None and found.tail_lines < 0:
        wrong.append(errors.invalid("tailLines", found.tail_lines, "must be greater than or equal to 0"))
    if found.limit_bytes is not None and found.limit_bytes < 1:
        wrong.append(errors.invalid("limitBytes", found.limit_bytes, "must be greater than 0"))
    if found.since_seconds is not None and info.has("sinceTime"):
        text = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        wrong.append(errors.forbidden("[]", text))
    elif found.since_seconds is not None and found.since_seconds < 1:
        wrong.append(errors.invalid("sinceSeconds", found.since_seconds, "must be greater than 0"))
    if info.has("stream"):
        wrong.append(errors.forbidden("stream", "may not be specified"))
    if wrong:
        raise errors.Invalid.of("", "PodLogOptions", info.name, wrong)
    return found


def chosen(pod: Obj, name: str) -> str:
    """The container that is meant; the only one where none is named."""
    spec, title = pod["spec"], pod["metadata"]["name"]
    regular = [c["name"] for c in spec.get("containers") or ()]
    first = [c["name"] for c in spec.get("initContainers") or ()]
    if name:
        if name not in (*regular, *first, *(c["name"] for c in spec.get("ephemeralContainers") or ())):
            raise errors.BadRequest(f"container {name} is not valid for pod {title}")
        return name
    if len(regular) == 1 and not first:
        return str(regular[0])
    text = f"a container name must be specified for pod {title}, choose one of: [{' '.join(regular)}]"
    if first:
        text += f" or one of the init containers: [{' '.join(first)}]"
    raise errors.BadRequest(text)
