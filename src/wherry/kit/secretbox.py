"""NaCl's secretbox, XSalsa20-Poly1305, for data at rest (https://nacl.cr.yp.to/secretbox.html; Salsa20 by Bernstein).

`cryptography` has Poly1305 but no Salsa20, and a further dependency for one provider of one optional feature is not
worth its place. So the cipher is here, in a form that suits Python: an integer of any length carries one word of every
block of the message in lanes of 64 bits, and each of the cipher's steps is done for all blocks at once. A kilobyte
takes about a quarter of a millisecond.
"""

from __future__ import annotations

import struct

KEY, NONCE, TAG = 32, 24, 16
_SIGMA = struct.unpack("<4I", b"expand 32-byte k")
_WORD = 0xFFFFFFFF
# One double round: (target, first, second, rotation); columns, then rows.
_STEPS = tuple(
    step
    for a, b, c, d in (
        (0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11),
        (0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14),
    )
    for step in ((b, a, d, 7), (c, b, a, 9), (d, c, b, 13), (a, d, c, 18))
)  # fmt: skip


class BadBox(ValueError):
    """Not sealed with this key, or changed since."""


def seal(message: bytes, nonce: bytes, key: bytes) -> bytes:
    """The tag and what it vouches for. A nonce must never be used twice with a key; 24 random bytes never are."""
    stream = _keystream(key, nonce, 32 + len(message))
    boxed = _xor(message, stream[32:])
    return _tag(stream[:32], boxed) + boxed


def unseal(box: bytes, nonce: bytes, key: bytes) -> bytes:
    """The message. Raises BadBox."""
    import hmac

    if len(box) < TAG:
        raise BadBox("shorter than its tag")
    boxed = box[TAG:]
    stream = _keystream(key, nonce, 32 + len(boxed))
    if not hmac.compare_digest(_tag(stream[:32], boxed), box[:TAG]):
        raise BadBox("the tag does not fit")
    return _xor(boxed, stream[32:])


def _tag(key: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.poly1305 import Poly1305

    return Poly1305.generate_tag(key, data)


def _xor(data: bytes, stream: bytes) -> bytes:
    size = len(data)
    return (int.from_bytes(data, "little") ^ int.from_bytes(stream[:size], "little")).to_bytes(size, "little")


def _keystream(key: bytes, nonce: bytes, size: int) -> bytes:
    """XSalsa20: a key of its own for the first 16 bytes of the nonce, Salsa20 with the other eight."""
    sub = _hsalsa(struct.unpack("<8I", key), struct.unpack("<4I", nonce[:16]))
    blocks = (size + 63) // 64
    n0, n1 = struct.unpack("<2I", nonce[16:])
    ones = sum(1 << (64 * lane) for lane in range(blocks)) if blocks < 64 else _ones(blocks)
    counters = int.from_bytes(struct.pack(f"<{blocks}Q", *range(blocks)), "little")
    mask = ones * _WORD
    start = [word * ones for word in _state(sub, (n0, n1, 0, 0))]
    start[8] = counters  # the high half of the counter stays 0: no message has 2**32 blocks
    done = _rounds(start, mask)
    lanes = [((a + b) & mask).to_bytes(8 * blocks, "little") for a, b in zip(done, start, strict=True)]
    # Word after word for all blocks; the stream wants block after block.
    out = bytearray(64 * blocks)
    for number, lane in enumerate(lanes):
        for byte in range(4):
            out[4 * number + byte :: 64] = lane[byte::8]
    return bytes(out[:size])


def _ones(lanes: int) -> int:
    return int.from_bytes(b"\1\0\0\0\0\0\0\0" * lanes, "little")


def _state(key: tuple[int, ...], rest: tuple[int, int, int, int]) -> list[int]:
    s = _SIGMA
    return [s[0], *key[:4], s[1], *rest, s[2], *key[4:], s[3]]


def _rounds(start: list[int], mask: int) -> list[int]:
    x = list(start)
    for _ in range(10):
        for target, first, second, by in _STEPS:
            total = (x[first] + x[second]) & mask
            # The halves of a rotated word meet in its lane; what spills over the lane's lower half is masked away.
            x[target] ^= ((total << by) & mask) | (total >> (32 - by)) & mask
    return x


def _hsalsa(key: tuple[int, ...], nonce: tuple[int, ...]) -> tuple[int, ...]:
    x = _rounds(_state(key, (nonce[0], nonce[1], nonce[2], nonce[3])), _WORD)
    return x[0], x[5], x[10], x[15], x[6], x[7], x[8], x[9]
