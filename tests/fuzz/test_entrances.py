"""Whatever comes in, the collector answers, goes on and stores what it took; ``run.py`` looks for more by atheris."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .inputs import Arrival, regressions, seeds, unpack
from .mutate import mutate
from .scramble import REQUEST, scrambled
from .subject import SIGNAL_NAMES, WAYS, Subject

_OFTEN = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """The entrances before one store for all tests here."""
    made = Subject(tmp_path_factory.mktemp("store"))
    yield made
    made.close()


@cache
def all_seeds() -> list[bytes]:
    """The captured requests, for each entrance."""
    return list(seeds())


def hold(subject: Subject, arrival: Arrival) -> None:
    """Send a request and store what was taken of it."""
    taken = subject.send(*arrival)
    if taken:
        subject.store(taken)


def test_captured_requests_are_taken_at_every_entrance(subject: Subject) -> None:
    """The properties are no empty ones: what real emitters send passes and is stored."""
    everything = []
    for seed in all_seeds():
        way, signal, *_ = unpack(seed)
        taken = subject.send(*unpack(seed))
        assert len(taken) == 1 or signal == "logs", (way, signal)
        everything += taken
    subject.store(everything)


@_OFTEN
@given(
    st.sampled_from(WAYS), st.sampled_from(SIGNAL_NAMES), st.binary(max_size=200), st.sampled_from(["", "gzip", "br"])
)
def test_any_bytes(subject: Subject, way: str, signal: str, body: bytes, encoding: str) -> None:
    """Bytes that are mostly no request, compressed or not, are refused as the sender's own fault."""
    hold(subject, (way, signal, body, encoding))  # type: ignore[arg-type]


@_OFTEN
@given(st.data(), st.integers(0, 3), st.randoms(use_true_random=False))
def test_requests_with_some_of_their_fields_changed(
    subject: Subject, data: st.DataObject, times: int, chance: random.Random
) -> None:
    """Requests of real emitters with fields, texts, numbers and JSON values that nobody should send."""
    content = data.draw(st.sampled_from(all_seeds()))

    def changed(part: bytes) -> bytes:
        at = chance.randrange(len(part) + 1)
        return part[:at] + chance.randbytes(chance.randrange(20)) + part[at + chance.randrange(4) :]

    for _ in range(times + 1):
        content = mutate(content, chance, changed)
    hold(subject, unpack(content))


@_OFTEN
@given(st.data(), st.integers(0, 2**32), st.sampled_from([0.005, 0.02, 0.1]))
def test_requests_that_are_written_as_nobody_should(
    subject: Subject, data: st.DataObject, seed: int, rate: float
) -> None:
    """Fields out of order, said twice, of another type, in groups or unknown, at the entrances and in the decoders."""
    way, signal, body, _ = unpack(data.draw(st.sampled_from(all_seeds())))
    if way != "json" and signal == "traces":
        hold(subject, (way, signal, scrambled(body, REQUEST, random.Random(seed), rate), ""))


@pytest.mark.parametrize("path", regressions(), ids=lambda path: path.stem)
def test_what_once_broke_something(subject: Subject, path: Path) -> None:
    """Inputs that the fuzzer found, and that broke an answer or the store before they were mended."""
    hold(subject, unpack(path.read_bytes()))
