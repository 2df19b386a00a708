"""What the facts have certainly not seen before: most look-ups of the merge are for what is new, and need no question.

A Bloom filter with one hash: a bit for every trace, response and match key in time. A set bit means "perhaps", and then
the store is asked. It holds only while nobody else writes facts: with the embedded store, which one process has alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple
from zlib import crc32

from spanledger_collector.compiled import twin
from spanledger_collector.export.store import Store
from spanledger_collector.merge.copies import CONTAINMENT_TOLERANCE_NS
from spanledger_collector.merge.keys import WEAK_RESPONSE_ID, response_key
from spanledger_collector.merge.settle import MatchWindow
from spanledger_collector.model import Fact

_SPARE_BITS = 4
"""Of the 32 of a checksum: what is left addresses 32 MB, of which what was never written to takes no memory."""
_WORD_BITS = 64
_WORDS = 2 ** (32 - _SPARE_BITS) // _WORD_BITS
_SLICE_SHIFT = 36
"""A match key is remembered with every slice of time (2**36 ns, 69 s) its call touches ..."""
_MAX_SLICES = 64
"""... up to 73 minutes; the key of a longer call is remembered for all time."""

_STORED_KEYS = (
    "SELECT CRC32(concat('t', trace_id)) AS checksum FROM facts",
    "SELECT CRC32(concat('r', response_id)) AS checksum FROM facts WHERE response_id != ''",
    f"WITH bitShiftRight(toUnixTimestamp64Nano(started_at), {_SLICE_SHIFT}) AS first, "  # noqa: S608 - our own numbers
    f"bitShiftRight(toUnixTimestamp64Nano(ended_at), {_SLICE_SHIFT}) AS last "
    f"SELECT CRC32(concat(if(match(response_id, '{WEAK_RESPONSE_ID}'), 'm', 'i'), "
    "toString(match_key), '/', slice)) AS checksum FROM facts "
    f"ARRAY JOIN if(last - first < {_MAX_SLICES}, arrayMap(n -> toString(n), range(first, last + 1)), ['']) AS slice "
    "WHERE match_key != 0",
)
_WORDS_OF = (
    f"SELECT toUInt32(intDiv(checksum, {_WORD_BITS << _SPARE_BITS})) AS word, "  # noqa: S608 - statements of our own
    f"groupBitOr(bitShiftLeft(toUInt64(1), intDiv(checksum, {1 << _SPARE_BITS}) % {_WORD_BITS})) AS bits "
    "FROM ({}) GROUP BY word"
)
_WORD = struct.Struct("<IQ")
_BOTH = (False, True)


class NewKeys(NamedTuple):
    """Keys that some facts were the first to have."""

    traces: set[str]
    responses: set[str]
    names: set[str]
    """Of calls without an id, as ``SeenKeys.slices`` has them."""


class SeenKeys:
    """Says of keys whether a fact may have them. For one thread."""

    def __init__(self, store: Store) -> None:
        """Begin with what ``store`` holds: some 0.1 s a million facts."""
        content = bytearray(_WORDS * _WORD_BITS // 8)
        self._words = memoryview(content).cast("Q")
        compiled = twin("export.compiled_seen")
        self._bits = compiled and compiled.Bits(content, _SPARE_BITS, _SLICE_SHIFT, _MAX_SLICES)
        for keys in _STORED_KEYS:
            for word, bits in _WORD.iter_unpack(store.query_raw(_WORDS_OF.format(keys), "RowBinary")):
                self._words[word] |= bits

    def traces(self, trace_ids: Iterable[str]) -> list[str]:
        """Those of which there may be facts."""
        if self._bits:
            return self._bits.having("t", trace_ids)  # type: ignore[no-any-return]
        return [trace_id for trace_id in trace_ids if self.may_have(f"t{trace_id}")]

    def responses(self, response_ids: Iterable[str]) -> list[str]:
        """Those of which there may be facts."""
        if self._bits:
            return self._bits.having("r", response_ids)  # type: ignore[no-any-return]
        return [response_id for response_id in response_ids if self.may_have(f"r{response_id}")]

    def windows(self, windows: Iterable[MatchWindow]) -> list[MatchWindow]:
        """Those that a fact may match."""
        if self._bits:
            return self._bits.windows(windows)  # type: ignore[no-any-return]
        return [window for window in windows if self.names(window)]

    def add(self, facts: Iterable[Fact], match_keys: Iterable[int]) -> NewKeys:
        """Remember facts and their match keys; before they are written, so that none is stored and not known.

        Returns the keys that no fact had before these.
        """
        if self._bits:
            return NewKeys(*self._bits.add(facts, match_keys))
        new = NewKeys(set(), set(), set())
        for fact, key in zip(facts, match_keys, strict=True):
            if self._add(f"t{fact.trace_id}"):
                new.traces.add(fact.trace_id)
            if fact.response_id and self._add(f"r{fact.response_id}"):
                new.responses.add(fact.response_id)
            if key:
                names = [name for name in self.slices(fact, key) if self._add(name)]
                new.names.update(() if response_key(fact.response_id) else names)
        return new

    def slices(self, fact: Fact, key: int) -> list[str]:
        """The names by which a call with this match key is remembered."""
        name = _name(key, response_key(fact.response_id) != "")
        return [f"{name}{number}" for number in _slices(fact.started_at_ns, fact.ended_at_ns)] or [name]

    def names(self, window: MatchWindow) -> list[str]:
        """The names by which what a window holds may be remembered; one that nothing has, where they are too many."""
        numbers = _slices(window.start_ns - CONTAINMENT_TOLERANCE_NS, window.end_ns + CONTAINMENT_TOLERANCE_NS)
        names = [_name(window.match_key, identified) for identified in ((False,) if window.unidentified else _BOTH)]
        sliced = [f"{name}{number}" for name in names for number in numbers]
        return [name for name in (*names, *sliced) if self.may_have(name)] if numbers else [""]

    def _add(self, name: str) -> bool:
        """Whether nothing is remembered by this name yet."""
        if self.may_have(name):
            return False
        position = crc32(name.encode()) >> _SPARE_BITS
        self._words[position // _WORD_BITS] |= 1 << position % _WORD_BITS
        return True

    def may_have(self, name: str) -> bool:
        """Whether a fact may be remembered by this name."""
        position = crc32(name.encode()) >> _SPARE_BITS
        return bool(self._words[position // _WORD_BITS] >> position % _WORD_BITS & 1)


def _slices(start_ns: int, end_ns: int) -> range:
    """The numbers of the slices of an interval; none for one that is too long to be sliced."""
    first, last = start_ns >> _SLICE_SHIFT, end_ns >> _SLICE_SHIFT
    return range(first, last + 1) if last - first < _MAX_SLICES else range(0)


def _name(key: int, identified: bool) -> str:
    return f"{'i' if identified else 'm'}{key}/"
