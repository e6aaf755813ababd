"""Watch events in protobuf: a bare meta/v1 WatchEvent behind its length, the object in its usual envelope.

What clients get that accept nothing but protobuf (serializer/protobuf raw serializer, LengthDelimitedFramer).
"""

from __future__ import annotations

import orjson

from wherry.machinery.protobuf import encode
from wherry.machinery.protobuf.wire import put_bytes, put_tag

_FIRST, _SECOND = put_tag(1, 2), put_tag(2, 2)


def frame(kind: str, data: bytes) -> bytes:
    """One event; `data` is the JSON of its object."""
    obj = orjson.loads(data)
    group, _, version = obj["apiVersion"].rpartition("/")
    raw = encode(group, version, obj["kind"], obj)
    event = put_bytes(_FIRST, kind.encode()) + put_bytes(_SECOND, put_bytes(_FIRST, raw))
    return len(event).to_bytes(4, "big") + event
