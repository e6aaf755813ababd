"""Names nobody chose: UIDs, the suffixes of generateName, bearer tokens.

The alphabet and length of suffixes are those of k8s.io/apimachinery/pkg/util/rand: no vowels and no look-alikes, so
that a random name never spells a word.
"""

from __future__ import annotations

import os
import random
import secrets

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5

_BATCH = 64
_pool: list[str] = []

# A suffix needs no secrecy, only spread; the generator is seeded by the operating system.
_random = random.Random(os.urandom(16))


def new_uid() -> str:
    """A random UUID (version 4). Entropy is drawn for many at a time: one system call per UID would show up."""
    if not _pool:
        noise = os.urandom(16 * _BATCH).hex()
        for at in range(0, 32 * _BATCH, 32):
            h = noise[at : at + 32]
            variant = "89ab"[int(h[16], 16) & 3]
            _pool.append(f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{variant}{h[17:20]}-{h[20:]}")
    return _pool.pop()


def forget_pool() -> None:
    """Drop the drawn entropy; a forked child must not hand out its parent's UIDs."""
    _pool.clear()
    _random.seed(os.urandom(16))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_pool)


def name_suffix(length: int = SUFFIX_LENGTH) -> str:
    """The random end of a generated name."""
    return "".join(_random.choices(SUFFIX_ALPHABET, k=length))


def new_token() -> str:
    """A bearer token: 256 bits, safe in a header, a URL and a file."""
    return secrets.token_urlsafe(32)
