"""Response ids in the vendors' shapes."""

from __future__ import annotations

import itertools
import secrets
from hashlib import blake2b

LETTERS_AND_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
HEX_DIGITS = "0123456789abcdef"


class Identifiers:
    """Ids that follow from ``seed`` and a counter, and from a random part that tells two instances apart.

    Not safe for threads: the provider calls it under its lock.
    """

    def __init__(self, seed: int = 0) -> None:
        self._key = f"{seed}:{secrets.token_hex(16)}".encode()
        self._counter = itertools.count()

    def new(self, prefix: str, length: int, alphabet: str = LETTERS_AND_DIGITS) -> str:
        """``prefix`` and ``length`` characters (at most 64) of ``alphabet``, 4 to 6 bits of entropy each."""
        digest = blake2b(str(next(self._counter)).encode(), key=self._key[:64], digest_size=64).digest()
        return prefix + "".join(alphabet[byte % len(alphabet)] for byte in digest[:length])
