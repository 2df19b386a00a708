"""The Native format as ClickHouse reads it, and as the in-memory twin does."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger_collector.decode import Decoder, reference
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.store import open_embedded
from spanledger_collector.native import rows_of, sized, varint
from spanledger_collector.receive.files import read_requests

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16_383, 16_384, 2**32, 2**63])
def test_lengths_are_written_in_seven_bits_a_byte(number: int) -> None:
    """As many bytes as there are groups of seven bits, the lowest first, all but the last marked."""
    encoded = varint(number)
    assert sum((byte & 127) << 7 * place for place, byte in enumerate(encoded)) == number
    assert [byte >> 7 for byte in encoded] == [1] * (len(encoded) - 1) + [0]
    assert len(encoded) == max(1, -(-number.bit_length() // 7))


def test_a_block_that_is_cut_short_is_refused() -> None:
    """Wherever a block ends too early, its reader says so."""
    (received,) = read_requests(CORPUS / "genai_openai" / "traces-001.bin")
    block = Decoder(bool, bool).decode([received.body]).block
    for size in range(1, len(block)):
        with pytest.raises(ValueError, match="too early"):
            rows_of(block[:size])


def test_unknown_types_are_refused() -> None:
    """The reader knows the types of its table, and names any other."""
    with pytest.raises(ValueError, match="Decimal"):
        rows_of(b"\x01\x01" + sized(b"a") + sized(b"Decimal"))


def test_the_store_has_every_row_as_the_reference_says(tmp_path: Path) -> None:
    """All captured spans through a Native insert into a real store and back, column for column."""
    requests = [received.body for path in sorted(CORPUS.glob("*/traces-*")) for received in read_requests(path)]
    _, expected = reference.decode(requests)
    store = open_embedded(tmp_path)
    try:
        migrate(store)
        Ledger(store).write_spans(Decoder(bool, bool).decode(requests).block)
        columns = ", ".join(
            {
                "Timestamp": "toUnixTimestamp64Nano(Timestamp)",
                "Events.Timestamp": "arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp)",
            }.get(name, name)
            for name in expected[0]
        )
        stored = store.query(f"SELECT {columns} FROM otel_traces").rows
    finally:
        store.close()
    latest = {(row["TraceId"], row["SpanId"], row["ServiceName"], row["SpanName"]): row for row in expected}
    found = {(row[1], row[2], row[7], row[5]): row for row in stored}
    assert found.keys() == latest.keys()
    assert all(list(found[place]) == list(row.values()) for place, row in latest.items())
