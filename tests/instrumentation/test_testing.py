"""The public helpers for tests."""

from __future__ import annotations

import time

import httpx2

import spanledger
from spanledger import clock
from spanledger.testing import recorded_spans


def test_ids_and_times_are_the_same_each_time():
    """Two recordings of the same calls are equal, ids and times included."""

    def record():
        with recorded_spans() as spans:
            with spanledger.task("T-1"), spanledger.agent("coder"):
                pass
            return spans.snapshot()

    assert record() == record()


def test_everything_is_as_it_was_afterwards():
    """Leaving a recording gives back the clock and the HTTP clients; one inside another does not end it."""
    send = httpx2.Client.__dict__["send"]
    with recorded_spans() as outer:
        with recorded_spans():
            pass
        assert httpx2.Client.__dict__["send"] is not send
        with spanledger.task("T-1"):
            pass
        assert [span["name"] for span in outer.snapshot()] == ["invoke_workflow"]
    assert httpx2.Client.__dict__["send"] is send
    assert clock.now_ns is time.time_ns
