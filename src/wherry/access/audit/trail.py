"""One request's story, told at each stage as an `audit.k8s.io/v1` Event (k8s.io/apiserver/pkg/audit, request.go).

The event is encoded here, once, for all who get it. What must not be told at a level is not even looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from time import gmtime, strftime
from typing import TYPE_CHECKING, Any

import orjson

from wherry.access.audit.policy import WORDS, Config, Level
from wherry.access.user import Attributes, User

if TYPE_CHECKING:
    from wherry.access.audit.auditor import Auditor

Obj = dict[str, Any]

MAX_AGENT = 1024
DECISION, REASON = "authorization.k8s.io/decision", "authorization.k8s.io/reason"
_STATUS_MEMBERS = ("status", "message", "reason", "details")


CONTENT = "patch.webhook.admission.k8s.io/"  # annotations that show parts of objects: not at the level Metadata


class Trail:
    """What is known so far. `emit` tells it; stages that the policy leaves out are passed over."""

    __slots__ = (
        "_ref", "_request", "_response", "_status", "annotations", "auditor", "config", "constraint", "head",
        "impersonated", "received", "tail", "user",
    )  # fmt: skip

    def __init__(
        self,
        auditor: Auditor,
        config: Config,
        asked: Attributes | None,
        verb: str,
        uri: str,
        audit_id: str,
        received: float,
        annotations: dict[str, str],
    ):
        self.auditor = auditor
        self.config = config
        self.user = asked.user if asked is not None else None
        self.impersonated: User | None = None
        self.constraint = ""
        self.received = received
        self.annotations = annotations
        self.head: Obj = {
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": WORDS[config.level], "auditID": audit_id,
            "stage": "", "requestURI": uri, "verb": verb,
        }  # fmt: skip
        self.tail: Obj = {}
        self._ref = _reference(asked) if asked is not None and asked.resource_request else None
        self._request: Any = None
        self._response: Any = None
        self._status: Obj | None = None

    # --- what is learned on the way ----------------------------------------------------------------------------------
    def client(self, addresses: list[str], agent: str) -> None:
        """Where the request came from."""
        if addresses:
            self.tail["sourceIPs"] = addresses
        if agent:
            self.tail["userAgent"] = agent if len(agent) <= MAX_AGENT else agent[:MAX_AGENT] + "...TRUNCATED"

    def decided(self, allowed: bool, reason: str) -> None:
        """What the authorizers said."""
        self.annotations[DECISION] = "allow" if allowed else "forbid"
        self.annotations[REASON] = reason

    def request_object(self, obj: Obj, *, named: bool = True) -> None:
        """The decoded object of a request, before anything else is done with it. Its name counts where the URL has
        none; `named` False is for options, which are no objects."""
        ref = self._ref
        if named and ref is not None:
            meta = obj.get("metadata") or {}
            for key, member in (("namespace", "namespace"), ("name", "name"), ("uid", "uid")):
                if not ref.get(key) and meta.get(member):
                    ref[key] = meta[member]
            if meta.get("resourceVersion"):
                ref.setdefault("resourceVersion", meta["resourceVersion"])
        if self.config.level >= Level.REQUEST:
            self._request = orjson.Fragment(orjson.dumps(self._trimmed(obj)))

    def request_patch(self, decode: Callable[[], Any]) -> None:
        """A patch as it was sent."""
        if self.config.level >= Level.REQUEST:
            self._request = decode()

    def respond(self, code: int, status: Obj | None, document: Callable[[], Any] | None = None) -> None:
        """The answer: its code, the Status where it is one, and how to get at the document."""
        found: Obj = {"metadata": {}}
        if status is not None:
            found.update({key: status[key] for key in _STATUS_MEMBERS if status.get(key)})
        found["code"] = code
        self._status = found
        if document is not None and self.config.level >= Level.REQUEST_RESPONSE and self._ref is not None:
            self._response = self._trimmed(document())

    def refuse(self, code: int, reason: str, message: str) -> None:
        """A failure that no answer tells of."""
        self._status = {"metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code}

    @property
    def wants_response(self) -> bool:
        """Whether the document of the answer is told."""
        return self.config.level >= Level.REQUEST_RESPONSE and self._ref is not None

    def _trimmed(self, obj: Any) -> Any:
        """Without managed fields where the policy says so; never changes what it is given."""
        if not self.config.omit_managed_fields or not isinstance(obj, dict):
            return obj
        out = _without_managed(obj)
        items = out.get("items")
        if isinstance(items, list):
            out = {**out, "items": [_without_managed(item) for item in items]}
        rows = out.get("rows")
        if out.get("kind") == "Table" and isinstance(rows, list):
            out = {**out, "rows": [{**row, "object": _without_managed(row.get("object"))} for row in rows]}
        return out

    # --- telling it --------------------------------------------------------------------------------------------------
    def emit(self, stage: str, now: float) -> bool:
        """False when a sink that must not lose anything could not take it."""
        if stage in self.config.omit:
            return True
        event = self.head
        event["stage"] = stage
        event["user"] = _user(self.user)
        if self.impersonated is not None:
            event["impersonatedUser"] = _user(self.impersonated)
            if self.constraint:
                event["authenticationMetadata"] = {"impersonationConstraint": self.constraint}
        event.update(self.tail)
        if self._ref is not None:
            event["objectRef"] = self._ref
        if stage != "RequestReceived":
            if self._status is not None:
                event["responseStatus"] = self._status
            if self._request is not None:
                event["requestObject"] = self._request
            if self._response is not None:
                event["responseObject"] = self._response
        event["requestReceivedTimestamp"] = stamp(self.received)
        event["stageTimestamp"] = stamp(now if stage != "RequestReceived" else self.received)
        notes = self.annotations
        if self.config.level < Level.REQUEST:
            notes = {key: value for key, value in notes.items() if not key.startswith(CONTENT)}
        if notes:
            event["annotations"] = notes
        return self.auditor.tell(event, self.config.level)


def _reference(asked: Attributes) -> Obj:
    ref = {
        "resource": asked.resource, "namespace": asked.namespace, "name": asked.name, "apiGroup": asked.group,
        "apiVersion": asked.version, "subresource": asked.subresource,
    }  # fmt: skip
    return {key: value for key, value in ref.items() if value}


def _user(user: User | None) -> Obj:
    if user is None:
        return {}
    out: Obj = {"username": user.name}
    if user.uid:
        out["uid"] = user.uid
    if user.groups:
        out["groups"] = user.groups
    if user.extra:
        out["extra"] = user.extra
    return out


def _without_managed(obj: Any) -> Any:
    if not isinstance(obj, dict):
        return obj
    meta = obj.get("metadata")
    if not isinstance(meta, dict) or "managedFields" not in meta:
        return obj
    return {**obj, "metadata": {key: value for key, value in meta.items() if key != "managedFields"}}


_second, _shown = -1, ""


def stamp(at: float) -> str:
    """MicroTime; the text of a second is made once."""
    global _second, _shown
    second = int(at)
    if second != _second:
        _second, _shown = second, strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
    return f"{_shown}.{int((at - second) * 1e6):06d}Z"
