"""Who may send spans, read answers and change prices: bearer tokens, of which only SHA-256 hashes are kept.

The tokens file is a YAML list, one entry a token, as ``spanledger token new`` prints it::

    - {sha256: 9f86d081..., team: checkout, environment: production, may: [send]}

``team`` and ``environment`` pin what the token's spans are booked on, whatever they say themselves; a token with a
team reads the figures of this team only. Without a tokens file everybody who reaches the port may do everything.
The file is read again when it has changed, so that a revoked token is out within a second or so.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from spanledger_collector.errors import PermanentError

Use = Literal["send", "read", "manage"]
"""Send OTLP, read answers and metrics, or change something over the API."""

USES: tuple[Use, ...] = get_args(Use)

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_PREFIX = "spanledger_"
"""Lets scanners for leaked secrets know one when they see it."""
_SECRET_BYTES = 32
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = {"sha256", "team", "environment", "may"}


class TokensFileError(PermanentError):
    """The tokens file cannot be used; the message names the file and the entry, never a hash."""


class UnauthenticatedError(PermanentError):
    """No token came, or one that is not known here."""


class ForbiddenError(PermanentError):
    """The token is known and does not allow this."""


@dataclass(slots=True, frozen=True)
class Grant:
    """What a token allows, and on whom its spans are booked; an empty ``team`` or ``environment`` pins nothing."""

    team: str = ""
    environment: str = ""
    may: tuple[Use, ...] = USES


EVERYONE = Grant()
"""What holds where no tokens are set."""


class Access:
    """The tokens that are known; ``Access()`` knows none and lets everyone do everything."""

    def __init__(self, grants: Mapping[str, Grant] | None = None) -> None:
        """``grants`` are by SHA-256 hash in lower-case hex."""
        self._grants = _by_hash(grants or {})
        self._issued: dict[bytes, Grant] = {}
        self.closed = grants is not None
        """Whether a token is needed."""

    def grant(self, authorization: str, use: Use) -> Grant:
        """What the ``Authorization`` header's token grants: ``Bearer TOKEN``, or the password of ``Basic``.

        Raises:
            UnauthenticatedError: no token, or an unknown one.
            ForbiddenError: the token does not allow ``use``.
        """
        if not self.closed:
            return EVERYONE
        token = _token_in(authorization)
        if not token:
            raise UnauthenticatedError(
                "a token is needed here: send the header 'Authorization: Bearer TOKEN' "
                "(`spanledger token new` makes a token; OTLP exporters take OTEL_EXPORTER_OTLP_HEADERS)"
            )
        presented = _hash(token)
        found = None
        # All are compared, so that the time says nothing of which one was near.
        for known, grant in {**self._known(), **self._issued}.items():
            if hmac.compare_digest(known, presented):
                found = grant
        if found is None:
            raise UnauthenticatedError(
                "this token is not known here: make one with `spanledger token new` and put its line into the tokens "
                "file of the collector, which reads it at once"
            )
        if use not in found.may:
            raise ForbiddenError(
                f"this token may {' and '.join(found.may)}, not {use}: use another one, or add {use!r} to its line "
                "in the tokens file"
            )
        return found

    def issue(self, grant: Grant) -> str:
        """A token that is in no file and ends with this process; '' where none is needed."""
        if not self.closed:
            return ""
        token, _ = new_token(grant)
        self._issued[_hash(token)] = grant
        return token

    @property
    def issued(self) -> Mapping[bytes, Grant]:
        """What was issued, by SHA-256 hash: for other processes of the same collector."""
        return self._issued

    def let_in(self, issued: Mapping[bytes, Grant]) -> None:
        """Take tokens that another process has issued."""
        self._issued.update(issued)

    def _known(self) -> Mapping[bytes, Grant]:
        return self._grants


class AccessByFile(Access):
    """The tokens of a file that may change: it is looked at when somebody comes, once a second at the most.

    While it cannot be used, the tokens that it had hold, and the log says so.
    """

    def __init__(self, path: Path, now_s: Callable[[], float] = time.monotonic) -> None:
        """Raises ``TokensFileError`` where the file cannot be used."""
        self._path = path
        self._now_s = now_s
        self._looked_at_s = now_s()
        self._state = _state_of(path)
        super().__init__(_read(path))

    def _known(self) -> Mapping[bytes, Grant]:
        now_s = self._now_s()
        if now_s - self._looked_at_s >= _LOOK_EVERY_S:
            self._looked_at_s = now_s
            self._look()
        return self._grants

    def _look(self) -> None:
        state = _state_of(self._path)
        if state == self._state:
            return
        self._state = state
        try:
            self._grants = _by_hash(_read(self._path))
        except TokensFileError as error:
            _log.error("%s; THE TOKENS THAT IT HAD BEFORE STILL HOLD, also such as were to be revoked", error)
        else:
            _log.info("the tokens file %s has changed; tokens that hold now: %d", self._path, len(self._grants))


def load_access(path: Path | None) -> Access:
    """The tokens of a file; without a file an open ``Access``.

    Raises:
        TokensFileError: the file cannot be read, or an entry of it cannot be used.
    """
    return Access() if path is None else AccessByFile(path)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _by_hash(grants: Mapping[str, Grant]) -> dict[bytes, Grant]:
    return {bytes.fromhex(sha256): grant for sha256, grant in grants.items()}


def _state_of(path: Path) -> tuple[int, int, int] | None:
    """What differs when a file is written or replaced; ``None`` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> dict[str, Grant]:
    try:
        entries = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise TokensFileError(f"the tokens file {path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise TokensFileError(f"the tokens file {path} is not YAML") from None
    if not isinstance(entries, list) or not entries:
        raise TokensFileError(f"the tokens file {path} lists no token; `spanledger token new` prints a line for it")
    grants: dict[str, Grant] = {}
    for number, entry in enumerate(entries, 1):
        try:
            grants |= _grant_of(entry)
        except ValueError as reason:
            raise TokensFileError(f"the tokens file {path}, entry {number}: {reason}") from None
    return grants


def new_token(grant: Grant) -> tuple[str, str]:
    """A new token, and the line of the tokens file that lets it in; the token is nowhere else."""
    token = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    entry: dict[str, Any] = {"sha256": _hash(token).hex()}
    entry |= {name: text for name in ("team", "environment") if (text := getattr(grant, name))}
    entry["may"] = list(grant.may)
    line = yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return token, f"- {line.strip()}"


def _grant_of(entry: object) -> dict[str, Grant]:
    if not isinstance(entry, dict) or not entry.keys() <= _KEYS:
        raise ValueError(f"an entry has the keys {', '.join(sorted(_KEYS))}, and no others")
    sha256 = entry.get("sha256")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError("sha256 is the token's hash in 64 lower-case hexadecimal digits")
    for name in ("team", "environment"):
        if not isinstance(entry.get(name, ""), str):
            raise ValueError(f"{name} is a text")
    may = entry.get("may", list(USES))
    if not isinstance(may, list) or not may or any(use not in USES for use in may):
        raise ValueError(f"may is a list of {', '.join(USES)}")
    return {sha256: Grant(entry.get("team", ""), entry.get("environment", ""), _in_order(may))}


def _in_order(may: Iterable[str]) -> tuple[Use, ...]:
    wanted = set(may)
    return tuple(use for use in USES if use in wanted)


def _token_in(authorization: str) -> str:
    scheme, _, credentials = authorization.strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip()
        case "basic":
            # What a browser asks its user for: any name, and the token as the password.
            try:
                return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return ""
    return ""
