"""What the facts have certainly not seen before: most look-ups of the merge are for what is new, and need no question.

A Bloom filter of 64-bit words: each trace, response and match key in time has a word and four bits of it, found by two
checksums of its name, one read forwards and one backwards. All four set means "perhaps", and then the store is asked:
once in a thousand times while there are some ten million facts, and no more often later, as it is made larger by them
at the next start. It holds only while nobody else writes facts: with the embedded store, which one process has alone.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from functools import reduce
from typing import NamedTuple
from zlib import crc32

from spanledger_collector.compiled import twin
from spanledger_collector.export.store import Store
from spanledger_collector.merge.copies import CONTAINMENT_TOLERANCE_NS
from spanledger_collector.merge.keys import WEAK_RESPONSE_ID, response_key
from spanledger_collector.merge.settle import MatchWindow
from spanledger_collector.model import Fact

_FEWEST_WORDS_LOG2 = 22
"""32 MB, of which what was never written to takes no memory."""
_MOST_WORDS_LOG2 = 25
_FACTS_A_WORD = 2.5
_BIT_SHIFTS = (0, 6, 12, 18)
"""Where in the checksum of the name read backwards the numbers of its four bits are."""
_SLICE_SHIFT = 36
"""A match key is remembered with every slice of time (2**36 ns, 69 s) its call touches ..."""
_MAX_SLICES = 64
"""... up to 73 minutes; the key of a longer call is remembered for all time."""

_STORED_NAMES = (
    "SELECT concat('t', trace_id) AS name FROM facts",
    "SELECT concat('r', response_id) AS name FROM facts WHERE response_id != ''",
    f"WITH bitShiftRight(toUnixTimestamp64Nano(started_at), {_SLICE_SHIFT}) AS first, "  # noqa: S608 - our own numbers
    f"bitShiftRight(toUnixTimestamp64Nano(ended_at), {_SLICE_SHIFT}) AS last "
    f"SELECT concat(if(match(response_id, '{WEAK_RESPONSE_ID}'), 'm', 'i'), "
    "toString(match_key), '/', slice) AS name FROM facts "
    f"ARRAY JOIN if(last - first < {_MAX_SLICES}, arrayMap(n -> toString(n), range(first, last + 1)), ['']) AS slice "
    "WHERE match_key != 0",
)
_BITS = [f"bitShiftLeft(toUInt64(1), bitAnd(bitShiftRight(backwards, {shift}), 63))" for shift in _BIT_SHIFTS]
_WORDS_OF = (
    "WITH CRC32(reverse(name)) AS backwards "  # noqa: S608 - statements of our own
    f"SELECT toUInt32(bitShiftRight(CRC32(name), {{}})) AS word, groupBitOr({reduce('bitOr({}, {})'.format, _BITS)}) "
    "AS bits FROM ({}) GROUP BY word"
)
_WORD = struct.Struct("<Q")
_NUMBERED_WORD = struct.Struct("<IQ")
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
        """Begin with what ``store`` holds: some 0.3 s a million facts."""
        facts = int.from_bytes(store.query_raw("SELECT count() FROM facts", "RowBinary"), "little")
        wanted_log2 = math.ceil(math.log2(max(1, facts / _FACTS_A_WORD)))
        words_log2 = min(max(wanted_log2, _FEWEST_WORDS_LOG2), _MOST_WORDS_LOG2)
        content = bytearray(2**words_log2 * _WORD.size)
        self._words = memoryview(content).cast("Q")
        self._spare_bits = 32 - words_log2
        compiled = twin("export.compiled_seen")
        self._bits = compiled and compiled.Bits(content, self._spare_bits, _BIT_SHIFTS, _SLICE_SHIFT, _MAX_SLICES)
        for names in _STORED_NAMES:
            words = store.query_raw(_WORDS_OF.format(self._spare_bits, names), "RowBinary")
            if self._bits:
                self._bits.remember(words)
                continue
            for word, bits in _NUMBERED_WORD.iter_unpack(words):
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
        word, bits = self._place(name)
        self._words[word] |= bits
        return True

    def may_have(self, name: str) -> bool:
        """Whether a fact may be remembered by this name."""
        word, bits = self._place(name)
        return self._words[word] & bits == bits

    def _place(self, name: str) -> tuple[int, int]:
        text = name.encode()
        backwards = crc32(text[::-1])
        bits = 0
        for shift in _BIT_SHIFTS:
            bits |= 1 << (backwards >> shift & 63)
        return crc32(text) >> self._spare_bits, bits


def _slices(start_ns: int, end_ns: int) -> range:
    """The numbers of the slices of an interval; none for one that is too long to be sliced."""
    first, last = start_ns >> _SLICE_SHIFT, end_ns >> _SLICE_SHIFT
    return range(first, last + 1) if last - first < _MAX_SLICES else range(0)


def _name(key: int, identified: bool) -> str:
    return f"{'i' if identified else 'm'}{key}/"
