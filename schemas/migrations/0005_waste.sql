-- What was sent, as far as the emitter measured it: sizes in bytes of the input as a whole, of the beginning that an
-- earlier call of the task had sent, and of the tool definitions. A part's share of the bytes is taken for its share of
-- the tokens that the provider counted. NULL where nobody measured.
ALTER TABLE calls
    ADD COLUMN IF NOT EXISTS input_bytes            Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS repeated_input_bytes   Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS tool_definitions       Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS tool_definitions_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS tool_definitions_hash  LowCardinality(String) DEFAULT '';

ALTER TABLE facts
    ADD COLUMN IF NOT EXISTS input_bytes            Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS repeated_input_bytes   Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS tool_definitions       Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS tool_definitions_bytes Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS tool_definitions_hash  LowCardinality(String) DEFAULT '';

-- The ledger with what one unit of each kind cost, by the card that priced the call: femto-USD (1e-15 US dollars) for
-- input, cache read, cache write of five minutes and of an hour, output, reasoning; empty without a card.
CREATE VIEW IF NOT EXISTS rated_call AS
SELECT
    c.*,
    arrayFirst(
        one -> one.1 = arrayCount(edge -> coalesce(c.input_tokens, 0) > edge, k.bands)
            AND one.2 = arrayCount(begin -> toUnixTimestamp(c.started_at) % 86400 >= begin, k.slots),
        k.rates
    ).3 AS rates
FROM calls AS c FINAL
LEFT JOIN (
    SELECT
        p.card_id AS card_id,
        any(p.bands) AS bands,
        any(p.slots) AS slots,
        arraySort(groupUniqArray((
            r.band, r.slot, [r.input, r.cache_read, r.cache_write_5m, r.cache_write_1h, r.output, r.reasoning]
        ))) AS rates
    FROM price_card AS p
    INNER JOIN (SELECT * FROM price_rate FINAL) AS r ON p.card_id = r.card_id
    GROUP BY card_id
) AS k ON c.price_card_id = k.card_id;

-- What was wasted in the calls of days and hours that are rolled up (see `rolled_period`), in groups that no question
-- tells apart. The arrays have an element a call, the earliest first.
CREATE TABLE IF NOT EXISTS waste_rollup (
    built             DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    day               Date CODEC(ZSTD(1)),
    rolled_hour       UInt8, -- as in rolled_period
    rule              LowCardinality(String),
    about             LowCardinality(String),
    trace_id          String CODEC(ZSTD(1)),
    task              String CODEC(ZSTD(1)),
    agent             LowCardinality(String),
    team              LowCardinality(String),
    user              String CODEC(ZSTD(1)),
    provider          LowCardinality(String),
    request_model     LowCardinality(String),
    response_model    LowCardinality(String),
    small_answer_rate Int64 CODEC(ZSTD(1)),
    started_at        Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    femto_usd         Array(Int128) CODEC(ZSTD(1)),
    call_ids          Array(String) CODEC(ZSTD(1)),
    INDEX idx_task task TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY (rolled_hour = 24, toYYYYMM(day))
ORDER BY (day, rule, agent, task, trace_id);
