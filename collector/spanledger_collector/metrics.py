"""What the collector tells of itself, for Prometheus; names in the habit of the OpenTelemetry Collector."""

from prometheus_client import Counter, Histogram

ACCEPTED_SPANS = Counter("spanledger_receiver_accepted_spans", "Spans that are in the store")
REFUSED_SPANS = Counter("spanledger_receiver_refused_spans", "Spans that were not taken; their senders were told")
IGNORED_REQUESTS = Counter(
    "spanledger_receiver_ignored_requests", "Requests of signals that carry nothing to the ledger", ["signal"]
)
BATCH_SECONDS = Histogram("spanledger_batch_duration_seconds", "From a full batch to its rows in the store")
