"""What a write carries besides the object: who manages the fields, dry run, hooks for admission, warnings to send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from wherry.machinery.kinds import Obj

# (operation, object or None, old object or None): mutating admission may change the object in place, validating
# admission raises. Both see the storage version. They are callbacks because the store knows no users.
Admit = Callable[[str, Obj | None, Obj | None], Awaitable[None]]


@dataclass(slots=True)
class WriteContext:
    """One write request.

    `manager` is the field manager's name; `options` the decoded CreateOptions, UpdateOptions, ... for admission.
    """

    manager: str = "unknown"
    dry_run: bool = False
    field_validation: str = "Warn"
    force: bool = False
    mutate: Admit | None = None
    validate: Admit | None = None
    user: Obj = field(default_factory=dict)  # the caller as a UserInfo document
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)  # for the audit event of the request
    undo: list[Callable[[], None]] = field(default_factory=list)  # what to give back should the write fail
    options: dict[str, Any] = field(default_factory=dict)
    convert: Any = None  # (object, apiVersion) -> (object, type) or None, for managed fields of other versions

    async def admit_mutating(self, operation: str, obj: Obj | None, old: Obj | None = None) -> None:
        """For requests that store no object of their own."""
        if self.mutate is not None:
            await self.mutate(operation, obj, old)

    async def admit_validating(self, operation: str, obj: Obj | None, old: Obj | None = None) -> None:
        if self.validate is not None:
            await self.validate(operation, obj, old)

    def give_back(self) -> None:
        """Undo what plugins reserved for this write."""
        while self.undo:
            self.undo.pop()()


@dataclass(slots=True)
class Outcome:
    """The answer of a write: bytes in the requested version, `status` the HTTP code. `obj` is the storage version."""

    data: bytes
    status: int = 200
    obj: Obj | None = None
