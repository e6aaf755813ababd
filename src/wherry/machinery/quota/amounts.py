"""Lists of named amounts and their arithmetic (k8s.io/apiserver/pkg/quota/v1/resources.go)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from wherry.kit.quantity import Quantity, parse_quantity

Amounts = dict[str, Quantity]
ZERO = Quantity(0)
ONE = Quantity(1)


def parsed(texts: Mapping[str, Any] | None) -> Amounts:
    """Amounts as an object carries them."""
    return {name: parse_quantity(str(text)) for name, text in (texts or {}).items()}


def written(amounts: Mapping[str, Quantity]) -> dict[str, str]:
    """Amounts as an object carries them, by name."""
    return {name: str(amounts[name]) for name in sorted(amounts)}


def add(a: Mapping[str, Quantity], b: Mapping[str, Quantity]) -> Amounts:
    total = dict(a)
    for name, amount in b.items():
        total[name] = total[name].add(amount) if name in total else amount
    return total


def most(a: Mapping[str, Quantity], b: Mapping[str, Quantity]) -> Amounts:
    """The greater of both, name by name."""
    found = dict(a)
    for name, amount in b.items():
        if name not in found or amount > found[name]:
            found[name] = amount
    return found


def growth(new: Mapping[str, Quantity], old: Mapping[str, Quantity]) -> Amounts:
    """What is used more than before; nothing is used less, so that an update never gives back what others charged."""
    found: Amounts = {}
    for name in (*new, *old):
        change = new.get(name, ZERO).subtract(old.get(name, ZERO))
        found[name] = change if change.sign() > 0 else ZERO
    return found


def only(amounts: Mapping[str, Quantity], names: Collection[str]) -> Amounts:
    return {name: amount for name, amount in amounts.items() if name in names}


def nonzero(amounts: Mapping[str, Quantity]) -> Amounts:
    return {name: amount for name, amount in amounts.items() if not amount.is_zero()}


def same(a: Mapping[str, Quantity], b: Mapping[str, Quantity]) -> bool:
    return a.keys() == b.keys() and all(amount == b[name] for name, amount in a.items())


def shown(amounts: Mapping[str, Quantity]) -> str:
    """For a message: by name."""
    return ",".join(f"{name}={amounts[name]}" for name in sorted(amounts))


def listed(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
