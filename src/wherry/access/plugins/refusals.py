"""How a plugin says no: a 403 that names the object as far as it has a name yet
(apiserver/pkg/admission.NewForbidden)."""

from __future__ import annotations

from wherry import errors
from wherry.access.admission import Ask


def forbidden(ask: Ask, why: str, causes: list[dict[str, str]] | None = None) -> errors.Forbidden:
    """An object whose name is yet to be generated goes by the beginning of it, one without any by a word."""
    res = ask.definition.resource
    meta = (ask.obj or {}).get("metadata") or {}
    name = ask.name or meta.get("name") or meta.get("generateName") or "Unknown"
    text = f'{errors.qualified(res.group, res.name)} "{name}" is forbidden: {why}'
    return errors.Forbidden(text, details=errors.resource_details(res.group, res.name, name, causes=causes))
