-- The ledger. One grain: the call. Narrow on purpose: no Map, money as Decimal, low-cardinality names.
-- A call's row is rewritten when another copy of it arrives; `version` grows with the number of facts that made the
-- row, so that a poorer row never replaces a richer one, whatever the order of arrival. Read with FINAL.
-- The hour is in the sorting key for range scans; a row whose hour changes leaves a deleted row under its old hour.
CREATE TABLE IF NOT EXISTS calls (
    call_id               String CODEC(ZSTD(1)),
    kind                  LowCardinality(String),
    trace_id              String CODEC(ZSTD(1)),
    span_id               String CODEC(ZSTD(1)),
    started_at            DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    duration_ms           Float64 CODEC(ZSTD(1)),
    ttft_ms               Nullable(Float64) CODEC(ZSTD(1)),
    status                LowCardinality(String),
    error_type            LowCardinality(String),
    service               LowCardinality(String),
    dialect               LowCardinality(String),
    provider              LowCardinality(String),
    operation             LowCardinality(String),
    request_model         LowCardinality(String),
    response_model        LowCardinality(String),
    response_id           String CODEC(ZSTD(1)),
    stream                Bool,
    input_tokens          Nullable(UInt64) CODEC(ZSTD(1)),
    cache_read_tokens     Nullable(UInt64) CODEC(ZSTD(1)),
    cache_write_tokens    Nullable(UInt64) CODEC(ZSTD(1)),
    cache_write_1h_tokens Nullable(UInt64) CODEC(ZSTD(1)),
    output_tokens         Nullable(UInt64) CODEC(ZSTD(1)),
    reasoning_tokens      Nullable(UInt64) CODEC(ZSTD(1)),
    usage_status          LowCardinality(String),
    cost_usd              Nullable(Decimal(18, 12)) CODEC(ZSTD(1)),
    reported_cost_usd     Nullable(Decimal(18, 12)) CODEC(ZSTD(1)),
    price_status          LowCardinality(String),
    price_card_id         String CODEC(ZSTD(1)),
    service_tier          LowCardinality(String),
    tool_name             LowCardinality(String),
    tool_call_id          String CODEC(ZSTD(1)),
    tool_arguments_hash   String CODEC(ZSTD(1)),
    task                  String CODEC(ZSTD(1)),
    agent                 LowCardinality(String),
    team                  LowCardinality(String),
    user                  String CODEC(ZSTD(1)),
    session               String CODEC(ZSTD(1)),
    version               UInt64,
    is_deleted            UInt8,
    INDEX idx_task task TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_trace_id trace_id TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(started_at)
ORDER BY (toDate(started_at), toHour(started_at), call_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- What each span said of a call: the evidence from which `calls` can be made again. Variants of one span (a retry
-- that differs) are kept side by side; the merge chooses among them, so that the choice does not depend on arrival.
-- Their time to live runs from when they were recorded: old traces that are imported late can be merged like new ones.
CREATE TABLE IF NOT EXISTS facts (
    trace_id              String CODEC(ZSTD(1)),
    span_id               String CODEC(ZSTD(1)),
    parent_span_id        String CODEC(ZSTD(1)),
    started_at            DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    ended_at              DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    service               LowCardinality(String),
    instance              String CODEC(ZSTD(1)),
    scope                 LowCardinality(String),
    dialect               LowCardinality(String),
    trust                 UInt8,
    kind                  LowCardinality(String),
    operation             LowCardinality(String),
    provider              LowCardinality(String),
    request_model         LowCardinality(String),
    response_model        LowCardinality(String),
    response_id           String CODEC(ZSTD(1)),
    service_tier          LowCardinality(String),
    stream                Bool,
    status                LowCardinality(String),
    error_type            LowCardinality(String),
    ttft_ms               Nullable(Float64) CODEC(ZSTD(1)),
    input_tokens          Nullable(UInt64) CODEC(ZSTD(1)),
    cache_read_tokens     Nullable(UInt64) CODEC(ZSTD(1)),
    cache_write_tokens    Nullable(UInt64) CODEC(ZSTD(1)),
    cache_write_1h_tokens Nullable(UInt64) CODEC(ZSTD(1)),
    output_tokens         Nullable(UInt64) CODEC(ZSTD(1)),
    reasoning_tokens      Nullable(UInt64) CODEC(ZSTD(1)),
    usage_estimated       Bool,
    reported_cost_usd     Nullable(Decimal(18, 12)) CODEC(ZSTD(1)),
    tool_name             LowCardinality(String),
    tool_call_id          String CODEC(ZSTD(1)),
    tool_arguments_hash   String CODEC(ZSTD(1)),
    task                  String CODEC(ZSTD(1)),
    agent                 LowCardinality(String),
    team                  LowCardinality(String),
    user                  String CODEC(ZSTD(1)),
    session               String CODEC(ZSTD(1)),
    match_key             UInt64,
    variant               UInt64,
    recorded_at           DateTime('UTC') DEFAULT now() CODEC(Delta(4), ZSTD(1)),
    INDEX idx_response_id response_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_match_key match_key TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (trace_id, span_id, variant)
TTL recorded_at + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;
