"""The data directory belongs to one process at a time; who holds it is written beside the lock.

chDB takes one process per path, so the commands ask a running collector over its API instead of opening the store.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from spanledger_collector.errors import DataDirectoryHeldError, PermanentError


@dataclass(slots=True, frozen=True)
class Holder:
    """The process that holds a data directory, and the URLs of its API and of OTLP/HTTP, '' when it serves none.

    ``certificate`` is the file of the certificate that both show, '' without TLS. ``server`` is the address of the
    ClickHouse server that it writes to, '' where the store is in the directory.
    """

    pid: int
    api: str
    otlp_http: str
    certificate: str = ""
    server: str = ""

    @classmethod
    def here(cls, api: str = "", otlp_http: str = "", certificate: str = "", server: str = "") -> Holder:
        """This process."""
        return cls(os.getpid(), api, otlp_http, certificate, server)


class DataDirectory:
    """A data directory: its lock, its holder, and where the embedded store lies in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    @property
    def store_path(self) -> Path:
        """Where chDB keeps its files."""
        return self.path / "chdb"

    @property
    def _holder_file(self) -> Path:
        return self.path / "collector.json"

    def acquire(self) -> None:
        """Take the lock for this process; the operating system gives it back however the process ends.

        Raises:
            DataDirectoryHeldError: another process has it; the message names it.
            PermanentError: the directory cannot be made or written.
        """
        try:
            make_private(self.path)
            lock = (self.path / "lock").open("a")
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            holder = self.holder()
            who = f"process {holder.pid}" if holder else "another process"
            raise DataDirectoryHeldError(
                f"the data directory {self.path} is held by {who}; stop it, or name another with --data"
            ) from None
        self._lock = lock
        try:
            self.announce(Holder.here())
        except PermanentError:
            self.release()
            raise

    def announce(self, holder: Holder) -> None:
        """Tell the commands who holds the directory, and where it answers.

        Raises:
            PermanentError: the directory cannot be written.
        """
        draft = self._holder_file.with_suffix(".new")
        try:
            draft.write_text(json.dumps(asdict(holder)), "utf-8")
            draft.replace(self._holder_file)
        except OSError as error:
            raise self._unusable(error) from error

    def holder(self) -> Holder | None:
        """Who wrote last that it holds the directory; only meaningful while ``acquire`` is refused."""
        try:
            return Holder(**json.loads(self._holder_file.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def held_by(self) -> Holder | None:
        """Who holds the directory now; ``None`` where nobody does, or who does has told nothing."""
        try:
            with (self.path / "lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self.holder()
        except OSError:
            return None
        return None

    def release(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._holder_file.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _unusable(self, error: OSError) -> PermanentError:
        return PermanentError(
            f"the data directory {self.path} cannot be used: {error.strerror}; mend that, or name another with --data"
        )


def make_private(folder: Path) -> None:
    """Make ``folder`` where there is none, for nobody else's eyes: the ledger and the spans are in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
