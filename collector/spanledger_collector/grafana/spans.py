"""Statements on ``otel_traces``, which no question of the ledger asks: a trace to look at, and how spans arrive."""

TRACE = """\
SELECT
    TraceId AS traceID,
    SpanId AS spanID,
    ParentSpanId AS parentSpanID,
    ServiceName AS serviceName,
    SpanName AS operationName,
    toUnixTimestamp64Nano(Timestamp) / 1000000 AS startTime,
    Duration / 1000000 AS duration,
    arrayMap((name, value) -> map('key', name, 'value', value), mapKeys(SpanAttributes), mapValues(SpanAttributes))
        AS tags,
    arrayMap(
        (name, value) -> map('key', name, 'value', value), mapKeys(ResourceAttributes), mapValues(ResourceAttributes)
    ) AS serviceTags,
    if(StatusCode IN ('Error', 'STATUS_CODE_ERROR'), 2, 0) AS statusCode,
    StatusMessage AS statusMessage,
    SpanKind AS kind,
    TraceState AS traceState
FROM otel_traces FINAL
WHERE TraceId = ${trace:singlequote} AND TraceId != ''
ORDER BY startTime
LIMIT 5000"""
"""Grafana's trace view: times in milliseconds, attributes as lists of key and value."""

ARRIVING = """\
SELECT $__timeInterval(IngestedAt) AS time, toFloat64(count()) AS spans
FROM otel_traces
WHERE $__timeFilter(IngestedAt)
GROUP BY time
ORDER BY time"""

DELAY = """\
SELECT
    $__timeInterval(IngestedAt) AS time,
    quantile(0.5)(greatest(toUnixTimestamp(IngestedAt) - toUnixTimestamp64Nano(Timestamp) / 1e9 - Duration / 1e9, 0))
        AS p50_s,
    quantile(0.95)(greatest(toUnixTimestamp(IngestedAt) - toUnixTimestamp64Nano(Timestamp) / 1e9 - Duration / 1e9, 0))
        AS p95_s
FROM otel_traces
WHERE $__timeFilter(IngestedAt)
GROUP BY time
ORDER BY time"""
"""From the end of a span to its row, in seconds; arrival is known to the second."""

TABLES = """\
SELECT
    p.table AS table,
    sum(p.rows) AS rows,
    count() AS parts,
    sum(p.bytes_on_disk) AS bytes_on_disk,
    round(sum(p.bytes_on_disk) / greatest(sum(p.rows), 1), 1) AS bytes_per_row
FROM system.parts AS p
WHERE p.active AND p.database = currentDatabase()
GROUP BY table
ORDER BY bytes_on_disk DESC"""

SILENCE = """\
SELECT toFloat64(count()) AS spans
FROM otel_traces
WHERE $__timeFilter(IngestedAt)"""
