-- title: Trace
-- purpose: Which spans does a trace have, and which of them are calls of the ledger?
-- grain: one row a span of the trace that is asked for, oldest first; none without one
-- parameters:
--   trace_id  String  ''  the trace, in hex
-- columns:
--   span_id         name  the span
--   parent_span_id  name  the span above it; '' for a root
--   name            name  as the emitter named the span
--   service         name  service.name of the emitter
--   span_kind       name  Internal, Client, Server, ...
--   started_at      time  ISO 8601, UTC, nanoseconds
--   offset_ms       ms    start of the first span to the start of this one
--   duration_ms     ms    start to end
--   status          name  ok or error
--   status_message  name  what the emitter said of an error
--   call_id         name  the ledger's call that this span tells most of; '' for none
--   cost_usd        USD   cost of that call; null where it is not known, or the span is none
-- chart: table
-- table:
--   offset_ms duration_ms service name span_kind status cost_usd
SELECT
    s.SpanId AS span_id,
    s.ParentSpanId AS parent_span_id,
    s.SpanName AS name,
    s.ServiceName AS service,
    s.SpanKind AS span_kind,
    concat(replaceOne(toString(s.Timestamp, 'UTC'), ' ', 'T'), 'Z') AS started_at,
    (toUnixTimestamp64Nano(s.Timestamp) - min(toUnixTimestamp64Nano(s.Timestamp)) OVER ()) / 1000000 AS offset_ms,
    s.Duration / 1000000 AS duration_ms,
    if(s.StatusCode IN ('Error', 'STATUS_CODE_ERROR'), 'error', 'ok') AS status,
    s.StatusMessage AS status_message,
    k.call_id AS call_id,
    k.cost_usd AS cost_usd
FROM (SELECT * FROM otel_traces FINAL WHERE TraceId = {trace_id:String} AND TraceId != '') AS s
LEFT JOIN (
    SELECT c.span_id AS span_id, any(c.call_id) AS call_id, toNullable(any(c.cost_usd)) AS cost_usd
    FROM calls AS c FINAL
    WHERE c.trace_id = {trace_id:String}
    GROUP BY span_id
) AS k ON s.SpanId = k.span_id
ORDER BY s.Timestamp, span_id
