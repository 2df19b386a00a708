"""Bounded decompression: of request bodies, and of files by their first bytes."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from typing import Protocol

from spanledger_collector.errors import BadInputError
from spanledger_collector.receive.errors import TooLargeError, UnsupportedMediaError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ENCODINGS = ("gzip", "deflate", "zstd")
"""The content encodings that are read."""

DECOMPRESSION_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError)
"""What a broken or truncated stream raises while it is read."""

_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


class Readable(Protocol):
    """A binary stream, as far as it is needed here."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        ...


def decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The decompressed body, at most ``max_bytes`` of it in memory whatever the body promises.

    Raises:
        BadInputError: the body is not what ``encoding`` says, or ends too early.
        TooLargeError: it decompresses to more than ``max_bytes``.
        UnsupportedMediaError: an encoding other than ``ENCODINGS`` or ``identity``.
    """
    try:
        match encoding:
            case "" | "identity":
                content = body
            case "gzip" | "zstd":
                content = decompressing(io.BytesIO(body), encoding).read(max_bytes + 1)
            case "deflate":
                content = _inflate(body, max_bytes + 1)
            case _:
                raise UnsupportedMediaError(f"the content encoding is none of {', '.join(ENCODINGS)}")
    except DECOMPRESSION_ERRORS:
        raise BadInputError(f"the body is broken or truncated {encoding}") from None
    if len(content) > max_bytes:
        raise TooLargeError(max_bytes)
    return content


def compression_of(head: bytes) -> str:
    """The compression whose magic number is at the beginning of ``head``, or an empty string."""
    return next((encoding for encoding, magic in _MAGIC.items() if head.startswith(magic)), "")


def decompressing(stream: io.BufferedIOBase, encoding: str) -> Readable:
    """A stream that reads through ``gzip`` or ``zstd``."""
    return gzip.GzipFile(fileobj=stream) if encoding == "gzip" else zstd.ZstdFile(stream)


def _inflate(body: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj()
    content = inflater.decompress(body, max_bytes)
    if not inflater.eof and len(content) < max_bytes:
        raise EOFError
    return content
