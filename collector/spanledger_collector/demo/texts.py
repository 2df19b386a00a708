"""Text of a wanted size, built cheaply."""

from __future__ import annotations

from spanledger_collector.demo.usage import BYTES_PER_TOKEN


def words(size_tokens: int) -> str:
    """Filler prose of exactly so many tokens."""
    return _repeated("lorem ipsum dolor sit amet, ", size_tokens)


def source_file(path: str, size_tokens: int) -> str:
    """A file that differs from every other path's from its first line on, of exactly so many tokens."""
    return _repeated(f"{path}: total += line.amount * (1 + tax_rate(line.region))\n", size_tokens)


def _repeated(unit: str, size_tokens: int) -> str:
    size = size_tokens * BYTES_PER_TOKEN
    return (unit * (size // len(unit) + 1))[:size]
