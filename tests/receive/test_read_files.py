"""OTLP trace files of every form, and garbage of every form."""

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.errors import BadInputError
from spanledger_collector.receive import files
from spanledger_collector.receive.files import ACCEPTED_FORMATS, read_requests
from spanledger_collector.receive.otlp_json import to_json

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MakeRequest = Callable[..., ExportTraceServiceRequest]


@pytest.fixture
def request_a(make_request: MakeRequest) -> ExportTraceServiceRequest:
    """One request."""
    return make_request((b"\x0a" * 16, b"\x02" * 8), name="first\nline")


@pytest.fixture
def request_b(make_request: MakeRequest) -> ExportTraceServiceRequest:
    """Another request."""
    return make_request((b"\x0b" * 16, b"\x02" * 8), name="é")


FORMS: dict[str, Callable[[ExportTraceServiceRequest, ExportTraceServiceRequest], tuple[bytes, int]]] = {
    "t.bin": lambda a, b: (a.SerializeToString(), 1),
    "t.pb": lambda a, b: (a.SerializeToString() + b.SerializeToString(), 0),
    "t.json": lambda a, b: (to_json(a), 1),
    "pretty.json": lambda a, b: (json.dumps(json.loads(to_json(a)), indent=2).encode(), 1),
    "bom.json": lambda a, b: (b"\xef\xbb\xbf" + to_json(a), 1),
    "t.jsonl": lambda a, b: (to_json(a) + b"\n" + to_json(b) + b"\n", 2),
    "gaps.jsonl": lambda a, b: (b"\n \r\n" + to_json(a) + b"\r\n\n" + to_json(b), 2),
    "wrong-name.bin": lambda a, b: (to_json(a) + b"\n" + to_json(b), 2),
    "wrong-name.json": lambda a, b: (a.SerializeToString(), 1),
}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstd.compress,
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(
    form: str,
    compression: str,
    tmp_path: Path,
    request_a: ExportTraceServiceRequest,
    request_b: ExportTraceServiceRequest,
) -> None:
    """Protobuf, JSON and JSON lines, plain and compressed, give the requests in order, whatever the name."""
    content, expected = FORMS[form](request_a, request_b)
    file = tmp_path / f"{form}{compression}"
    file.write_bytes(COMPRESSIONS[compression](content))
    received = list(read_requests(file))
    merged = ExportTraceServiceRequest()  # protobuf messages that are joined in a file are one message
    merged.MergeFrom(request_a)
    merged.MergeFrom(request_b)
    assert [r.body for r in received] == ([request_a, request_b][:expected] or [merged])
    assert {r.signal for r in received} == {"traces"}
    assert all(r.size_bytes <= len(content) for r in received)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_standard_input_is_read_through_a_pipe(
    compression: str, request_a: ExportTraceServiceRequest, request_b: ExportTraceServiceRequest
) -> None:
    """``-`` reads what is piped in, and finds out by its content what that is, though it comes in drops."""
    program = (
        "from spanledger_collector.receive.files import read_requests\n"
        "for received in read_requests('-'):\n"
        "    print(received.body.resource_spans[0].scope_spans[0].spans[0].trace_id.hex())"
    )
    content = COMPRESSIONS[compression](to_json(request_a) + b"\n" + to_json(request_b))
    reader = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert reader.stdin
    reader.stdin.write(content[:1])
    printed, _ = reader.communicate(content[1:])
    assert printed.decode().split() == ["0a" * 16, "0b" * 16]


def test_json_lines_are_read_one_at_a_time(
    request_a: ExportTraceServiceRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of many lines is yielded while it is read: memory holds a line, not the file."""
    line = to_json(request_a) + b"\n"
    consumed = []

    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:
            consumed.append(len(line))
            buffer[: len(line)] = line
            return len(line)

    class StandardInput:
        buffer = io.BufferedReader(Endless(), buffer_size=len(line))

    monkeypatch.setattr(sys, "stdin", StandardInput())
    requests = read_requests("-")
    assert [next(requests).body for _ in range(1000)] == [request_a] * 1000
    assert sum(consumed) < 1000 * len(line) + 100_000


def log_request() -> ExportLogsServiceRequest:
    """A request of another signal."""
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1).body.string_value = "hello"
    return logs


def metric_request() -> ExportMetricsServiceRequest:
    """A request of another signal."""
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="gen_ai.client.token.usage")
    metric.sum.data_points.add(as_int=5)
    return metrics


GARBAGE: dict[str, tuple[bytes, str]] = {
    "empty.bin": (b"", "is empty"),
    "empty.jsonl.gz": (gzip.compress(b""), "is empty"),
    "blank.json": (b"\n \n", "holds white space only"),
    "random.bin": (bytes(range(256)) * 9, "is no OTLP"),
    "unknown-fields.bin": (b"\x7a\x03abc" * 9 + b"\x78\x01", "is no OTLP"),
    "no-ids.pb": (b"\x0a\x08\x12\x06\x12\x04\x2a\x02hi", "no span with valid ids"),
    "truncated.gz": (gzip.compress(bytes(9999))[:-9], "broken or truncated gzip"),
    "truncated.zst": (zstd.compress(b"{} " * 999)[:-5], "broken or truncated zstd"),
    "prose.txt": (b"my secret prompt\nand more", "no JSON: Expecting value (column 1)"),
    "broken.json": (b'{\n  "resourceSpans": [\n    secret', "no JSON: Expecting value (line 3 column 5)"),
    "list.json": (b"[]", "an array at the top level"),
    "other.json": (b'{"secret": []}', "there is no resourceSpans at its top level"),
    "nothing.json": (b'{"resourceSpans": []}', "it holds nothing"),
    "misfit.json": (b'{"resourceSpans": [{"schemaUrl": 5}]}', "resourceSpans[0].schemaUrl must be a string"),
    "metrics.bin": (metric_request().SerializeToString(), "holds OTLP metrics"),
    "metrics.jsonl": (to_json(metric_request()), "holds OTLP metrics"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_named_with_its_reason(name: str, tmp_path: Path) -> None:
    """What holds no OTLP traces is an error with its name, the reason and the formats, and is not quoted."""
    content, reason = GARBAGE[name]
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        list(read_requests(file))
    assert str(caught.value).startswith(f"{file}: ")
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)
    assert ACCEPTED_FORMATS in str(caught.value)


@pytest.mark.parametrize("emitter", ["claude_cli", "gemini_cli"])
def test_logs_of_real_emitters_are_recognised(emitter: str, corpus: Path) -> None:
    """Real log files are told apart from traces, though the wire does not say what they are."""
    files = sorted((corpus / emitter / "logs").iterdir())
    assert files
    assert {received.signal for file in files for received in read_requests(file)} == {"logs"}


@pytest.mark.parametrize("form", ["logs.bin", "logs.json"])
def test_logs_are_read_as_logs(form: str, tmp_path: Path) -> None:
    """A file of log records is a request of that signal, in both forms."""
    request = log_request()
    (tmp_path / form).write_bytes(to_json(request) if form.endswith("json") else request.SerializeToString())
    [received] = read_requests(tmp_path / form)
    assert (received.signal, received.body, received.spans) == ("logs", request, 0)


def test_every_trace_file_of_the_corpus_is_read(corpus: Path) -> None:
    """Whatever a real emitter sent is read as one request with all of its bytes."""
    trace_files = sorted(corpus.glob("*/traces-*"))
    assert len(trace_files) > 20
    for file in trace_files:
        [received] = read_requests(file)
        assert received.size_bytes == file.stat().st_size


def test_a_broken_line_is_named_after_the_good_ones(tmp_path: Path, request_a: ExportTraceServiceRequest) -> None:
    """Lines before a broken one are yielded; the error then names the line."""
    file = tmp_path / "cut.jsonl"
    line = to_json(request_a)
    file.write_bytes(line + b"\n\n" + line + b"\n" + line[:40])
    requests = read_requests(file)
    assert [next(requests).body, next(requests).body] == [request_a, request_a]
    with pytest.raises(BadInputError, match=r"cut\.jsonl: line 4: no JSON: Unterminated string"):
        next(requests)


def test_a_missing_file_and_a_directory_are_told(tmp_path: Path) -> None:
    """What cannot be opened is bad input with the reason of the operating system."""
    for path, reason in ((tmp_path / "none.bin", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(BadInputError, match=f"cannot be read .{reason}"):
            list(read_requests(path))


def test_a_request_over_the_limit_is_refused(
    tmp_path: Path, request_a: ExportTraceServiceRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single request that would fill the memory is refused, compressed or not; the limit is per line."""
    line = to_json(request_a) + b"\n"
    monkeypatch.setattr(files, "MAX_REQUEST_BYTES", len(line))
    file = tmp_path / "lines.jsonl"
    file.write_bytes(line * 3)
    assert len(list(read_requests(file))) == 3
    file.write_bytes(gzip.compress(line + b" " + line))
    with pytest.raises(BadInputError, match="larger than the limit"):
        list(read_requests(file))
