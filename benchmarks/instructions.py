"""What tracing adds to a call, in processor instructions: the same contenders as `instrument.py`, without its noise.

    python benchmarks/instructions.py [CALLS]

Needs valgrind. Counts are of the whole process in user space, with the export of the spans: what else the machine does
changes them by a hundredth. They are no times: what waits, what misses a cache, and the kernel's work are not in them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from chat_server import LONG_CHUNKS, SHORT_CHUNKS, serving
from instrument import CONTENDERS, MODES, OWN_PROVIDER, is_installed

CALLS = 40
KINDS = {"plain": "plain", "short": f"stream of {SHORT_CHUNKS}", "long": f"of {LONG_CHUNKS}"}
COLLECTED = re.compile(r"Collected : (\d+)")
VALGRIND = ("valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null")


def count(name: str, url: str, mode: str, kind: str, calls: int) -> float:
    """Give the thousands of instructions that a call takes."""
    script = str(Path(__file__).with_name("contender.py"))
    provider = "own" if name == OWN_PROVIDER else "given"
    command = [*VALGRIND, sys.executable, script, url, provider, CONTENDERS[name][1]]
    asked = f"count {mode} {kind} {calls}\n"
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    found = COLLECTED.search(done.stderr)
    if found is None:
        raise RuntimeError(f"valgrind has not counted {name}: {done.stderr[-500:]}")
    return int(found[1]) / calls / 1000


def main(calls: int) -> None:
    """Print a line a contender as soon as it is known."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed; benchmarks/instrument.py measures times without it")
    names = [name for name in CONTENDERS if name != "bare SDK again" and is_installed(name)]
    columns = [(mode, kind) for kind in KINDS for mode in MODES]
    print(f"{'thousands of instructions':26}" + "".join(f"{KINDS[kind] + ', ' + mode:>20}" for mode, kind in columns))
    bare: list[float] = []
    with serving() as url:
        for name in names:
            counts = [count(name, url, mode, kind, calls) for mode, kind in columns]
            added = [f"+{it - base:.0f}" for it, base in zip(counts, bare, strict=True)] if bare else []
            cells = added or [f"{it:.0f}" for it in counts]
            bare = bare or counts
            print(f"{name:26}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
