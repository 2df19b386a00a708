-- Prices beside the ledger: which cards there were and since when we knew them, what raw names meant, and what every
-- re-pricing changed. Times are UTC; rates are femto-USD (1e-15 US dollars) a unit, NULL where there is no price.

-- Kinds of units that few calls have; searches are counted, not tokens.
ALTER TABLE calls
    ADD COLUMN IF NOT EXISTS input_audio_tokens  Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS output_audio_tokens Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS input_image_tokens  Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS output_image_tokens Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS web_searches        Nullable(UInt64) CODEC(ZSTD(1));

-- The estimates are kept apart from the counts, so that the merge matches copies by what was reported alone.
ALTER TABLE facts
    ADD COLUMN IF NOT EXISTS input_audio_tokens      Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS output_audio_tokens     Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS input_image_tokens      Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS output_image_tokens     Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS web_searches            Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS estimated_input_tokens  Nullable(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS estimated_output_tokens Nullable(UInt64) CODEC(ZSTD(1));

-- One row a card and catalogue version; `recorded_at` is when we knew it. An id is one set of rates for good.
CREATE TABLE IF NOT EXISTS price_card (
    card_id           String,
    provider          LowCardinality(String),
    model             String,
    tier              LowCardinality(String),
    valid_from        DateTime64(0, 'UTC'),
    valid_to          DateTime64(0, 'UTC'),
    bands             Array(UInt32),
    slots             Array(UInt32),
    source            LowCardinality(String),
    source_version    LowCardinality(String),
    catalogue_version LowCardinality(String),
    recorded_at       DateTime('UTC') DEFAULT now()
) ENGINE = ReplacingMergeTree
ORDER BY (catalogue_version, provider, model, tier, valid_from);

CREATE TABLE IF NOT EXISTS price_rate (
    card_id        String,
    band           UInt8,
    slot           UInt8,
    input          Nullable(Int64),
    cache_read     Nullable(Int64),
    cache_write_5m Nullable(Int64),
    cache_write_1h Nullable(Int64),
    input_audio    Nullable(Int64),
    input_image    Nullable(Int64),
    output         Nullable(Int64),
    reasoning      Nullable(Int64),
    output_audio   Nullable(Int64),
    output_image   Nullable(Int64),
    web_search     Nullable(Int64),
    request        Nullable(Int64)
) ENGINE = ReplacingMergeTree
ORDER BY (card_id, band, slot);

-- What raw names lead to, one row a set of names and time from which it holds: a card to charge by, and the status of
-- what it fully covers; or no card, and the status that says why.
CREATE TABLE IF NOT EXISTS price_alias (
    catalogue_version LowCardinality(String),
    provider          LowCardinality(String),
    response_model    String,
    request_model     String,
    service_tier      LowCardinality(String),
    valid_from        DateTime64(9, 'UTC'),
    card_id           String,
    price_status      LowCardinality(String),
    recorded_at       DateTime('UTC') DEFAULT now()
) ENGINE = ReplacingMergeTree
ORDER BY (catalogue_version, provider, response_model, request_model, service_tier, valid_from);

-- The audit of re-pricing, one row a re-pricing or its undoing; the row is rewritten when it is complete.
CREATE TABLE IF NOT EXISTS repricing (
    repricing_id      UInt32,
    undoes            UInt32,
    since             DateTime64(9, 'UTC'),
    until             DateTime64(9, 'UTC'),
    catalogue_version LowCardinality(String),
    changed_calls     UInt64,
    old_cost_usd      Nullable(Decimal(38, 12)),
    new_cost_usd      Nullable(Decimal(38, 12)),
    complete          Bool,
    recorded_at       DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY repricing_id;

-- What each of them changed: the figures before and after.
CREATE TABLE IF NOT EXISTS repriced_call (
    repricing_id      UInt32,
    call_id           String CODEC(ZSTD(1)),
    started_at        DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    old_cost_usd      Nullable(Decimal(18, 12)) CODEC(ZSTD(1)),
    old_price_status  LowCardinality(String),
    old_price_card_id String CODEC(ZSTD(1)),
    new_cost_usd      Nullable(Decimal(18, 12)) CODEC(ZSTD(1)),
    new_price_status  LowCardinality(String),
    new_price_card_id String CODEC(ZSTD(1)),
    old_version       UInt64 CODEC(ZSTD(1)),
    new_version       UInt64 CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree
ORDER BY (repricing_id, toDate(started_at), call_id);

-- The currency of display: units of it for one US dollar, from a time on. The ledger itself is in US dollars.
CREATE TABLE IF NOT EXISTS display_rate (
    currency          LowCardinality(String),
    valid_from        DateTime64(0, 'UTC'),
    rate              Decimal(18, 9),
    catalogue_version LowCardinality(String),
    recorded_at       DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (catalogue_version, currency, valid_from);
