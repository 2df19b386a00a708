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
