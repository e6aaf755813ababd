"""Metadata checks that a kind makes itself on an update, on top of the store's.

The store checks metadata of every update once; upstream's kinds check it again, some as a change
(ValidateObjectMetaUpdate), some as if it were new (ValidateObjectMeta), many both, each at a place of its own among the
other errors. Kinds that begin with the change leave that to `Strategy.meta_again`; all else is called from here.
"""

from __future__ import annotations

from wherry.errors import FieldError
from wherry.machinery.builtin.common.meta import validate_object_meta, validate_object_meta_update
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj


def as_new(strategy: Strategy, obj: Obj, namespaced: bool) -> list[FieldError]:
    """ValidateObjectMeta of the kind."""
    standard = strategy.standard_finalizers
    return validate_object_meta(obj["metadata"], namespaced, strategy.validate_name, standard_finalizers=standard)


def as_change(strategy: Strategy, new: Obj, old: Obj) -> list[FieldError]:
    """ValidateObjectMetaUpdate of the kind."""
    standard = strategy.standard_finalizers
    return validate_object_meta_update(new["metadata"], old["metadata"], standard_finalizers=standard)
