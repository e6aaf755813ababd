"""ServiceAccounts: references to secrets keep their name only, and one annotation is frowned upon."""

from __future__ import annotations

from wherry.errors import FieldError
from wherry.machinery.builtin.core.shared.meta import as_new
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

ENFORCE = "kubernetes.io/enforce-mountable-secrets"
DEPRECATED = (
    f"metadata.annotations[{ENFORCE}]: deprecated in v1.32+; "
    "prefer separate namespaces to isolate access to mounted secrets"
)


def _annotated(obj: Obj) -> bool:
    return ENFORCE in (obj["metadata"].get("annotations") or {})


class ServiceAccountStrategy(Strategy):
    def prepare_create(self, obj: Obj) -> None:
        secrets = obj.get("secrets")
        if secrets:
            obj["secrets"] = [{"name": s["name"]} if s.get("name") else {} for s in secrets]

    def prepare_update(self, new: Obj, old: Obj) -> None:
        self.prepare_create(new)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return as_new(self, new, True)

    def warnings_create(self, obj: Obj) -> list[str]:
        return [DEPRECATED] if _annotated(obj) else []

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return [DEPRECATED] if _annotated(new) and not _annotated(old) else []
