"""More than a collector can take: clients that send without pause, and the memory of its process meanwhile."""

from __future__ import annotations

import http.client
import itertools
import os
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SPANS = 100
CALLS = 20
"""Of the spans of a request, those that are billed; the others are plain."""
INPUT_TOKENS = 300
_PAUSE_S = 0.02
_EVERY_NS = 50 * 10**6
"""Between the starts of two requests."""
_HEADERS = {"content-type": "application/x-protobuf"}


def template() -> ExportTraceServiceRequest:
    """A request of one trace, of which only ids and times are to be set."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "flood"
    scope = resource.scope_spans.add()
    for number in range(SPANS):
        span = scope.spans.add(
            span_id=(number + 1).to_bytes(8, "big"),
            parent_span_id=(1).to_bytes(8, "big") if number else b"",
            name="chat gpt-4.1" if number < CALLS else f"GET /part/{number % 10}",
        )
        texts = {"http.request.method": "GET", "server.address": f"host-{number}", "note": "n" * 100}
        if number < CALLS:
            span.attributes.add(key="gen_ai.response.id")
            span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = INPUT_TOKENS
            span.attributes.add(key="gen_ai.usage.output_tokens").value.int_value = 7
            texts |= {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.response.model": "gpt-4.1-2025-04-14",
            }
        for key, text in texts.items():
            span.attributes.add(key=key).value.string_value = text
    return request


class Flood:
    """Four clients, each of which sends its next request as soon as the last one is acknowledged.

    A refused request is sent again after a blink, whatever the collector advised: clients are not all polite.
    """

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self._began_ns = time.time_ns() - 12 * 3600 * 10**9
        self._numbers = itertools.count(1)
        self._stopped = threading.Event()
        self._clients = [threading.Thread(target=self._send) for _ in range(4)]
        self._lock = threading.Lock()
        self.acknowledged = 0
        """Requests of which success was told."""
        self.refused = 0
        """Answers that told a client to slow down."""
        self.unexpected: list[str] = []
        """Answers that were neither, or a refusal without the time to wait."""
        for client in self._clients:
            client.start()

    def stop(self) -> None:
        """Begin no more requests; return once those begun are acknowledged."""
        self._stopped.set()
        for client in self._clients:
            client.join()

    def _send(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        request = template()
        while not self._stopped.is_set():
            body = self._numbered(request, next(self._numbers))
            while not self._is_taken(connection, body) and not self.unexpected:
                time.sleep(_PAUSE_S)
        connection.close()

    def _numbered(self, request: ExportTraceServiceRequest, number: int) -> bytes:
        for place, span in enumerate(request.resource_spans[0].scope_spans[0].spans):
            span.trace_id = number.to_bytes(16, "big")
            span.start_time_unix_nano = self._began_ns + number * _EVERY_NS + place * 10**5
            span.end_time_unix_nano = span.start_time_unix_nano + 10**7
            if place < CALLS:
                span.attributes[0].value.string_value = f"chatcmpl-{number}-{place}"
        return request.SerializeToString()

    def _is_taken(self, connection: http.client.HTTPConnection, body: bytes) -> bool:
        connection.request("POST", "/v1/traces", body, _HEADERS)
        answer = connection.getresponse()
        answer.read()
        with self._lock:
            if answer.status == 200:
                self.acknowledged += 1
            elif answer.status == 429 and int(answer.headers["retry-after"]) > 0:
                self.refused += 1
            else:
                self.unexpected.append(f"{answer.status} {answer.reason}")
        return answer.status == 200


class Memory:
    """The resident memory of a process, in MB, sampled until ``stop``."""

    def __init__(self, pid: int, every_s: float = 0.5) -> None:
        self._pid, self._every_s = pid, every_s
        self._stopped = threading.Event()
        self.samples_mb: list[int] = []
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def _sample(self) -> None:
        while True:
            self.samples_mb.append(resident_mb(self._pid))
            if self._stopped.wait(self._every_s):
                return

    def stop(self) -> None:
        """Take no more samples."""
        self._stopped.set()
        self._thread.join()

    def curve(self, points: int = 20) -> str:
        """The highest value of each of so many parts of the time, in order."""
        size = max(1, len(self.samples_mb) // points)
        parts = [self.samples_mb[at : at + size] for at in range(0, len(self.samples_mb), size)]
        return " ".join(str(max(part)) for part in parts)


def resident_mb(pid: int) -> int:
    """What of a process is in memory now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 10**6
