"""Undoing a response's ``Content-Encoding``, on a copy."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any

Decode = Callable[[bytes], bytes]

LARGEST_BYTES = 32 * 1024 * 1024
"""No answer that is worth reading is larger; a copy that grows beyond this is let go."""


class UnreadableError(Exception):
    """The copy cannot be read on: too large, or not what it was said to be."""


def decoder(content_encoding: str) -> Decode | None:
    """Give the function that decodes chunk after chunk, or None for an encoding that is not read."""
    match content_encoding.strip().lower():
        case "" | "identity":
            return bytes
        case "gzip" | "x-gzip" | "deflate":
            return _Inflate()
        case "br":
            return _foreign(("brotli", "brotlicffi"), lambda module: module.Decompressor().process)
        case "zstd":
            return _foreign(("zstandard",), lambda module: module.ZstdDecompressor().decompressobj().decompress)
        case _:
            return None


def _foreign(packages: tuple[str, ...], made_of: Callable[[Any], Decode]) -> Decode | None:
    """Give a decoder of the packages that a client itself needs before it asks for such an encoding."""
    module = next((sys.modules[name] for name in packages if name in sys.modules), None)
    if module is None:
        return None
    decode = made_of(module)

    def checked(chunk: bytes) -> bytes:
        try:
            return decode(chunk)
        except Exception as error:  # their own classes, of no common base
            raise UnreadableError from error

    return checked


class _Inflate:
    """Finds out by the first chunk which of gzip, zlib and raw deflate it is; servers mean all of them."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._begun = False

    def __call__(self, chunk: bytes) -> bytes:
        try:
            data = self._inflate.decompress(chunk, LARGEST_BYTES)
        except zlib.error as error:
            if self._begun:
                raise UnreadableError from error
            self._begun = True
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            return self(chunk)
        self._begun = True
        if self._inflate.unconsumed_tail:
            raise UnreadableError
        return data
