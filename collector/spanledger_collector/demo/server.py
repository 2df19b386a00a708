"""The stand-in's HTTP edge: keep-alive, server-sent events in chunks, and connections cut on purpose."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What to send: a body, or the events of a stream; one that is not ``whole`` ends in a cut connection."""

    status: int
    headers: dict[str, str]
    frames: tuple[bytes, ...]
    stream_type: str = ""
    """The content type of a stream; '' for a whole body."""
    whole: bool = True


class LoopbackServer(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1 and answers each POST with ``respond(path, payload)``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, respond: Callable[[str, bytes], HttpAnswer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.respond = respond


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LoopbackServer

    def handle(self) -> None:
        """Serve a connection until the client leaves, which it may do in the middle of a stream."""
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        payload = self.rfile.read(int(self.headers.get("content-length") or 0))
        answer = self.server.respond(self.path.partition("?")[0], payload)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if not answer.stream_type:
            body = b"".join(answer.frames)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_header("content-type", answer.stream_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for frame in answer.frames:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))
        if answer.whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the provider keeps its own ledger."""
