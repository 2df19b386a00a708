"""A provider on loopback that answers what a test tells it to, and the recorded calls of `cases/`."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from spanledger.testing import RecordedSpans, recorded_spans
from spanledger_collector.demo.frames import CONTENT_TYPE, frame

CASES = Path(__file__).parent / "cases"


@dataclass
class Answer:
    """One answer: its body goes out piece by piece; an event among them is waited for before going on."""

    pieces: list[bytes | threading.Event]
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    breaks: bool = False
    """Whether the connection breaks instead of ending the body."""
    waits_for: threading.Event | None = None
    """What even its head waits for."""


@dataclass
class Provider:
    """The stand-in provider: answers in the given order, the last one again and again."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    """Set when the first request is here."""

    def will_answer(self, body: Any, status: int = 200, **headers: str) -> None:
        """Answer with JSON, or with bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        self.answers.append(Answer([content], status, named))

    def will_stream(
        self, pieces: list[Any], *, framing: str = "events", breaks: bool = False, encoding: str = "", status: int = 200
    ) -> None:
        """Answer with events, each in a chunk of its own; bytes and waits go out as they are."""
        content_type, framed = FRAMINGS[framing]
        headers = {"content-type": content_type, **({"content-encoding": encoding} if encoding else {})}
        sent = [piece if isinstance(piece, bytes | threading.Event) else framed(piece) for piece in pieces]
        if framing == "array":
            sent = [b"[", *sent, b"]"]
        self.answers.append(Answer(sent, status, headers, breaks))

    def will_answer_case(self, case: dict[str, Any], *, breaks: bool = False) -> None:
        """Answer as the case has it."""
        if "events" in case:
            self.will_stream(case["events"], framing=case.get("framing", "events"), breaks=breaks)
        else:
            self.will_answer(case["answer"])
        self.answers[-1].headers |= case.get("head", {})


def event_bytes(event: Any) -> bytes:
    """Give an event as a provider writes it."""
    if isinstance(event, str):
        return f"data: {event}\n\n".encode()
    named = f"event: {event['type']}\n" if "type" in event else ""
    return f"{named}data: {json.dumps(event)}\n\n".encode()


def frame_bytes(event: dict[str, Any]) -> bytes:
    """Give an event as Bedrock writes it: its only key is its type."""
    ((kind, payload),) = event.items()
    return frame(kind, json.dumps(payload).encode())


def chunk_bytes(event: dict[str, Any]) -> bytes:
    """Give an event of Anthropic's as Bedrock's InvokeModel writes it."""
    return frame_bytes({"chunk": {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}})


FRAMINGS: dict[str, tuple[str, Callable[[Any], bytes]]] = {
    "events": ("text/event-stream", event_bytes),
    "array": ("application/json; charset=UTF-8", lambda event: json.dumps(event).encode() + b"\r\n,"),
    "frames": (CONTENT_TYPE, frame_bytes),
    "chunks": (CONTENT_TYPE, chunk_bytes),
}
"""How the events of a case are sent: the content type, and the bytes of one."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A running stand-in provider."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            made.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
            made.asked.set()
            answer = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
            if answer.waits_for is not None:
                answer.waits_for.wait(10)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in answer.pieces:
                if isinstance(piece, threading.Event):
                    piece.wait(10)
                elif piece:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if answer.breaks:
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    made = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedSpans]:
    """Spans in memory, and no content capture unless the test asks for it."""
    monkeypatch.delenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", raising=False)
    with recorded_spans() as recorded:
        yield recorded


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `case` with each recorded call."""
    if "case" in metafunc.fixturenames:
        files = sorted(CASES.glob("*.json"))
        loaded = [json.loads(file.read_text()) for file in files]
        metafunc.parametrize("case", loaded, ids=[file.stem for file in files])


@pytest.fixture
def recorded_case() -> Any:
    """Give a recorded call by its name."""
    return lambda name: json.loads((CASES / f"{name}.json").read_text())
