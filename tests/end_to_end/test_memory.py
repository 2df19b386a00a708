"""Memory stays bounded whatever comes in: more than the store takes, with a store that takes nothing, and idle.

The long form (`make test-long`) keeps it up for ten minutes. Each ends with the same: acknowledged is stored, once.
"""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import httpx
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from .conftest import Serving
from .flood import CALLS, INPUT_TOKENS, SPANS, Flood, Memory, resident_mb
from .load import totals
from .test_faults import HINDERED, wait_until

Start = Callable[..., Serving]
IDLE_MB = 500
BUSY_MB = 1200
HOSTILE_MB = 2000

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory of a process is in /proc")


def long(*values: float) -> object:
    """Parameters for `make test-long`."""
    return pytest.param(*values, marks=pytest.mark.slow)


def test_an_idle_collector_is_small(serve: Start) -> None:
    """With chDB open and a question answered, it is below half a gigabyte."""
    serving = serve()
    waiting(serving)
    assert resident_mb(serving.process.pid) < IDLE_MB


@pytest.mark.parametrize(("seconds", "journal_bytes"), [(8, 4_000_000), long(600, 20_000_000)])
def test_more_than_the_store_takes(serve: Start, tmp_path: Path, seconds: float, journal_bytes: int) -> None:
    """Clients are told to slow down when the journal is full; memory does not grow with what was taken.

    On some machines the store outruns the clients: so it takes nothing for a moment at the end, and the journal fills.
    """
    data = tmp_path / "data"
    data.mkdir()
    serving = serve(data, program=HINDERED, journal_max_bytes=str(journal_bytes))
    memory = Memory(serving.process.pid)
    flood = Flood(serving.http)
    time.sleep(seconds)
    (data / "refuse").touch()
    wait_until(lambda: flood.refused > 0)
    (data / "refuse").unlink()
    flood.stop()
    drained(serving)
    memory.stop()
    told(flood, memory)
    assert max(memory.samples_mb) < BUSY_MB
    assert_stored_once(serving, flood)


@pytest.mark.parametrize("seconds", [5, long(120)])
def test_a_store_that_takes_nothing(serve: Start, tmp_path: Path, seconds: float) -> None:
    """The journal fills, then nothing is taken and nothing grows; once the store is back, all is."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "refuse").touch()
    serving = serve(data, program=HINDERED, journal_max_bytes="10000000")
    memory = Memory(serving.process.pid)
    flood = Flood(serving.http)
    time.sleep(seconds)
    wait_until(lambda: flood.refused > 0)
    assert max(memory.samples_mb) < BUSY_MB
    (data / "refuse").unlink()
    flood.stop()
    drained(serving)
    memory.stop()
    told(flood, memory)
    assert_stored_once(serving, flood)


def test_what_is_nothing_but_structure(serve: Start) -> None:
    """Twenty requests at once, each of sixteen kilobytes that are eight million empty events, stay within bounds."""
    serving = serve()
    body = gzip.compress(field(1, field(2, field(2, field(11, b"") * 8_000_000))))

    def send(_: int) -> int:
        headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
        url = f"{serving.http}/v1/traces"
        return httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False).status_code

    with ThreadPoolExecutor(20) as senders:
        assert set(senders.map(send, range(20))) <= {200, 429}
    status = Path(f"/proc/{serving.process.pid}/status").read_text()
    (peak_kb,) = re.findall(r"VmHWM:\s+(\d+)", status)
    assert int(peak_kb) / 1000 < HOSTILE_MB


def field(number: int, body: bytes) -> bytes:
    """A field of protobuf that holds ``body``."""
    # Protobuf's own field 1, under another number.
    return bytes((number << 3 | 2,)) + (BytesValue(value=body).SerializeToString()[1:] or b"\0")


def assert_stored_once(serving: Serving, flood: Flood) -> None:
    """Every span and call of what was acknowledged is in the store, and none twice."""
    assert flood.unexpected == []
    assert serving.stop() == 0
    calls = flood.acknowledged * CALLS
    assert totals(serving.data) == {
        "traces": flood.acknowledged,
        "spans": flood.acknowledged * SPANS,
        "calls": calls,
        "input_tokens": calls * INPUT_TOKENS,
    }


def waiting(serving: Serving) -> int:
    """How many requests wait in the journal."""
    with urlopen(f"{serving.api}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("spanledger_journal_requests "))))


def drained(serving: Serving) -> None:
    """Wait until the store has everything."""
    wait_until(lambda: waiting(serving) == 0)


def told(flood: Flood, memory: Memory) -> None:
    """What happened, for who reads the output."""
    print(f"acknowledged {flood.acknowledged}, refused {flood.refused}; resident MB over time: {memory.curve()}")
