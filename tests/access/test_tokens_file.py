"""Tokens: made once, kept as hashes, read from a file that is checked entry by entry."""

import base64
import logging
from pathlib import Path

import pytest

from spanledger_collector.access import (
    EVERYONE,
    Access,
    AccessByFile,
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


def test_a_token_of_the_process_itself_is_in_no_file() -> None:
    """What is issued gets in with its grant and no other; where everybody gets in, none is needed."""
    access = Access({})
    token = access.issue(Grant(may=("send",)))
    assert access.grant(f"Bearer {token}", "send") == Grant(may=("send",))
    with pytest.raises(ForbiddenError):
        access.grant(f"Bearer {token}", "read")
    assert Access().issue(Grant()) == ""


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


class Clock:
    """Seconds, as the test says."""

    now_s = 0.0

    def __call__(self) -> float:
        """What the file is looked at by."""
        return self.now_s


def test_a_changed_file_holds_after_a_second(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A revoked token is out and a new one in; a broken, empty or missing file changes nothing and is told, once."""
    caplog.set_level(logging.INFO)
    clock, path = Clock(), tmp_path / "tokens.yaml"
    (first, first_line), (second, second_line) = new_token(Grant()), new_token(Grant())
    path.write_text(first_line)
    access = AccessByFile(path, clock)

    def lets_in(token: str) -> bool:
        try:
            return access.grant(f"Bearer {token}", "read") == Grant()
        except UnauthenticatedError:
            return False

    path.write_text(second_line + "\n")
    assert (lets_in(first), lets_in(second)) == (True, False)
    clock.now_s += 1
    assert (lets_in(first), lets_in(second)) == (False, True)
    assert [record.levelname for record in caplog.records] == ["INFO"]
    for content in ("a: [", "", None):
        caplog.clear()
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
        for _ in range(3):
            clock.now_s += 1
            assert (lets_in(first), lets_in(second)) == (False, True)
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "STILL HOLD" in caplog.text
        assert str(path) in caplog.text
    path.write_text(first_line)
    clock.now_s += 1
    assert (lets_in(first), lets_in(second)) == (True, False)
