"""CONNECT for admission: exec, attach, portforward and proxy are judged by the options in their URL
(apiserver/pkg/endpoints/handlers/rest.go: ConnectResource)."""

from __future__ import annotations

from typing import Any

from wherry import errors
from wherry.server import options
from wherry.server.handler import Call
from wherry.store.context import WriteContext

_FLAGS = ("stdin", "stdout", "stderr", "tty")


async def admit(call: Call) -> None:
    """Ask the plugins; whoever refuses raises."""
    info, d = call.info, call.definition
    assert d is not None
    if info.has("dryRun"):
        raise errors.BadRequest("dryRun is not supported")
    ctx = WriteContext(warnings=call.warnings, annotations=call.annotations)
    call.api.admission.attach(ctx, d, call.user, call.namespace, info.name, info.subresource)
    given = connect_options(call)
    await ctx.admit_mutating("CONNECT", given)
    await ctx.admit_validating("CONNECT", given)


def connect_options(call: Call) -> dict[str, Any]:
    """PodExecOptions, PodAttachOptions, PodPortForwardOptions, or the options of a proxy."""
    info, d = call.info, call.definition
    assert d is not None
    found: dict[str, Any] = {"kind": d.resource.subresources[info.subresource].kind, "apiVersion": "v1"}
    if info.subresource in ("exec", "attach"):
        found.update({flag: True for flag in _FLAGS if options.boolean(info, flag)})
        if info.first("container"):
            found["container"] = info.first("container")
        if info.subresource == "exec":
            command = [value for key, value in info.query if key == "command"]
            found["command"] = command or None
    elif info.subresource == "portforward":
        ports = [value for key, value in info.query if key == "ports"]
        found.update({"ports": [int(port) for port in ports if port.isdigit()]} if ports else {})
    else:
        path = "/".join(info.parts[3:])
        found.update({"path": f"/{path}" if path else "/"})
    return found
