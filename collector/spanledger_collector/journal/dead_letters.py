"""Where a request goes that can never be processed: a file that ``spanledger import`` reads, and the reason beside it.

The reason quotes nothing of the request: an unforeseen error is told by its type and place, a refusal of the store
by its type and code.
"""

from __future__ import annotations

import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

from spanledger_collector.errors import BadInputError, RetryableError
from spanledger_collector.journal.entry import Entry
from spanledger_collector.journal.errors import JournalUnavailableError


class DeadLetters:
    """The folder of dead letters; it is made with the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def count(self) -> int:
        """How many are kept."""
        return sum(1 for _ in self.folder.glob("*.bin"))

    def write(self, entry: Entry, error: Exception) -> Path:
        """Keep ``entry`` as a file, durably, and say beside it why; writing the same again is one file.

        Raises:
            JournalUnavailableError: the folder cannot be written now.
        """
        received_at = datetime.fromtimestamp(entry.received_at_ms / 1000, UTC)
        name = f"{received_at:%Y%m%dT%H%M%S}.{entry.received_at_ms % 1000:03}Z-{entry.sequence}"
        letter = self.folder / f"{name}.{entry.request.signal}.bin"
        reason = (
            f"{reason_of(error)}\n\nReceived {received_at.isoformat(timespec='milliseconds')}: {entry.request.signal}, "
            f"{entry.request.spans} spans, {len(entry.request.body)} bytes.\n"
            f"Once the cause is mended: spanledger import {letter.name}\n"
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write_durably(letter.with_name(f"{letter.name}.txt"), reason.encode())
            _write_durably(letter, entry.request.body)
            _sync(self.folder)
        except OSError as failure:
            raise JournalUnavailableError(
                f"a request that cannot be processed cannot be put into {self.folder} ({failure.strerror})"
            ) from None
        return letter


def reason_of(error: Exception) -> str:
    """Why a request failed, without anything that it held."""
    if isinstance(error, BadInputError):
        return str(error)
    code = getattr(error, "code", None)
    what = f"{type(error).__name__} (code {code})" if code else type(error).__name__
    if isinstance(error, RetryableError):
        what = f"the store refused it again and again while it took others: {what}"
    place = traceback.extract_tb(error.__traceback__)
    return f"{what} at {place[-1].filename}:{place[-1].lineno}" if place else what


def _write_durably(path: Path, content: bytes) -> None:
    draft = path.with_name(f"{path.name}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:  # noqa: PTH123
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def _sync(folder: Path) -> None:
    """Make the names in ``folder`` survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
