"""The scale subresource of custom resources: autoscaling/v1 Scale out of an object and back into it.

`ScalePaths` is made from a version's `subresources.scale`; the server reads and writes through it, `custom` validates
with it. Follows ScaleREST in k8s.io/apiextensions-apiserver/pkg/registry/customresource/etcd.go and validator.go.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import BadRequest, FieldError, InternalError, go_quote
from wherry.machinery.crd.fields import invalid_value
from wherry.machinery.crd.nested import AccessError, nested_int, nested_string, set_nested

Obj = dict[str, Any]
_MAX = 2**31 - 1
_NOT_SET = -(2**31)  # spec.replicas of a Scale whose object has none
_META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


class ScalePaths:
    """Where the replicas and the selector of a custom resource are."""

    __slots__ = ("selector", "spec", "status")

    def __init__(self, scale: Obj):
        self.spec: str = scale["specReplicasPath"]
        self.status: str = scale["statusReplicasPath"]
        self.selector: str = scale.get("labelSelectorPath") or ""

    def read(self, obj: Obj) -> Obj:
        """The Scale of an object. Raises InternalError when the object has no spec replicas (as GET does)."""
        try:
            scale, found = self._scale(obj)
        except AccessError as error:
            raise InternalError(f"Internal error occurred: {error}", details=_cause(str(error))) from None
        if not found:
            why = f"the spec replicas field {go_quote(self.spec)} does not exist"
            raise InternalError(f"Internal error occurred: {why}", details=_cause(why))
        return scale

    def before_update(self, obj: Obj) -> Obj:
        """The Scale that a patch is applied to; spec.replicas is the smallest int32 where there are none yet."""
        try:
            scale, found = self._scale(obj)
        except AccessError as error:
            raise InternalError(f"Internal error occurred: {error}", details=_cause(str(error))) from None
        if not found:
            scale["spec"]["replicas"] = _NOT_SET
        return scale

    def answer(self, obj: Obj) -> Obj:
        """The Scale of an object that was just written."""
        try:
            return self._scale(obj)[0]
        except AccessError as error:
            raise BadRequest(str(error)) from None

    def write(self, obj: Obj, scale: Obj) -> Obj:
        """A copy of the object with the replicas of a Scale, and its resourceVersion if it has one."""
        replicas = (scale.get("spec") or {}).get("replicas") or 0
        if replicas == _NOT_SET:
            raise BadRequest(f"the spec replicas field {go_quote(self.spec)} cannot be empty")
        try:
            out = set_nested(obj, replicas, self.spec)
        except AccessError as error:
            raise InternalError(f"Internal error occurred: {error}", details=_cause(str(error))) from None
        wanted = (scale.get("metadata") or {}).get("resourceVersion")
        if wanted:
            out["metadata"] = {**out["metadata"], "resourceVersion": wanted}
        return out

    def _scale(self, obj: Obj) -> tuple[Obj, bool]:
        spec = nested_int(obj, self.spec)
        status: Obj = {"replicas": _int32(nested_int(obj, self.status) or 0)}
        selector = nested_string(obj, self.selector) if self.selector else None
        if selector:
            status["selector"] = selector
        meta = {key: obj["metadata"][key] for key in _META if obj["metadata"].get(key)}
        scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta}
        # a Scale of no replicas is written without the member, as Go's omitempty has it
        replicas = _int32(spec or 0)
        return {**scale, "spec": {"replicas": replicas} if replicas else {}, "status": status}, spec is not None

    # --- validation --------------------------------------------------------------------------------------------------
    def check_spec(self, obj: Obj) -> list[FieldError]:
        """ValidateScaleSpec."""
        return _check_replicas(obj, self.spec)

    def check_status(self, obj: Obj) -> list[FieldError]:
        """ValidateScaleStatus."""
        errors = _check_replicas(obj, self.status)
        if self.selector:
            try:
                nested_string(obj, self.selector)
            except AccessError as error:
                errors.append(invalid_value(self.selector, "", str(error)))
        return errors


def _cause(message: str) -> Obj:
    return {"causes": [{"message": message}]}


def _check_replicas(obj: Obj, path: str) -> list[FieldError]:
    try:
        replicas = nested_int(obj, path) or 0
    except AccessError as error:
        return [invalid_value(path, 0, str(error))]
    if replicas < 0:
        return [invalid_value(path, replicas, "should be a non-negative integer")]
    if replicas > _MAX:
        return [invalid_value(path, replicas, f"should be less than or equal to {_MAX}")]
    return []
