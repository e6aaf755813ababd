"""Telling TLS clients whose certificates are welcome: the names in a CertificateRequest (RFC 8446, 4.2.4), which
clients that have several certificates choose by, and some scripts look for.

Python's `ssl` trusts authorities but has no call that names them, so this asks the OpenSSL that `ssl` itself uses. A
context begins with Python's object header, behind which lies OpenSSL's own: so in CPython only, and in no version of
which that is not known. Where it can't be (another Python, an OpenSSL without outward symbols) clients are told
nothing, which TLS allows.
"""

from __future__ import annotations

import ctypes
import ssl
import sys
from collections.abc import Iterable
from functools import cache
from typing import Any

_LAST_KNOWN = (3, 14)  # CPython with this layout


@cache
def _library() -> Any:
    """OpenSSL as `ssl` has loaded it, or None."""
    if sys.implementation.name != "cpython" or sys.version_info[:2] > _LAST_KNOWN:
        return None
    try:
        import _ssl

        found = ctypes.CDLL(_ssl.__file__)
        read, name, free = found.d2i_X509, found.SSL_CTX_add_client_CA, found.X509_free
        read.restype, read.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long]
        name.restype, name.argtypes = ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p]
        free.restype, free.argtypes = None, [ctypes.c_void_p]
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    return found


def tell(context: ssl.SSLContext, authorities: Iterable[bytes]) -> bool:
    """Name authorities (DER certificates) to the clients of a context; False where that is not possible."""
    library = _library()
    if library is None:
        return False
    inner = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    for der in authorities:
        data = ctypes.create_string_buffer(der, len(der))
        start = ctypes.c_void_p(ctypes.addressof(data))
        certificate = library.d2i_X509(None, ctypes.byref(start), len(der))
        if not certificate:
            return False
        try:
            library.SSL_CTX_add_client_CA(inner, certificate)
        finally:
            library.X509_free(certificate)
    return True
