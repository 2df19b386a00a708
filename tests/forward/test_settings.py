"""``forward`` among the settings: where it leads, what it must not show, and never to the collector itself."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from spanledger_collector.cli.serve import serve
from spanledger_collector.config import Address, ConfigError, load_settings
from spanledger_collector.forward.loops import ForwardsToItselfError, check_leads_elsewhere


@pytest.mark.parametrize(
    "url",
    [
        "localhost:4318",
        "ftp://host",
        "http://",
        "http://host:nowhere",
        "http://user:hunter2@host",
        "grpc://host",
        "grpc://host:4317/base",
        "https://host/?key=hunter2",
    ],
)
def test_a_url_that_leads_nowhere_is_refused_without_being_shown(url: str) -> None:
    """The error names the setting; a key that somebody put into the URL is not quoted."""
    with pytest.raises(ConfigError, match=r"forward\.url") as refusal:
        load_settings(forward={"url": url})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("headers", [{"bad name": "hunter2"}, {"x-key": "hunter2\r\nx: y"}])
def test_headers_are_secrets_and_are_checked(headers: dict[str, str]) -> None:
    """Neither the settings nor an error show a value."""
    with pytest.raises(ConfigError, match="header") as refusal:
        load_settings(forward={"headers": headers})
    assert "hunter2" not in str(refusal.value)
    assert "hunter2" not in repr(load_settings(forward={"headers": {"x-key": "hunter2"}}))


def test_flag_environment_and_file_are_laid_over_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL by flag, a key from the environment, the rest from YAML."""
    file = tmp_path / "spanledger.yaml"
    file.write_text("forward: {url: 'http://elsewhere', max_bytes: 5}\n")
    monkeypatch.setenv("SPANLEDGER_CONFIG", str(file))
    monkeypatch.setenv("SPANLEDGER_FORWARD__HEADERS", '{"x-key": "hunter2"}')
    monkeypatch.setenv("SPANLEDGER_FORWARD__MAX_AGE_S", "60")
    forward = load_settings(forward={"url": "grpc://host:4317"}).forward
    assert (forward.url, forward.max_bytes, forward.max_age_s) == ("grpc://host:4317", 5, 60)
    assert forward.headers["x-key"].get_secret_value() == "hunter2"


def test_a_map_in_the_environment_that_is_no_json_gets_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A natural mistake: the URL where the map is wanted."""
    monkeypatch.setenv("SPANLEDGER_FORWARD", "http://user:hunter2@host")
    with pytest.raises(ConfigError, match=r"forward.*JSON") as refusal:
        load_settings()
    assert "hunter2" not in str(refusal.value)


def test_the_command_line_has_it() -> None:
    """`serve --help` names the forms, and a wrong one ends the command with a clear error."""
    assert "--forward" in CliRunner().invoke(serve, ["--help"]).output
    result = CliRunner().invoke(serve, ["--forward", "nowhere"])
    assert isinstance(result.exception, ConfigError)


@pytest.mark.parametrize(
    ("url", "listener"),
    [
        ("http://127.0.0.1:4318", Address("127.0.0.1", 4318)),
        ("http://localhost:4318/base", Address("127.0.0.1", 4318)),
        ("grpc://127.0.0.1:4317", Address("0.0.0.0", 4317)),
        ("grpc://127.0.0.2:4317", Address("::", 4317)),
        ("http://0.0.0.0:4318", Address("127.0.0.1", 4318)),
        ("http://127.0.0.1", Address("localhost", 80)),
        (f"http://{socket.gethostname()}:4318", Address("0.0.0.0", 4318)),
    ],
)
def test_forwarding_to_oneself_is_refused(url: str, listener: Address) -> None:
    """By any of the names that lead to the listener."""
    with pytest.raises(ForwardsToItselfError, match=r"forward\.url"):
        check_leads_elsewhere(url, [Address("127.0.0.1", 1), listener])


@pytest.mark.parametrize(
    ("url", "listener"),
    [
        ("http://127.0.0.1:4319", Address("127.0.0.1", 4318)),
        ("http://192.0.2.1:4318", Address("0.0.0.0", 4318)),
        ("http://127.0.0.2:4318", Address("127.0.0.1", 4318)),
        ("http://no-such-host.invalid:4318", Address("127.0.0.1", 4318)),
        ("https://127.0.0.1", Address("127.0.0.1", 80)),
    ],
)
def test_another_port_or_machine_is_no_loop(url: str, listener: Address) -> None:
    """A host that is not known now may be later."""
    check_leads_elsewhere(url, [listener])
