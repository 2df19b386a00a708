"""What the collector tells of itself, for Prometheus; names in the habit of the OpenTelemetry Collector.

docs/metrics.md says what each is for. Labels are words of ours: nothing that a client sends becomes one.
"""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

_ITEMS = {"traces": "spans", "logs": "log_records", "metrics": "metric_points"}
_FATES = {
    "accepted": "that are on disk; success was told",
    "refused": "not taken now; their senders were told to try again",
    "failed": "refused or rejected for good",
    "ignored": "that lead to no ledger: success was told, and they were not kept",
}
RECEIVED = {
    signal: {
        fate: Counter(
            f"spanledger_receiver_{fate}_{items}", f"{items.replace('_', ' ').capitalize()} {what}", ["transport"]
        )
        for fate, what in _FATES.items()
        # Every span is kept.
        if (signal, fate) != ("traces", "ignored")
    }
    for signal, items in _ITEMS.items()
}
"""What became of what a request held, by signal and fate."""
FAILED_REQUESTS = Counter(
    "spanledger_receiver_failed_requests", "Requests refused before their spans were known, by HTTP status", ["status"]
)
RECEIVE_SECONDS = Histogram(
    "spanledger_receiver_duration_seconds", "From a parsed request to its answer", ["transport"], buckets=_SECONDS
)
LIMITS_HIT = Counter("spanledger_receiver_limits_hit", "What was over a limit and was cut or rejected", ["limit"])
REDACTED_VALUES = Counter("spanledger_receiver_redacted_values", "Values that a redaction rule changed or dropped")

ACCEPTED_SPANS = Counter("spanledger_journal_written_spans", "Spans that are on disk")
REFUSED_SPANS = Counter("spanledger_journal_refused_spans", "Spans for which the journal had no room")
JOURNAL_REQUESTS = Gauge("spanledger_journal_requests", "Requests that wait for the store")
JOURNAL_SPANS = Gauge("spanledger_journal_spans", "Spans that wait for the store")
JOURNAL_BYTES = Gauge("spanledger_journal_bytes", "Bytes that wait for the store")
JOURNAL_LAG_SECONDS = Gauge("spanledger_journal_lag_seconds", "Age of the oldest request that waits; 0 where none does")
DEAD_LETTER_REQUESTS = Counter("spanledger_dead_letter_requests", "Requests that can never be processed, kept as files")
DEAD_LETTER_SPANS = Counter("spanledger_dead_letter_spans", "Spans in these requests")

BATCH_SECONDS = Histogram(
    "spanledger_batch_duration_seconds", "From a full batch to its rows in the store", buckets=_SECONDS
)
PROCESSED_SPANS = Counter("spanledger_pipeline_processed_spans", "Spans that the store has")
WRITTEN_CALLS = Counter("spanledger_pipeline_written_calls", "Ledger rows made or rewritten")
UNPRICED_CALLS = Counter(
    "spanledger_pipeline_unpriced_calls", "Ledger rows written without a cost, by price status", ["price_status"]
)
MERGED_DUPLICATES = Counter("spanledger_pipeline_merged_duplicates", "Copies found to be of a call that has its row")

FORWARD_SENT_REQUESTS = Counter("spanledger_forward_sent_requests", "Requests that the forward target took")
FORWARD_SENT_SPANS = Counter("spanledger_forward_sent_spans", "Spans that the forward target took")
FORWARD_REFUSED_REQUESTS = Counter(
    "spanledger_forward_refused_requests", "Requests that the forward target will never take, dropped"
)
FORWARD_REFUSED_SPANS = Counter(
    "spanledger_forward_refused_spans", "Spans in these requests, and spans that it rejected of others"
)
FORWARD_GIVEN_UP_REQUESTS = Counter(
    "spanledger_forward_given_up_requests", "Requests that waited too long for the forward target, or were too many"
)
FORWARD_GIVEN_UP_SPANS = Counter("spanledger_forward_given_up_spans", "Spans in these requests")
FORWARD_REQUESTS = Gauge("spanledger_forward_requests", "Requests that wait for the forward target")
FORWARD_BYTES = Gauge("spanledger_forward_bytes", "Bytes that wait for the forward target")
FORWARD_LAG_SECONDS = Gauge("spanledger_forward_lag_seconds", "Age of the oldest of these; 0 where none waits")
