"""What a mutating plugin remembers between the two rounds of one write (the reinvocation contexts of
k8s.io/apiserver/pkg/admission/plugin/webhook/mutating and plugin/policy/mutating)."""

from __future__ import annotations

from collections.abc import Hashable
from time import monotonic

import orjson

from wherry.access.admission import Ask, Rounds


class Turns:
    """Which hooks of one plugin are to be asked again: those that want it, once the object has changed after them."""

    def __init__(self, rounds: Rounds) -> None:
        self.began = monotonic()
        self._rounds = rounds
        self._asked: set[Hashable] = set()  # those that want to be asked again after a change
        self._due: set[Hashable] = set()  # those that are to be
        self._output = b""

    def begin(self, ask: Ask) -> None:
        if self._rounds.again and self._output != _fingerprint(ask):
            self._changed()

    def over(self, hook: Hashable) -> bool:
        """The hook has had its turn, and nothing has changed since."""
        return self._rounds.again and hook not in self._due

    def took(self, hook: Hashable, *, changed: bool, again: bool) -> None:
        """A turn is over; `changed` says what it did to the object, `again` whether the hook wants to see what others
        do to it later."""
        if changed:
            self._changed()
            self._rounds.wanted = True
        if again:
            self._asked.add(hook)

    def end(self, ask: Ask) -> None:
        self._output = _fingerprint(ask) if self._asked or self._due else b""

    def _changed(self) -> None:
        self._due |= self._asked
        self._asked = set()


def turns(ask: Ask, plugin: str) -> Turns:
    """The turns of a plugin in the write that it is asked about."""
    rounds = ask.rounds = ask.rounds or Rounds()
    found: Turns = rounds.kept.setdefault(plugin, Turns(rounds))
    return found


def _fingerprint(ask: Ask) -> bytes:
    return orjson.dumps(ask.obj, option=orjson.OPT_SORT_KEYS)
