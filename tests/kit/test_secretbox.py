"""Secretbox: the bytes of another implementation (golang.org/x/crypto/nacl/secretbox), and what was changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kit.secretbox import BadBox, seal, unseal

# n -> the box of the bytes 0, 3, 6, ... with a key of 7i+n and a nonce of 11i+n
BOXES = {
    0: "0d45c33ff6ad8f2498ff07f9661878ec",
    1: "d70867c73dccd7b3fc0adf8dec21e2efa0",
    32: "7d61fa7dcedb46bb9ec5ec350a66390b49d80031ac6e3690675138304949ae66a5ac60b55f2431e310959f52edd76a34",
    64: "04f5c44f506b6e18e13aa734f3052715dfe909e333bf03916c3b2189d3db760967b70ef5ac0f6029f34e7aceab9d41c724a1"
    "f9fcce5c1c3f8a25a44af32a74a54cf94728b80f6e60315154ffeb89c60f",
    100: "b49af695c0a17eb9b6bafebdae3b548a9e058c6058199cd896cb57fdf03926ed97480bf6aaaf437c4080aec9baf3df9a16ef"
    "0f71538398de04af2c067dd42396ba7ba29c5000a2bf687da122c7261f9968226af899dec601aa69fd2e852f3ef5420d1768"
    "8dd8b2c38d4f6c72be697fda2b35db8e",
}


def bytes_of(count: int, step: int, start: int) -> bytes:
    return bytes((i * step + start) & 255 for i in range(count))


@pytest.mark.parametrize("size", BOXES)
def test_the_box_is_that_of_others(size: int) -> None:
    key, nonce, message = bytes_of(32, 7, size), bytes_of(24, 11, size), bytes_of(size, 3, 0)
    assert seal(message, nonce, key).hex() == BOXES[size]


@given(st.binary(max_size=300), st.binary(min_size=24, max_size=24), st.binary(min_size=32, max_size=32), st.data())
def test_what_goes_in_comes_out_and_nothing_else(message: bytes, nonce: bytes, key: bytes, data: st.DataObject) -> None:
    box = seal(message, nonce, key)
    assert unseal(box, nonce, key) == message
    spoilt = bytearray(box)
    spoilt[data.draw(st.integers(0, len(box) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadBox):
        unseal(bytes(spoilt), nonce, key)


def test_a_stub_is_no_box() -> None:
    with pytest.raises(BadBox):
        unseal(b"short", bytes(24), bytes(32))
