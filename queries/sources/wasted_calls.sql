-- What was wasted in single calls, one row a call and rule: from `judged_since` until `judged_until`, but for the days in
-- `judged_days` and the (day, hour) in `judged_hours`; who reads this names all four. A call is judged by the calls of its
-- day (UTC) around it, whatever time is asked for, none of them more than two hours away.
-- No dollar of a call is in two of its rows. A loop or a retry takes the whole call. A re-read takes the difference
-- between input and cache read, and leaves the latter to the tools; an unused write takes what it cost above input. A
-- small answer's row has the whole cost: whether another model is so much cheaper is for the reader to say, and where one
-- is, the call's other rows give way to it.
WITH
    toDateTime64(toDate32(judged_since), 9, 'UTC') AS first_day,
    toDateTime64(toDate32(judged_until - INTERVAL 1 NANOSECOND) + 1, 9, 'UTC') AS day_after,
    -- Two hours, and what is left of an hour that is looked at as a whole.
    greatest(first_day, judged_since - INTERVAL 3 HOUR) AS read_since,
    least(day_after, judged_until + INTERVAL 3 HOUR) AS read_until,
    -- Hours that nobody looks at, as those around them are judged, too.
    arrayFilter(
        one -> arrayAll(
            step -> one.2 + step NOT BETWEEN 0 AND 23 OR has(judged_hours, (one.1, toUInt8(one.2 + step))), range(-2, 3)
        ),
        judged_hours
    ) AS unread_hours,
    3600000000000 AS hour_ns
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
    SELECT
        *,
        if(
            start_ns <= former_start_ns + hour_ns / 12,
            greatest(least(repeated_tokens, input - written) - cached, 0),
            0
        ) AS uncached,
        if(uncached >= 1024, uncached, 0) AS read_again,
        if(tools > 0 AND definitions_tokens >= 1024, intDiv(definitions_tokens * unused_tools, tools), 0) AS unused,
        intDiv(unused * least(definitions_tokens, cached), greatest(definitions_tokens, 1)) AS unused_cached,
        if(output BETWEEN 1 AND 16, coalesce(rates[1], 0), 0) AS small_rate,
        read_again * coalesce(rates[1] - rates[2], 0) AS read_again_femto_usd,
        start_ns + if(written_1h > 0, hour_ns, intDiv(hour_ns, 12)) AS cached_until_ns,
        -- Who might read it the next day is not known.
        if(
            -next_read_ns BETWEEN start_ns AND cached_until_ns
                OR toDate(fromUnixTimestamp64Nano(cached_until_ns, 'UTC')) != day,
            0,
            (written - written_1h) * coalesce(rates[3] - rates[1], 0) + written_1h * coalesce(rates[4] - rates[1], 0)
        ) AS unused_write_femto_usd,
        unused_cached * coalesce(rates[2], rates[1], 0)
            + (unused - unused_cached) * coalesce(if(read_again > 0, rates[2], rates[1]), rates[1], 0)
            AS tools_femto_usd
    FROM (
        SELECT
            s.*,
            arrayFirst(
                one -> one.1 = arrayCount(edge -> s.input > edge, k.bands)
                    AND one.2 = arrayCount(begin -> toUnixTimestamp(s.started_at) % 86400 >= begin, k.slots),
                k.rates
            ).3 AS rates,
            multiIf(
                s.status = 'error', 'retry_storm',
                s.next_step.2 != '' AND s.next_step.1 + s.start_ns >= -hour_ns, 'loop',
                ''
            ) AS whole_call,
            if(s.offering_calls >= 3 AND s.offered_tools > 2 * s.run_tools, s.offered_tools, 0) AS tools,
            tools - s.run_tools AS unused_tools,
            if(
                s.repeated_input_bytes <= s.input_bytes AND s.input_bytes > 0,
                intDiv(s.input * toInt64(s.repeated_input_bytes), toInt64(s.input_bytes)),
                if(s.former_input <= s.input, s.former_input, 0)
            ) AS repeated_tokens,
            if(
                s.tool_definitions_bytes <= s.input_bytes AND s.input_bytes > 0,
                intDiv(s.input * toInt64(s.tool_definitions_bytes), toInt64(s.input_bytes)),
                0
            ) AS definitions_tokens
        FROM (
            SELECT *, maxIf((-start_ns, repeated_tool), kind = 'tool') OVER later AS next_step
            FROM (
                SELECT
                    c.call_id AS call_id, c.kind AS kind, c.started_at AS started_at, c.trace_id AS trace_id,
                    c.task AS task, c.agent AS agent, c.team AS team, c.user AS user, c.provider AS provider,
                    c.request_model AS request_model, c.response_model AS response_model, c.status AS status,
                    c.cost_usd AS cost_usd, c.price_card_id AS price_card_id, c.input_bytes AS input_bytes,
                    c.repeated_input_bytes AS repeated_input_bytes, c.tool_definitions_bytes AS tool_definitions_bytes,
                    toInt64(coalesce(c.input_tokens, 0)) AS input,
                    toInt64(coalesce(c.cache_read_tokens, 0)) AS cached,
                    toInt64(coalesce(c.cache_write_tokens, 0)) AS written,
                    toInt64(coalesce(c.cache_write_1h_tokens, 0)) AS written_1h,
                    toInt64(coalesce(c.output_tokens, 0)) AS output,
                    toUnixTimestamp64Nano(c.started_at) AS start_ns,
                    toDate(c.started_at) AS day,
                    toHour(c.started_at) AS hour,
                    cityHash64(day, if(c.task = '', c.trace_id, c.task), c.agent) AS actor,
                    cityHash64(c.provider, if(c.response_model = '', c.request_model, c.response_model)) AS model,
                    -- The same tool with the same arguments, three times or more, none later than an hour after the one
                    -- before. All but the first are repeated.
                    lagInFrame(start_ns, 1) OVER same AS one_before_ns,
                    if(
                        c.tool_arguments_hash != '' AND start_ns <= one_before_ns + hour_ns AND (
                            one_before_ns <= lagInFrame(start_ns, 2) OVER same + hour_ns
                            OR leadInFrame(start_ns, 1) OVER same BETWEEN start_ns AND start_ns + hour_ns
                        ),
                        toString(c.tool_name),
                        ''
                    ) AS repeated_tool,
                    maxIf(start_ns, c.status = 'ok') OVER earlier AS former_start_ns,
                    anyLast(if(c.status = 'ok', input, NULL)) OVER earlier AS former_input,
                    maxIf(-start_ns, c.kind = 'llm' AND c.cache_read_tokens > 0) OVER of_cache AS next_read_ns,
                    -- Tools that calls of an hour offered again and again, and how many of them ran.
                    toInt64(maxIf(c.tool_definitions, c.tool_definitions > 0) OVER offering) AS offered_tools,
                    countIf(c.tool_definitions > 0) OVER offering AS offering_calls,
                    toInt64(uniqExactIf(c.tool_name, c.kind = 'tool') OVER (PARTITION BY actor, hour)) AS run_tools
                FROM calls AS c FINAL
                PREWHERE toDate(c.started_at) NOT IN (SELECT arrayJoin(judged_days))
                    AND (toDate(c.started_at), toHour(c.started_at)) NOT IN (SELECT arrayJoin(unread_hours))
                WHERE c.started_at >= read_since AND c.started_at < read_until AND c.kind IN ('llm', 'tool')
                WINDOW
                    same AS (
                        PARTITION BY actor, c.kind, c.tool_name, c.tool_arguments_hash ORDER BY start_ns
                        ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING
                    ),
                    earlier AS (
                        PARTITION BY actor, c.kind, model ORDER BY start_ns, c.call_id
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                    ),
                    of_cache AS (
                        PARTITION BY cityHash64(day, c.team, c.agent, model) ORDER BY -start_ns
                        RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                    ),
                    offering AS (PARTITION BY actor, hour, c.kind, c.tool_definitions_hash)
            )
            WINDOW later AS (PARTITION BY actor ORDER BY -start_ns RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) AS s
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
        ) AS k ON s.price_card_id = k.card_id
        WHERE s.kind = 'llm' AND s.cost_usd > 0 AND s.started_at >= judged_since AND s.started_at < judged_until
          AND (s.day, s.hour) NOT IN (SELECT arrayJoin(judged_hours))
    )
) AS j
ARRAY JOIN arrayFilter(one -> one.3 > 0, [
    (
        if(whole_call = '', 'dear_small_answer', whole_call),
        if(whole_call = 'loop', next_step.2, ''),
        if(whole_call = '' AND small_rate = 0, 0, toInt128(toDecimal256(cost_usd, 12) * 1000000000000000))
    ),
    ('re_read', '', if(whole_call = '', toInt128(read_again_femto_usd), 0)),
    ('unused_cache_write', '', if(whole_call = '', toInt128(unused_write_femto_usd), 0)),
    (
        'oversized_tools',
        concat(toString(unused_tools), ' of ', toString(tools), ' tools'),
        if(whole_call = '', toInt128(tools_femto_usd), 0)
    )
]) AS finding
