-- Roll-ups: calls of closed days in groups that no question tells apart, so that questions need not read each call.
-- They are made again from the ledger, a day at a time, never added to. A row of `calls` belongs to one day for good, as
-- the day is in its key, while late copies may move its hour: so days are what is rolled up and what is given up.

-- Which days are rolled up, and in which building of theirs. A day that is written to is given up first: a row with
-- built 0 and a stamp in the future, so that a building that had begun before the rows were there does not count.
CREATE TABLE IF NOT EXISTS rolled_day (
    day         Date,
    built       DateTime64(6, 'UTC'),
    usable_from DateTime64(6, 'UTC'),
    stamp       DateTime64(6, 'UTC')
) ENGINE = ReplacingMergeTree(stamp)
ORDER BY day;

-- One row an hour, run and whatever else questions group by or pick. A run is a task, or the trace of calls that name
-- none, by its hash. Sums are null where no call told the count, money is exact, and each duration is kept.
CREATE TABLE IF NOT EXISTS call_rollup (
    built                 DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    day                   Date CODEC(ZSTD(1)),
    hour                  DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    kind                  LowCardinality(String),
    status                LowCardinality(String),
    error_type            LowCardinality(String),
    service               LowCardinality(String),
    dialect               LowCardinality(String),
    provider              LowCardinality(String),
    operation             LowCardinality(String),
    request_model         LowCardinality(String),
    response_model        LowCardinality(String),
    usage_status          LowCardinality(String),
    price_status          LowCardinality(String),
    price_card_id         LowCardinality(String),
    price_band            UInt8 CODEC(ZSTD(1)),
    price_slot            UInt8 CODEC(ZSTD(1)),
    is_priced             Bool CODEC(ZSTD(1)),
    told_input            Bool CODEC(ZSTD(1)),
    tool_name             LowCardinality(String),
    run_key               UInt128 CODEC(ZSTD(1)),
    names_task            Bool CODEC(ZSTD(1)),
    task                  String CODEC(ZSTD(1)),
    agent                 LowCardinality(String),
    team                  LowCardinality(String),
    user                  String CODEC(ZSTD(1)),
    calls                 UInt64 CODEC(ZSTD(1)),
    input_tokens          Nullable(UInt64) CODEC(ZSTD(1)),
    cache_read_tokens     Nullable(UInt64) CODEC(ZSTD(1)),
    cache_write_tokens    Nullable(UInt64) CODEC(ZSTD(1)),
    cache_write_1h_tokens Nullable(UInt64) CODEC(ZSTD(1)),
    output_tokens         Nullable(UInt64) CODEC(ZSTD(1)),
    reasoning_tokens      Nullable(UInt64) CODEC(ZSTD(1)),
    known_tokens          Nullable(UInt64) CODEC(ZSTD(1)),
    cost_usd              Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
    calls_with_hits       UInt64 CODEC(ZSTD(1)),
    calls_without_tokens  UInt64 CODEC(ZSTD(1)),
    answering_ns          Int64 CODEC(ZSTD(1)),
    durations_ms          Array(Float64) CODEC(ZSTD(1)),
    ttfts_ms              Array(Float64) CODEC(ZSTD(1)),
    argument_keys         Array(UInt128) CODEC(ZSTD(1)),
    argument_calls        UInt64 CODEC(ZSTD(1)),
    first_started_at      DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    last_started_at       DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    last_ended_ns         Int64 CODEC(ZSTD(1)),
    INDEX idx_task task TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
PRIMARY KEY (day, kind)
ORDER BY (day, kind, agent, run_key, hour);

-- The calls from `since` until `until` in groups: roll-ups for whole hours of rolled days, single calls for the rest.
-- What is rolled up is asked once, so that no call is in both or in none. Rows are narrowed before FINAL by the day
-- alone, as a call's rows may differ in all else.
CREATE VIEW IF NOT EXISTS call_groups AS
WITH
    (
        SELECT groupArray((day, built))
        FROM rolled_day FINAL
        WHERE built > toDateTime64(0, 6, 'UTC') AND usable_from <= now64(6, 'UTC')
    ) AS rolled,
    arrayMap(one -> one.1, rolled) AS rolled_days
SELECT
    day, hour, kind, status, error_type, service, dialect, provider, operation, request_model, response_model,
    usage_status, price_status, price_card_id, price_band, price_slot, is_priced, told_input, tool_name, run_key,
    names_task, task, agent, team, user, calls, input_tokens, cache_read_tokens, cache_write_tokens,
    cache_write_1h_tokens, output_tokens, reasoning_tokens, known_tokens, cost_usd, calls_with_hits,
    calls_without_tokens, answering_ns, durations_ms, ttfts_ms, argument_keys, argument_calls, first_started_at,
    last_started_at, last_ended_ns
FROM call_rollup
WHERE (day, built) IN (SELECT arrayJoin(rolled))
  AND day >= toDate({since:DateTime64(9, 'UTC')})
  AND hour >= {since:DateTime64(9, 'UTC')} AND hour + INTERVAL 1 HOUR <= {until:DateTime64(9, 'UTC')}
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
    toUInt8(arrayCount(edge -> coalesce(c.input_tokens, 0) > edge, k.bands)) AS price_band,
    toUInt8(arrayCount(start -> toUnixTimestamp(c.started_at) % 86400 >= start, k.slots)) AS price_slot,
    isNotNull(c.cost_usd)::Bool AS is_priced,
    isNotNull(c.input_tokens)::Bool AS told_input,
    c.tool_name AS tool_name,
    reinterpretAsUInt128(if(c.task = '', sipHash128('trace', c.trace_id), sipHash128('task', c.task))) AS run_key,
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
    if(
        c.tool_arguments_hash = '', [], [reinterpretAsUInt128(sipHash128(run_key, c.tool_arguments_hash))]
    ) AS argument_keys,
    toUInt64(c.tool_arguments_hash != '') AS argument_calls,
    c.started_at AS first_started_at,
    c.started_at AS last_started_at,
    toUnixTimestamp64Nano(c.started_at) + toInt64(c.duration_ms * 1000000) AS last_ended_ns
FROM calls AS c FINAL
ANY LEFT JOIN (
    SELECT card_id, bands, slots FROM price_card WHERE notEmpty(bands) OR notEmpty(slots)
) AS k ON c.price_card_id = k.card_id
PREWHERE toDate(c.started_at) NOT IN (SELECT arrayJoin(rolled_days))
    OR toDate(c.started_at) = toDate({since:DateTime64(9, 'UTC')})
        AND toUnixTimestamp64Nano({since:DateTime64(9, 'UTC')}) % 3600000000000 != 0
    OR toDate(c.started_at) = toDate({until:DateTime64(9, 'UTC')})
        AND toUnixTimestamp64Nano({until:DateTime64(9, 'UTC')}) % 3600000000000 != 0
WHERE c.started_at >= {since:DateTime64(9, 'UTC')} AND c.started_at < {until:DateTime64(9, 'UTC')}
  AND (
      toDate(c.started_at) NOT IN (SELECT arrayJoin(rolled_days))
      OR toStartOfHour(c.started_at) < {since:DateTime64(9, 'UTC')}
      OR toStartOfHour(c.started_at) + INTERVAL 1 HOUR > {until:DateTime64(9, 'UTC')}
  );
