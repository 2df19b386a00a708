"""Free memory is kept from batch to batch, and not more of it than was said."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spanledger_collector.compiled import twin

pytestmark = [
    pytest.mark.skipif(twin("compiled_arenas") is None, reason="no compiled twin was built"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory of a process is in /proc"),
]

_MIB = 2**20
_PROGRAM = """
import os, resource, sys
from spanledger_collector.compiled_arenas import keep_arenas
keep_arenas(int(sys.argv[1]))
def batch():
    return [float(number) for number in range(4_000_000)]
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
batch()
before = faults()
batch()
again = faults() - before
with open("/proc/self/statm") as file:
    print(again, int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
"""
"""Prints the pages that a second batch of some 90 MiB of objects (and 31 of a list) took, and the memory left after."""


def second_batch(kept: int) -> tuple[int, int]:
    """Pages and bytes, with so many arenas kept."""
    command = [sys.executable, "-c", _PROGRAM, str(kept)]
    pages, resident = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    return int(pages), int(resident)


def test_a_second_batch_is_made_in_the_memory_of_the_first() -> None:
    """It has the system make a small part of the pages that it takes where nothing is kept, and that much stays."""
    pages_anew, left = second_batch(0)
    pages_kept, left_kept = second_batch(1000)
    assert pages_kept < pages_anew / 2
    assert left_kept - left > 60 * _MIB


def test_no_more_is_kept_than_was_said() -> None:
    """With a bound of 16 arenas, sixteen MiB stay at most, and what they do not hold is made anew."""
    pages_anew, left = second_batch(0)
    pages_some, left_some = second_batch(16)
    assert left_some - left < 20 * _MIB
    assert pages_some > pages_anew / 2
