"""Tokens: made once, kept as hashes, read from a file that is checked entry by entry."""

import base64
from pathlib import Path

import pytest

from spanledger_collector.access import (
    EVERYONE,
    Access,
    ForbiddenError,
    Grant,
    TokensFileError,
    UnauthenticatedError,
    load_access,
    new_token,
)

HASH = "0" * 64


def test_the_printed_line_lets_the_token_in_and_does_not_hold_it(tmp_path: Path) -> None:
    """Lines of two tokens make a tokens file in which each has its own grant, as Bearer or as a Basic password."""
    first, first_line = new_token(Grant("caisse: öst", "production", ("send",)))
    second, second_line = new_token(Grant())
    path = tmp_path / "tokens.yaml"
    path.write_text(f"{first_line}\n{second_line}\n", "utf-8")
    access = load_access(path)
    assert first not in path.read_text("utf-8")
    assert access.grant(f"Bearer {first}", "send") == Grant("caisse: öst", "production", ("send",))
    basic = base64.b64encode(f"anyone:{second}".encode()).decode()
    assert access.grant(f"basic {basic}", "manage") == Grant()
    with pytest.raises(ForbiddenError, match="may send, not read"):
        access.grant(f"Bearer {first}", "read")
    with pytest.raises(UnauthenticatedError):
        access.grant(f"Bearer {first}x", "send")


def test_without_a_tokens_file_everyone_gets_in() -> None:
    """The default asks for nothing."""
    access = load_access(None)
    assert not access.closed
    assert access.grant("", "manage") == EVERYONE


def test_no_grant_is_not_no_lock() -> None:
    """A closed ``Access`` without any token lets nobody in."""
    with pytest.raises(UnauthenticatedError):
        Access({}).grant("Bearer anything", "read")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "lists no token"),
        ("[]", "lists no token"),
        ("a: [", "is not YAML"),
        ("- token: plain", "entry 1: an entry has the keys"),
        ("- {sha256: 12}", "entry 1: sha256 is"),
        (f"- {{sha256: '{HASH}'}}\n- {{sha256: '{HASH}', team: [a]}}", "entry 2: team is a text"),
        (f"- {{sha256: '{HASH}', may: [destroy]}}", "entry 1: may is a list of send, read, manage"),
    ],
)
def test_a_broken_tokens_file_is_named_with_its_entry(tmp_path: Path, content: str, said: str) -> None:
    """The error names file, entry and rule, and quotes no hash."""
    path = tmp_path / "tokens.yaml"
    path.write_text(content)
    with pytest.raises(TokensFileError) as told:
        load_access(path)
    assert said in str(told.value)
    assert str(path) in str(told.value)
    assert HASH not in str(told.value)
