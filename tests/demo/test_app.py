"""The demo's app as a process: what it sends over OTLP is what the provider billed."""

import gzip
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from spanledger_collector.demo import DemoFailedError, StandInProvider, brain, run_app
from spanledger_collector.demo.agents import run_agents

OWN_SCOPE = "spanledger"


class OtlpReceiver(ThreadingHTTPServer):
    """Takes OTLP/HTTP requests on loopback and keeps them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), OtlpHandler)
        self.requests: list[ExportTraceServiceRequest] = []

    @property
    def endpoint(self) -> str:
        """The OTLP base address."""
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> Iterator[dict[str, AnyValue]]:
        """The attributes of each of spanledger's own spans."""
        for request in self.requests:
            for resource_spans in request.resource_spans:
                for scope_spans in resource_spans.scope_spans:
                    if scope_spans.scope.name == OWN_SCOPE:
                        for span in scope_spans.spans:
                            yield {pair.key: pair.value for pair in span.attributes}


class OtlpHandler(BaseHTTPRequestHandler):
    """Answers 200 to every export."""

    server: OtlpReceiver

    def do_POST(self) -> None:
        """Keep the request."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    """What the app sent for one task an agent, though the user's own settings point elsewhere."""
    with OtlpReceiver() as started, pytest.MonkeyPatch.context() as environment:
        threading.Thread(target=started.serve_forever, args=(0.05,), daemon=True).start()
        environment.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/v1/traces")
        environment.setenv("OTEL_SDK_DISABLED", "true")
        environment.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        run_app(started.endpoint, tasks_per_agent=1)
        yield started
        started.shutdown()


def test_app_sends_what_was_billed(receiver: OtlpReceiver) -> None:
    """The app's spans add up, model by model, to what the same agents are billed for in this process."""
    with StandInProvider(brain.think) as provider:
        run_agents(provider, 1)

    billed: Counter[tuple[str, str]] = Counter()
    for call in provider.calls:
        billed[call.response_model, "calls"] += 1
        billed[call.response_model, "input"] += call.input_tokens
        billed[call.response_model, "cache_read"] += call.cache_read_tokens
        billed[call.response_model, "cache_write"] += call.cache_write_tokens
        billed[call.response_model, "output"] += call.output_tokens
    sent: Counter[tuple[str, str]] = Counter()
    for attributes in receiver.spans():
        if attributes["gen_ai.operation.name"].string_value in ("chat", "embeddings"):
            model = attributes["gen_ai.response.model"].string_value
            sent[model, "calls"] += 1
            sent[model, "input"] += attributes["gen_ai.usage.input_tokens"].int_value
            for part in ("cache_read", "cache_write"):
                tokens = attributes.get(f"gen_ai.usage.{part}.input_tokens", AnyValue())
                sent[model, part] += tokens.int_value
            sent[model, "output"] += attributes.get("gen_ai.usage.output_tokens", AnyValue()).int_value
    assert +sent == +billed


def test_app_says_whom_calls_are_for(receiver: OtlpReceiver) -> None:
    """Each span names its task, agent, team and user; the fixer's tool runs share one arguments hash."""
    names = ("spanledger.task", "spanledger.agent", "spanledger.team", "spanledger.user")
    identities = {tuple(span[name].string_value for name in names) for span in receiver.spans()}
    assert identities == {
        ("BUG-101", "fixer", "payments", "dana"),
        ("DOC-101", "reader", "research", "eli"),
        ("PR-101", "reviewer", "platform", "noor"),
        ("TICKET-101", "support", "helpdesk", "mia"),
    }
    runs = Counter(
        span["spanledger.tool.arguments.hash"].string_value
        for span in receiver.spans()
        if span.get("gen_ai.tool.name", AnyValue()).string_value == "run_tests"
    )
    assert list(runs.values()) == [40]


def test_missing_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an SDK the demo says which one is missing and what to install."""
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(DemoFailedError, match=r"need openai: pip install 'spanledger\[demo\]'"):
        run_app("http://127.0.0.1:9")


def test_failing_app() -> None:
    """An app that fails is reported with its exit code and what it said last."""
    with pytest.raises(DemoFailedError, match=r"(?s)exit code 2\n.*invalid int value: 'many'"):
        run_app("http://127.0.0.1:9", tasks_per_agent="many")  # type: ignore[arg-type]
