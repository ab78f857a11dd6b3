"""Checking a password against its hash by the crypt(3) of the host.

Python has none since 3.13. The library is called without holding the interpreter: the work is meant to take long, and holds up nothing else.
"""

from __future__ import annotations

import ctypes
import hmac
from collections.abc import Callable
from functools import cache
from typing import Any

_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2", None)
"""libxcrypt, as glibc's systems have it; musl has crypt_r(3) in its libc."""
_SIZE_OF_CRYPT_DATA = 256 * 1024
"""More than `struct crypt_data` takes anywhere (32 KiB in libxcrypt, 128 KiB in older glibc)."""
_PROBE = ("torchsync", "$6$torchsync$")


@cache
def _crypt_r() -> Any:
    for name in _LIBRARIES:
        try:
            function = ctypes.CDLL(name).crypt_r
        except (OSError, AttributeError):
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
        return function
    return None


@cache
def find_check() -> Callable[[str, str], bool] | None:
    """`is_password`; None on a host without a crypt(3) that knows the hashes."""
    return is_password if _hash(*_PROBE).startswith(_PROBE[1]) else None


def is_password(password: str, digest: str) -> bool:
    """Whether the hash is that of the password. The time it takes tells nothing of how much of it is right."""
    return hmac.compare_digest(_hash(password, digest).encode(), digest.encode())


def _hash(password: str, setting: str) -> str:
    """Empty or a token that no hash begins with when it cannot be made (crypt(5), FAILURE TOKENS)."""
    function = _crypt_r()
    if function is None:
        return ""
    room = ctypes.create_string_buffer(_SIZE_OF_CRYPT_DATA)
    made: bytes | None = function(password.encode(), setting.encode(), room)
    return made.decode("ascii", "replace") if made else ""
