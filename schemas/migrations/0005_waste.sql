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

-- What was wasted in the calls of a time but for some days, one row a call and rule. A call is judged by the calls of its
-- day (UTC), whatever time is asked for.
-- No dollar of a call is in two of its rows. A loop or a retry takes the whole call. A re-read takes the difference
-- between input and cache read, and leaves the latter to the tools; an unused write takes what it cost above input. A
-- small answer's row has the whole cost: whether another model is so much cheaper is for the reader to say, and where one
-- is, the call's other rows give way to it.
CREATE VIEW IF NOT EXISTS wasted AS
WITH
    toDateTime64(toDate32({since:DateTime64(9, 'UTC')}), 9, 'UTC') AS first_day,
    toDateTime64(toDate32({until:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND) + 1, 9, 'UTC') AS day_after,
    ((day, task, trace_id, agent) -> cityHash64(day, if(task = '', trace_id, task), agent)) AS actor_of,
    ((provider, request_model, response_model)
        -> cityHash64(provider, if(response_model = '', request_model, response_model))) AS model_of,
    ((day, team, agent, model) -> cityHash64(day, team, agent, model)) AS cache_of,
    seen AS (
        SELECT
            c.kind AS kind, c.started_at AS started_at, c.tool_name AS tool_name, c.tool_arguments_hash AS arguments,
            c.cache_read_tokens AS read_tokens, c.cache_write_tokens AS written_tokens,
            c.tool_definitions AS offered, c.tool_definitions_hash AS definitions,
            toDate(c.started_at) AS day,
            actor_of(day, c.task, c.trace_id, c.agent) AS actor,
            cache_of(day, c.team, c.agent, model_of(c.provider, c.request_model, c.response_model)) AS cache
        FROM calls AS c FINAL
        PREWHERE toDate(c.started_at) NOT IN (SELECT arrayJoin({without:Array(Date)}))
        WHERE c.started_at >= first_day AND c.started_at < day_after
    ),
    -- What is run by those who repeat themselves: with the same arguments three times or more, none later than an hour
    -- after the one before. All but the first are repeated.
    step AS (
        SELECT actor, one.1 AS start, max(one.2) AS repeated_tool
        FROM (
            SELECT actor, groupArrayArray(arrayMap(
                (start, n) -> (
                    start,
                    if(
                        arguments != '' AND start <= starts[n - 1] + INTERVAL 1 HOUR AND (
                            starts[n - 1] <= starts[n - 2] + INTERVAL 1 HOUR
                            OR starts[n + 1] BETWEEN start AND start + INTERVAL 1 HOUR
                        ),
                        tool_name,
                        ''
                    )
                ),
                starts,
                arrayEnumerate(starts)
            )) AS steps
            FROM (
                SELECT actor, tool_name, arguments, arraySort(groupArray(started_at)) AS starts
                FROM seen
                WHERE kind = 'tool'
                GROUP BY actor, tool_name, arguments
            )
            GROUP BY actor
            HAVING arrayExists(one -> one.2 != '', steps)
        )
        ARRAY JOIN steps AS one
        GROUP BY actor, start
    ),
    cache_read AS (
        SELECT cache, started_at AS start
        FROM seen
        WHERE kind = 'llm' AND read_tokens > 0
          AND cache IN (SELECT cache FROM seen WHERE kind = 'llm' AND written_tokens > 0)
    ),
    -- Tools that calls of an hour offered again and again, and how many of them ran.
    offer AS (
        SELECT o.actor AS actor, o.hour AS hour, o.definitions AS definitions, o.tools AS tools, r.tools AS run_tools
        FROM (
            SELECT
                actor,
                toStartOfHour(started_at) AS hour,
                definitions,
                toInt64(max(offered)) AS tools
            FROM seen
            WHERE kind = 'llm' AND offered > 0
            GROUP BY actor, hour, definitions
            HAVING count() >= 3
        ) AS o
        LEFT JOIN (
            SELECT actor, toStartOfHour(started_at) AS hour, toInt64(uniqExact(tool_name)) AS tools
            FROM seen
            WHERE kind = 'tool'
            GROUP BY actor, hour
        ) AS r ON o.actor = r.actor AND o.hour = r.hour
        WHERE o.tools > 2 * r.tools
    ),
    told AS (
        SELECT
            c.*,
            s.repeated_tool AS repeated_tool,
            multiIf(
                c.status = 'error', 'retry_storm',
                s.repeated_tool != '' AND s.start <= c.started_at + INTERVAL 1 HOUR, 'loop',
                ''
            ) AS whole_call,
            c.started_at + if(c.written_1h > 0, INTERVAL 3600 SECOND, INTERVAL 300 SECOND) AS cached_until,
            -- Who might read it the next day is not known.
            r.start BETWEEN c.started_at AND cached_until OR toDate(cached_until) != c.day AS is_read_later,
            o.tools AS tools,
            o.tools - o.run_tools AS unused_tools,
            if(
                c.repeated_input_bytes <= c.input_bytes AND c.input_bytes > 0,
                intDiv(c.input * toInt64(c.repeated_input_bytes), toInt64(c.input_bytes)),
                if(c.former_input <= c.input, c.former_input, 0)
            ) AS repeated_tokens,
            if(
                c.tool_definitions_bytes <= c.input_bytes AND c.input_bytes > 0,
                intDiv(c.input * toInt64(c.tool_definitions_bytes), toInt64(c.input_bytes)),
                0
            ) AS definitions_tokens
        FROM (
            SELECT
                *,
                maxIf(started_at, status = 'ok') OVER earlier AS former_start,
                anyLast(if(status = 'ok', input, NULL)) OVER earlier AS former_input
            FROM (
                SELECT
                    c.call_id AS call_id, c.started_at AS started_at, c.trace_id AS trace_id, c.task AS task,
                    c.agent AS agent, c.team AS team, c.user AS user, c.provider AS provider,
                    c.request_model AS request_model, c.response_model AS response_model, c.status AS status,
                    c.cost_usd AS cost_usd, c.rates AS rates,
                    toInt64(coalesce(c.input_tokens, 0)) AS input,
                    toInt64(coalesce(c.cache_read_tokens, 0)) AS cached,
                    toInt64(coalesce(c.cache_write_tokens, 0)) AS written,
                    toInt64(coalesce(c.cache_write_1h_tokens, 0)) AS written_1h,
                    toInt64(coalesce(c.output_tokens, 0)) AS output,
                    c.input_bytes AS input_bytes, c.repeated_input_bytes AS repeated_input_bytes,
                    c.tool_definitions_bytes AS tool_definitions_bytes,
                    c.tool_definitions_hash AS tool_definitions_hash,
                    toDate(c.started_at) AS day,
                    actor_of(day, c.task, c.trace_id, c.agent) AS actor,
                    model_of(c.provider, c.request_model, c.response_model) AS model,
                    cache_of(day, c.team, c.agent, model) AS cache
                FROM rated_call AS c
                WHERE c.kind = 'llm' AND c.started_at >= first_day AND c.started_at < {until:DateTime64(9, 'UTC')}
                  AND toDate(c.started_at) NOT IN (SELECT arrayJoin({without:Array(Date)}))
            )
            WINDOW earlier AS (
                PARTITION BY cityHash64(actor, model) ORDER BY started_at, call_id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            )
        ) AS c
        ASOF LEFT JOIN step AS s ON c.actor = s.actor AND c.started_at < s.start
        ASOF LEFT JOIN cache_read AS r ON c.cache = r.cache AND c.started_at < r.start
        LEFT JOIN offer AS o
            ON c.actor = o.actor AND toStartOfHour(c.started_at) = o.hour AND c.tool_definitions_hash = o.definitions
        WHERE c.started_at >= {since:DateTime64(9, 'UTC')} AND c.cost_usd > 0
    ),
    counted AS (
        SELECT
            *,
            if(
                started_at <= former_start + INTERVAL 5 MINUTE,
                greatest(least(repeated_tokens, input - written) - cached, 0),
                0
            ) AS uncached,
            if(uncached >= 1024, uncached, 0) AS read_again,
            if(tools > 0 AND definitions_tokens >= 1024, intDiv(definitions_tokens * unused_tools, tools), 0) AS unused
        FROM told
    ),
    judged AS (
        SELECT
            *,
            intDiv(unused * least(definitions_tokens, cached), greatest(definitions_tokens, 1)) AS unused_cached,
            if(output BETWEEN 1 AND 16, coalesce(rates[1], 0), 0) AS small_rate,
            read_again * coalesce(rates[1] - rates[2], 0) AS read_again_femto_usd,
            if(
                is_read_later,
                0,
                (written - written_1h) * coalesce(rates[3] - rates[1], 0) + written_1h * coalesce(rates[4] - rates[1], 0)
            ) AS unused_write_femto_usd,
            unused_cached * coalesce(rates[2], rates[1], 0)
                + (unused - unused_cached) * coalesce(if(read_again > 0, rates[2], rates[1]), rates[1], 0)
                AS tools_femto_usd
        FROM counted
    )
SELECT
    j.call_id AS call_id,
    j.started_at AS started_at,
    j.trace_id AS trace_id,
    j.task AS task,
    j.agent AS agent,
    j.team AS team,
    j.user AS user,
    j.provider AS provider,
    j.request_model AS request_model,
    j.response_model AS response_model,
    assumeNotNull(j.small_rate) AS small_answer_rate,
    finding.1 AS rule,
    finding.2 AS about,
    assumeNotNull(finding.3) AS femto_usd
FROM (
    SELECT *
    FROM judged
    WHERE whole_call != '' OR small_rate > 0
        OR greatest(read_again_femto_usd, unused_write_femto_usd, tools_femto_usd) > 0
) AS j
ARRAY JOIN arrayFilter(one -> one.3 > 0, [
    (
        if(whole_call = '', 'dear_small_answer', whole_call),
        if(whole_call = 'loop', repeated_tool, ''),
        if(whole_call = '' AND small_rate = 0, 0, toInt128(toDecimal256(cost_usd, 12) * 1000000000000000))
    ),
    ('re_read', '', if(whole_call = '', toInt128(read_again_femto_usd), 0)),
    ('unused_cache_write', '', if(whole_call = '', toInt128(unused_write_femto_usd), 0)),
    (
        'oversized_tools',
        concat(toString(unused_tools), ' of ', toString(tools), ' tools'),
        if(whole_call = '', toInt128(tools_femto_usd), 0)
    )
]) AS finding;

-- The same for days that are rolled up (see `rolled_day`), in groups that no question tells apart. A day is here where it
-- has a row without a rule, of the building that is named there. The arrays have an element a call, the earliest first.
CREATE TABLE IF NOT EXISTS waste_rollup (
    built             DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    day               Date CODEC(ZSTD(1)),
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
PARTITION BY toYYYYMM(day)
ORDER BY (day, rule, agent, task, trace_id);

-- What `waste_rollup` is to hold of a day.
CREATE VIEW IF NOT EXISTS waste_of_day AS
SELECT
    {day:Date} AS day, rule, about, trace_id, task, agent, team, user, provider, request_model, response_model,
    small_answer_rate, wasted_calls.1 AS started_at, wasted_calls.3 AS femto_usd, wasted_calls.2 AS call_ids
FROM (
    SELECT
        w.rule AS rule,
        w.about AS about,
        if(w.task = '', w.trace_id, '') AS trace_id,
        w.task AS task,
        w.agent AS agent,
        w.team AS team,
        w.user AS user,
        w.provider AS provider,
        w.request_model AS request_model,
        w.response_model AS response_model,
        w.small_answer_rate AS small_answer_rate,
        arraySort(groupArray((w.started_at, w.call_id, w.femto_usd))) AS wasted_calls
    FROM wasted(
        since = toDateTime64({day:Date}, 9, 'UTC'),
        until = toDateTime64({day:Date} + 1, 9, 'UTC'),
        without = []
    ) AS w
    GROUP BY rule, about, trace_id, task, agent, team, user, provider, request_model, response_model, small_answer_rate
)
UNION ALL
SELECT {day:Date}, '', '', '', '', '', '', '', '', '', '', 0, [], [], [];
