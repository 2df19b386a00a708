-- Roll-ups: calls of closed days and hours in groups that no question tells apart, so that questions need not read each
-- call. They are made again from the ledger, a day or an hour at a time, never added to. A row of `calls` belongs to one
-- hour for good, as the hour is in its key. Hours are for today, and for days of the last month that the time cuts.

-- Which days and hours are rolled up, and in which building of theirs. What is written to is given up first: a row with
-- built 0 and a stamp in the future, so that a building that had begun before the rows were there does not count.
-- `subject` is calls or waste, as what is wasted in an hour is judged by those around it, too.
CREATE TABLE IF NOT EXISTS rolled_period (
    subject     LowCardinality(String),
    day         Date,
    hour        UInt8, -- 0 to 23: that hour alone; 24: the day as a whole
    built       DateTime64(6, 'UTC'),
    usable_from DateTime64(6, 'UTC'),
    stamp       DateTime64(6, 'UTC')
) ENGINE = ReplacingMergeTree(stamp)
ORDER BY (subject, day, hour)
TTL day + INTERVAL 35 DAY DELETE WHERE hour < 24;

-- Each rolled day or hour in two grains. `run`: one row an hour, run and whatever else questions group by or pick; a run is a
-- task, or the trace of calls that name none, by its hash. `day`: the same without hour, run, task and user, far fewer rows,
-- as most questions ask for none of them. Sums are null where no call told the count, money is exact, each duration is kept.
-- Hours stand in partitions of their own, and go after a month.
CREATE TABLE IF NOT EXISTS call_rollup (
    built                 DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    grain                 LowCardinality(String),
    day                   Date CODEC(ZSTD(1)),
    rolled_hour           UInt8, -- as in rolled_period
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
    run_keys              Array(UInt128) CODEC(ZSTD(1)),
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
    argument_keys         Array(UInt64) CODEC(ZSTD(1)),
    argument_calls        UInt64 CODEC(ZSTD(1)),
    first_started_at      DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    last_started_at       DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    last_ended_ns         Int64 CODEC(ZSTD(1)),
    INDEX idx_task task TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY (rolled_hour = 24, toYYYYMM(day))
PRIMARY KEY (grain, day, kind)
ORDER BY (grain, day, kind, agent, run_keys, hour);

-- One row a day, run and who it was for: what questions of tasks ask for.
CREATE TABLE IF NOT EXISTS run_rollup (
    built             DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    day               Date CODEC(ZSTD(1)),
    rolled_hour       UInt8, -- as in rolled_period
    run_key           UInt128 CODEC(ZSTD(1)),
    names_task        Bool CODEC(ZSTD(1)),
    task              String CODEC(ZSTD(1)),
    agent             LowCardinality(String),
    team              LowCardinality(String),
    user              String CODEC(ZSTD(1)),
    calls             UInt64 CODEC(ZSTD(1)),
    llm_calls         UInt64 CODEC(ZSTD(1)),
    embedding_calls   UInt64 CODEC(ZSTD(1)),
    tool_calls        UInt64 CODEC(ZSTD(1)),
    failed_calls      UInt64 CODEC(ZSTD(1)),
    tool_errors       UInt64 CODEC(ZSTD(1)),
    priced_calls      UInt64 CODEC(ZSTD(1)),
    input_tokens      Nullable(UInt64) CODEC(ZSTD(1)),
    cache_read_tokens Nullable(UInt64) CODEC(ZSTD(1)),
    output_tokens     Nullable(UInt64) CODEC(ZSTD(1)),
    cost_usd          Nullable(Decimal(38, 12)) CODEC(ZSTD(1)),
    unpriced_calls    UInt64 CODEC(ZSTD(1)),
    unpriced_tokens   Nullable(UInt64) CODEC(ZSTD(1)),
    first_started_at  DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    last_ended_ns     Int64 CODEC(ZSTD(1)),
    INDEX idx_task task TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY (rolled_hour = 24, toYYYYMM(day))
ORDER BY (day, agent, run_key);
