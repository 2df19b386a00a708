"""A closed collector as a process: TLS, tokens, and the commands that get in with theirs."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from .conftest import CORPUS, FREE_PORTS, SPANLEDGER, Serving, environment, run

SPANS = CORPUS / "genai_openai" / "traces-001.bin"


def spanledger(*arguments: str | Path, token: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command with a token in its environment."""
    extra = {"SPANLEDGER_TOKEN": token} if token else {}
    return subprocess.run(
        [*SPANLEDGER, *map(str, arguments)],
        check=False, capture_output=True, text=True, timeout=120, env=environment(**extra),
    )  # fmt: skip


def new_token(tokens: Path, *options: str) -> str:
    """Make a token with the command and add its line to the tokens file; the token."""
    made = spanledger("token", "new", *options)
    line = next(line for line in made.stderr.splitlines() if line.startswith("- {"))
    with tokens.open("a") as file:
        file.write(f"{line}\n")
    return made.stdout.strip()


@pytest.mark.parametrize("receivers", ["0", "1"])
def test_tokens_over_tls_on_all_listeners(
    serve: Callable[..., Serving], tmp_path: Path, certificate: tuple[Path, Path], receivers: str
) -> None:
    """With certificate and tokens, all listeners take TLS and tokens only, and the commands get in by theirs."""
    chain, key = certificate
    tokens = tmp_path / "tokens.yaml"
    sender = new_token(tokens, "--team", "checkout", "--environment", "production")
    reader = new_token(tokens, "--may", "read")
    serving = serve(extra=("--tls-cert", chain, "--tls-key", key, "--tokens", tokens), receivers=receivers)
    assert serving.http.startswith("https://")
    assert serving.api.startswith("https://")

    request = ExportTraceServiceRequest.FromString(SPANS.read_bytes())
    port = serving.grpc.rpartition(":")[2]
    credentials = grpc.ssl_channel_credentials(chain.read_bytes())
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            TraceServiceStub(channel).Export(request, timeout=30)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        TraceServiceStub(channel).Export(request, timeout=30, metadata=(("authorization", f"Bearer {sender}"),))
    context = ssl.create_default_context(cafile=chain)
    health = httpx.get(serving.api.replace("127.0.0.1", "localhost") + "/readyz", verify=context, trust_env=False)
    assert health.json()["ready"] is True

    question = ("query", "calls", "--format", "csv", "--data", serving.data)
    without = spanledger(*question)
    assert without.returncode == 1
    assert "SPANLEDGER_TOKEN" in without.stderr
    assert ",checkout," in spanledger(*question, token=reader).stdout
    imported = ("import", CORPUS / "genai_anthropic" / "traces-001.bin", "--data", serving.data)
    assert "may send" in spanledger(*imported, token=reader).stderr
    assert spanledger(*imported, token=sender).returncode == 0
    rows = spanledger(*question, token=reader).stdout.splitlines()[1:]
    assert {",checkout," in row for row in rows} == {True}
    assert "claude" in "".join(rows)
    log = (tmp_path / "serve.log").read_text()
    assert sender not in log
    assert reader not in log


def test_a_token_is_revoked_while_the_collector_runs(serve: Callable[..., Serving], tmp_path: Path) -> None:
    """Its line is taken out of the file, and within seconds it lets nobody in, over HTTP, gRPC or the API."""
    tokens = tmp_path / "tokens.yaml"
    lasting, revoked = (new_token(tokens, "--may", "send", "--may", "read") for _ in range(2))
    serving = serve(extra=("--tokens", tokens))

    def let_in(token: str) -> list[bool]:
        headers = {"authorization": f"Bearer {token}"}
        sent = httpx.post(f"{serving.http}/v1/traces", headers={**headers, "content-type": "application/x-protobuf"})
        asked = httpx.get(f"{serving.api}/api/queries/calls", headers=headers)
        over_grpc = True
        with grpc.insecure_channel(serving.grpc) as channel:
            try:
                TraceServiceStub(channel).Export(
                    ExportTraceServiceRequest(), timeout=30, metadata=tuple(headers.items())
                )
            except grpc.RpcError as refused:
                assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
                over_grpc = False
        assert {sent.status_code, asked.status_code} <= {200, 401}
        return [sent.status_code == 200, asked.status_code == 200, over_grpc]

    assert let_in(revoked) == let_in(lasting) == [True] * 3
    tokens.write_text(tokens.read_text().splitlines()[0])
    deadline_s = time.monotonic() + 30
    while any(let_in(revoked)):
        assert time.monotonic() < deadline_s, "the token is still let in"
        time.sleep(0.2)
    tokens.write_text("- {broken: [")
    time.sleep(1.1)
    assert let_in(lasting) == [True] * 3
    log = (tmp_path / "serve.log").read_text()
    assert "tokens that hold now: 1" in log
    assert f"the tokens file {tokens} is not YAML; THE TOKENS THAT IT HAD BEFORE STILL HOLD" in log
    assert revoked not in log


@pytest.mark.parametrize("receivers", ["0", "1"])
def test_the_demo_lets_itself_in(tmp_path: Path, certificate: tuple[Path, Path], receivers: str) -> None:
    """With tokens and TLS set for the collector proper, the demo's agents get in by a token of the demo's own."""
    tokens = tmp_path / "tokens.yaml"
    new_token(tokens)
    chain, key = certificate
    ended = subprocess.run(
        [*SPANLEDGER, "demo", "--tasks", "1", "--data", str(tmp_path / "data"), *FREE_PORTS],
        check=False, capture_output=True, text=True, timeout=120,
        env=environment(
            SPANLEDGER_TOKENS=str(tokens),
            SPANLEDGER_TLS_CERT=str(chain),
            SPANLEDGER_TLS_KEY=str(key),
            SPANLEDGER_RECEIVERS=receivers,
        ),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "BUG-101" in ended.stdout
    assert "spanledger_" not in tokens.read_text()


def test_a_listener_beyond_loopback_is_told_loudly(serve: Callable[..., Serving], tmp_path: Path) -> None:
    """Whoever opens a listener to the network without tokens reads it in the log; on loopback nothing is said."""
    serve(extra=("--otlp-http", "0.0.0.0:0"))
    log = (tmp_path / "serve.log").read_text()
    assert "OPEN TO THE NETWORK: --otlp-http 0.0.0.0:0" in log
    assert "--otlp-grpc" not in log


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--tls-cert", "pyproject.toml"), "given together"),
        (("--tls-cert", "none.pem", "--tls-key", "none.pem"), "none.pem (tls_cert, tls_key or tokens) does not exist"),
        (("--tls-cert", "pyproject.toml", "--tls-key", "pyproject.toml"), "no certificate chain"),
        (("--tokens", "pyproject.toml"), "is not YAML"),
    ],
)
def test_unusable_certificates_and_tokens_end_the_start(tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    """A file that is missing or something else is named, and nothing listens."""
    (tmp_path / "pyproject.toml").write_text("[[this is no YAML: {")
    placed = [str(tmp_path / flag) if Path(flag).suffix else flag for flag in flags]
    ended = run("serve", "--data", tmp_path / "data", *FREE_PORTS, *placed)
    assert ended.returncode == 1
    assert said in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()
