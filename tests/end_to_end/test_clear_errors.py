"""Bad input gives a clear answer and loses nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from .conftest import CORPUS, FREE_PORTS, Serving, run


def test_broken_requests_are_refused_with_a_reason_and_good_ones_still_taken(serve: Callable[..., Serving]) -> None:
    """Broken protobuf or JSON is a 400 that says why; the collector goes on."""
    serving = serve()
    url = f"{serving.http}/v1/traces"
    broken = httpx.post(url, content=b"\x0a\xff\xff", headers={"content-type": "application/x-protobuf"})
    assert broken.status_code == 400
    wrong = httpx.post(url, content=b'{"resourceSpans": 7}', headers={"content-type": "application/json"})
    assert wrong.status_code == 400
    assert "resourceSpans" in wrong.json()["message"]
    good = (CORPUS / "genai_openai" / "traces-001.bin").read_bytes()
    assert httpx.post(url, content=good, headers={"content-type": "application/x-protobuf"}).status_code == 200


@pytest.mark.parametrize(
    ("content", "said"), [(b"hello", "notes.txt"), (b"", "notes.txt"), (b'{"a": 1}', "resourceSpans")]
)
def test_a_file_that_is_no_otlp_is_named_with_the_formats(tmp_path: Path, content: bytes, said: str) -> None:
    """`spanledger import` of something else says which file, why, and what would be accepted; the rest stays."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    good = CORPUS / "genai_openai" / "traces-001.bin"
    ended = run("import", good, path, "--data", tmp_path / "data")
    message = ended.stderr.decode()
    assert ended.returncode == 1
    assert "Traceback" not in message
    assert said in message
    assert ".jsonl" in message
    assert len(run("query", "calls", "--format", "jsonl", "--data", tmp_path / "data").stdout.splitlines()) == 2


def test_an_unknown_query_suggests_the_near_one(tmp_path: Path) -> None:
    """A mistyped name is answered with the name that was meant, without touching a store."""
    ended = run("query", "cost_per_tasks", "--data", tmp_path / "data")
    assert ended.returncode == 1
    assert "cost_per_task" in ended.stderr.decode()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_cluster_is_one_of_a_server(tmp_path: Path, command: str) -> None:
    """`--cluster` without a server to find it on ends the command with the setting that is missing."""
    ended = run(command, "--cluster", "prod", "--data", tmp_path)
    assert ended.returncode == 1
    assert "cluster names a cluster of the ClickHouse server in clickhouse, which is not set" in ended.stderr.decode()


@pytest.mark.parametrize("flag", ["--otlp-grpc", "--otlp-http", "--api"])
def test_a_port_in_use_is_named_with_its_flag(tmp_path: Path, flag: str) -> None:
    """A port in use ends the start with the address and the option that changes it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("serve", "--data", tmp_path, *FREE_PORTS, flag, address)
    message = ended.stderr.decode()
    assert ended.returncode == 1
    assert address in message
    assert flag in message
    assert "Traceback" not in message


def test_a_second_collector_on_the_same_data_is_refused(serve: Callable[..., Serving]) -> None:
    """The data directory belongs to one process: the second is told which."""
    serving = serve()
    ended = run("serve", "--data", serving.data, *FREE_PORTS)
    assert ended.returncode == 1
    assert str(serving.process.pid) in ended.stderr.decode()


def test_an_unreachable_clickhouse_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start tries for a while, then says where it looked, without the password."""
    monkeypatch.setenv("SPANLEDGER_CONFIG", str(tmp_path / "settings.yaml"))
    (tmp_path / "settings.yaml").write_text("connect_timeout_s: 1\n")
    ended = run(
        "serve", "--clickhouse", "http://u:hidden@127.0.0.1:9/x", *FREE_PORTS, "--config", tmp_path / "settings.yaml"
    )
    message = ended.stderr.decode()
    assert ended.returncode == 1
    assert "127.0.0.1:9" in message
    assert "hidden" not in message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "--api", "8600"], "HOST:PORT"),
        (["serve", "--config", "absent.yaml"], "absent.yaml"),
        (["query", "calls", "--since", "yesterday"], "since"),
        (["query", "calls", "--param", "teem=x"], "team"),
        (["query", "calls", "--format", "xml"], "jsonl"),
        (["import", "absent.bin"], "absent.bin"),
        (["import"], "FILE"),
    ],
)
def test_wrong_options_say_what_is_expected(tmp_path: Path, arguments: list[str], said: str) -> None:
    """Each wrong option names the thing and the way out, without a traceback."""
    ended = run(*arguments, "--data", tmp_path / "data")
    message = ended.stderr.decode()
    assert ended.returncode in (1, 2)
    assert said in message
    assert "Traceback" not in message
