"""How spans leave: by OTLP over HTTP, for the collector on this machine or where the ``OTEL_*`` variables say."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from requests.adapters import HTTPAdapter

from spanledger.encoding import encode
from spanledger.fork import INSTANCE_ID, ProcessResource, follow_forks
from spanledger.guard import logger, report_once

DEFAULT_ENDPOINT = "http://127.0.0.1:4318/v1/traces"
"""An address, not ``localhost``: that name costs a failed attempt where it means ``::1`` first."""

EXIT_WAIT_MS = 2000
"""How long a program that ends waits for its last spans to leave, at most."""

PROBE_S = 0.2
"""How long a look whether anybody listens on this machine may take, at most."""

SELF_METRICS = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"

CREDENTIALS = "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER"


def make_provider() -> TracerProvider:
    """Make a provider as the ``OTEL_*`` variables say; without them it sends to this machine's collector."""
    provider = TracerProvider(resource=_resource())
    for name in os.environ.get("OTEL_TRACES_EXPORTER", "otlp").split(","):
        if processor := _processor(name.strip()):
            provider.add_span_processor(processor)
    return provider


class LedgerExporter(OTLPSpanExporter):
    """OTLP over HTTP; a collector that is down is said once, until it has answered again."""

    def __init__(self, endpoint: str | None = None) -> None:
        # A session that the environment names is that variable's business, its connections too.
        self._own_session = None if CREDENTIALS in os.environ else requests.Session()
        self._parents_connections: list[object] = []
        super().__init__(endpoint=endpoint, session=self._own_session)
        self.has_unsent = False
        """Whether spans have ended since the last that were sent."""
        self._said = False
        # The SDK says each failed attempt of each batch.
        logging.getLogger(OTLPSpanExporter.__module__).addFilter(lambda _record: False)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send ``spans``; those that cannot be sent are dropped."""
        result = self._send(spans)
        if result is None:
            result = super().export(spans)
        if result is SpanExportResult.SUCCESS:
            self._said = self.has_unsent = False
        else:
            self._say_once()
        return result

    def shutdown(self) -> None:
        """Stop sending, also in the midst of trying."""
        super().shutdown()  # type: ignore[no-untyped-call]
        if self.has_unsent:
            self._say_once()

    def begin_child(self) -> None:
        """Use connections of this process's own from now on; the parent still speaks over those that are open.

        They are kept unused: closing them needs locks that a thread of the parent may hold for ever.
        """
        self.has_unsent = False
        if self._own_session is not None:
            self._parents_connections.append(dict(self._own_session.adapters))
            for scheme in self._own_session.adapters:
                self._own_session.adapters[scheme] = HTTPAdapter()

    def nobody_listens(self) -> bool:
        """Whether this machine itself says that the endpoint is closed, so that no waiting helps."""
        address = urlsplit(self._endpoint)
        if address.hostname not in ("127.0.0.1", "::1", "localhost"):
            return False
        try:
            socket.create_connection((address.hostname, address.port or 80), PROBE_S).close()
        except OSError as error:
            return isinstance(error, ConnectionRefusedError)
        return False

    def _send(self, spans: Sequence[ReadableSpan]) -> SpanExportResult | None:
        """Send ``spans`` in bytes of our own, or give None where the SDK has to write and send them.

        That is so in versions that have no such client, where they measure themselves, and for what is too large.
        """
        client: Any = getattr(self, "_client", None)
        if self._shutdown or not hasattr(client, "export") or os.environ.get(SELF_METRICS):
            return None
        try:
            data = encode(spans)
        except Exception as error:
            report_once(error)
            return None
        largest_bytes = getattr(self, "_max_request_size", None)
        if largest_bytes and len(data) > largest_bytes:
            return None
        return SpanExportResult.SUCCESS if client.export(data).success else SpanExportResult.FAILURE

    def _say_once(self) -> None:
        if not self._said:
            self._said = True
            logger.warning(
                "no collector takes spans at %s; they are dropped until one does. Start one with "
                "`spanledger serve`, or name another with OTEL_EXPORTER_OTLP_ENDPOINT. "
                "The application is not affected.",
                self._endpoint,
            )


class LedgerProcessor(BatchSpanProcessor):
    """Batches spans; at exit it waits :data:`EXIT_WAIT_MS` for the last of them, not the SDK's 30 seconds."""

    def __init__(self, exporter: LedgerExporter) -> None:
        super().__init__(exporter)
        self._exporter = exporter
        follow_forks(self)

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that has ended."""
        super().on_end(span)
        self._exporter.has_unsent = True

    def begin_child(self) -> None:
        """The SDK starts the thread anew, without the parent's spans; the rest is the exporter's."""
        self._exporter.begin_child()

    def shutdown(self) -> None:
        """Send what is left, as long as that makes sense and the wait allows; then let the exporter go."""
        hopeless = self._exporter.has_unsent and self._exporter.nobody_listens()
        self._batch_processor.shutdown(timeout_millis=0 if hopeless else EXIT_WAIT_MS)


def _processor(exporter_name: str) -> SpanProcessor | None:
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
    )
    if exporter_name in ("none", ""):
        return None
    if exporter_name == "otlp" and protocol == "http/protobuf":
        named = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        return LedgerProcessor(LedgerExporter(None if named else DEFAULT_ENDPOINT))
    entry = "otlp_proto_grpc" if exporter_name == "otlp" else exporter_name
    found = list(entry_points(group="opentelemetry_traces_exporter", name=entry))
    if not found:
        logger.warning("no exporter %r is installed (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_PROTOCOL)", exporter_name)
        return None
    return BatchSpanProcessor(found[0].load()())


def _resource() -> Resource:
    resource = Resource.create()
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": _script_name()}))
    is_named = INSTANCE_ID in OTELResourceDetector().detect().attributes
    return resource if is_named else ProcessResource(resource.attributes, resource.schema_url)


def _script_name() -> str:
    """Give the name of what runs: the script, or the package behind ``python -m``."""
    script = Path(sys.argv[0] if sys.argv else "")
    if script.name == "-m":
        # So it is until the module has been found, which `spanledger run` comes before.
        module = sys.orig_argv[sys.orig_argv.index("-m") + 1]
        return module.removesuffix(".__main__").rpartition(".")[2]
    if script.name == "__main__.py":
        script = script.parent
    return script.stem if script.stem not in ("", "-c", "-") else "python"
