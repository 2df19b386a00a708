"""The same properties under atheris, which looks for new paths through the code: ``make fuzz``.

The first byte of an input says how it comes: the entrance, the signal, and whether and how it is compressed. The first
argument is for how many seconds, the others are libFuzzer's, as folders of inputs. An input that breaks a property is
left in the working directory; it belongs into ``regressions/``, where a test replays it.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["spanledger_collector"]):
    from tests.fuzz.inputs import seeds, unpack
    from tests.fuzz.mutate import mutate
    from tests.fuzz.subject import Subject

BATCH = 200
"""Requests that go to the store together: one by one would be a hundred times slower."""


def main() -> None:
    """Write the captured requests as seeds, then fuzz until libFuzzer ends."""
    folder = Path(tempfile.mkdtemp(prefix="spanledger-fuzz-"))
    for number, seed in enumerate(seeds()):
        (folder / f"seed-{number}").write_bytes(seed)
    subject = Subject(Path(tempfile.mkdtemp(prefix="spanledger-fuzz-store-")))
    taken: list[tuple[bytes, list]] = []
    runs = 0
    ends_at_s = time.monotonic() + float(sys.argv[1])

    def one_input(content: bytes) -> None:
        nonlocal runs
        runs += 1
        if requests := subject.send(*unpack(content)):
            taken.append((content, requests))
        ended = time.monotonic() > ends_at_s
        if len(taken) >= BATCH or ended:
            store(subject, taken)
            taken.clear()
        if ended:
            subject.close()
            print(f"{runs} requests, and nothing broke", flush=True)
            # An end by libFuzzer is a crash: chDB's threads outlive the interpreter.
            os._exit(0)

    def changed(content: bytes, most_bytes: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.3:
            return atheris.Mutate(content, most_bytes)
        return mutate(content, chance, lambda part: atheris.Mutate(part, len(part) + 16))[:most_bytes]

    atheris.Setup([sys.argv[0], *sys.argv[2:], str(folder)], one_input, custom_mutator=changed)
    atheris.Fuzz()


def store(subject: Subject, taken: list[tuple[bytes, list]]) -> None:
    """Store what was taken; where that fails, name the first input that fails alone."""
    try:
        subject.store([request for _, requests in taken for request in requests])
    except Exception:
        for content, requests in taken:
            try:
                subject.store(requests)
            except Exception:
                Path("crash-in-store").write_bytes(content)
                raise
        raise


if __name__ == "__main__":
    main()
