-- What the rows of `waste_rollup` come to, so that a question whose time has all of a row's calls need not read its
-- arrays. The figures are of the row itself: who has rows from before, or writes rows without them, has them, too.
ALTER TABLE waste_rollup
    ADD COLUMN IF NOT EXISTS calls                   UInt64 DEFAULT length(started_at) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS wasted_femto_usd        Int128 DEFAULT arraySum(femto_usd) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS first_started_at        DateTime64(9, 'UTC') DEFAULT started_at[1] CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS last_started_at         DateTime64(9, 'UTC') DEFAULT started_at[-1] CODEC(ZSTD(1)),
    -- Which part of a small answer's cost is waste is worked out call by call, by prices that the question finds.
    ADD COLUMN IF NOT EXISTS small_answers_femto_usd Array(Int128) DEFAULT if(rule = 'dear_small_answer', femto_usd, [])
        CODEC(ZSTD(1));

ALTER TABLE waste_rollup
    MATERIALIZE COLUMN calls,
    MATERIALIZE COLUMN wasted_femto_usd,
    MATERIALIZE COLUMN first_started_at,
    MATERIALIZE COLUMN last_started_at,
    MATERIALIZE COLUMN small_answers_femto_usd;
