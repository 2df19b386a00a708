-- The calls from `since` until `until` in groups that no question tells apart: roll-ups of whole days and hours, single calls
-- for the rest: the hour that runs, what the time cuts, what was just written to. Of the two `grain`s of roll-ups, `run` tells
-- hours, tasks and users apart, `day` does not. What is rolled up is asked once, so that no call is in both or in none. Rows
-- of `calls` are narrowed before FINAL by day and hour alone, as those of one call may differ in all else.
WITH
    (
        SELECT (
            groupArrayIf(r.day, r.hour = 24), groupArrayIf((r.day, r.hour), r.hour < 24), groupArray((r.day, r.built))
        )
        FROM rolled_periods() AS r
    ) AS rolled,
    (
        SELECT (groupArray(p.card_id), groupArray(p.bands), groupArray(p.slots))
        FROM (SELECT DISTINCT card_id, bands, slots FROM price_card WHERE notEmpty(bands) OR notEmpty(slots)) AS p
    ) AS cards,
    transform(c.price_card_id, cards.1, arrayEnumerate(cards.1), 0) AS card,
    reinterpretAsUInt128(if(c.task = '', sipHash128('trace', c.trace_id), sipHash128('task', c.task))) AS run_key
SELECT
    day,
    hour,
    kind,
    status,
    error_type,
    service,
    dialect,
    provider,
    operation,
    request_model,
    response_model,
    usage_status,
    price_status,
    price_card_id,
    price_band,
    price_slot,
    is_priced,
    told_input,
    tool_name,
    run_keys,
    names_task,
    task,
    agent,
    team,
    user,
    calls,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    cache_write_1h_tokens,
    output_tokens,
    reasoning_tokens,
    known_tokens,
    cost_usd,
    calls_with_hits,
    calls_without_tokens,
    answering_ns,
    durations_ms,
    ttfts_ms,
    argument_keys,
    argument_calls,
    first_started_at,
    last_started_at,
    last_ended_ns
FROM call_rollup
WHERE grain = {grain} AND (day, built) IN (SELECT arrayJoin(rolled.3))
UNION ALL
SELECT
    toDate(c.started_at) AS day,
    toStartOfHour(c.started_at) AS hour,
    c.kind AS kind,
    c.status AS status,
    c.error_type AS error_type,
    c.service AS service,
    c.dialect AS dialect,
    c.provider AS provider,
    c.operation AS operation,
    c.request_model AS request_model,
    c.response_model AS response_model,
    c.usage_status AS usage_status,
    c.price_status AS price_status,
    toLowCardinality(c.price_card_id) AS price_card_id,
    toUInt8(arrayCount(edge -> coalesce(c.input_tokens, 0) > edge, cards.2[card])) AS price_band,
    toUInt8(arrayCount(start -> toUnixTimestamp(c.started_at) % 86400 >= start, cards.3[card])) AS price_slot,
    isNotNull(c.cost_usd)::Bool AS is_priced,
    isNotNull(c.input_tokens)::Bool AS told_input,
    c.tool_name AS tool_name,
    [run_key] AS run_keys,
    (c.task != '')::Bool AS names_task,
    c.task AS task,
    c.agent AS agent,
    c.team AS team,
    c.user AS user,
    toUInt64(1) AS calls,
    c.input_tokens AS input_tokens,
    c.cache_read_tokens AS cache_read_tokens,
    c.cache_write_tokens AS cache_write_tokens,
    c.cache_write_1h_tokens AS cache_write_1h_tokens,
    c.output_tokens AS output_tokens,
    c.reasoning_tokens AS reasoning_tokens,
    coalesce(c.input_tokens + c.output_tokens, c.input_tokens, c.output_tokens) AS known_tokens,
    c.cost_usd::Nullable(Decimal(38, 12)) AS cost_usd,
    toUInt64(coalesce(c.cache_read_tokens, 0) > 0) AS calls_with_hits,
    toUInt64(isNull(c.input_tokens) AND isNull(c.output_tokens)) AS calls_without_tokens,
    if(isNull(c.output_tokens), 0, toInt64(round(c.duration_ms * 1000000))) AS answering_ns,
    [c.duration_ms] AS durations_ms,
    if(isNull(c.ttft_ms), emptyArrayFloat64(), [assumeNotNull(c.ttft_ms)]) AS ttfts_ms,
    if(c.tool_arguments_hash = '', [], [sipHash64(run_key, c.tool_arguments_hash)]) AS argument_keys,
    toUInt64(c.tool_arguments_hash != '') AS argument_calls,
    c.started_at AS first_started_at,
    c.started_at AS last_started_at,
    toUnixTimestamp64Nano(c.started_at) + toInt64(c.duration_ms * 1000000) AS last_ended_ns
FROM calls AS c FINAL
PREWHERE toDate(c.started_at) NOT IN (SELECT arrayJoin(rolled.1))
    AND (toDate(c.started_at), toHour(c.started_at)) NOT IN (SELECT arrayJoin(rolled.2))
WHERE c.started_at >= {since:DateTime64(9, 'UTC')} AND c.started_at < {until:DateTime64(9, 'UTC')}
