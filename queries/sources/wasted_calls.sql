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
            turn <= former_turn + intDiv(hour_ns, 12),
            greatest(least(repeated_tokens, input - written) - cached, 0),
            0
        ) AS uncached,
        if(uncached >= 1024, uncached, 0) AS read_again,
        if(tools > 0 AND definitions_tokens >= 1024, intDiv(definitions_tokens * unused_tools, tools), 0) AS unused,
        intDiv(unused * least(definitions_tokens, cached), greatest(definitions_tokens, 1)) AS unused_cached,
        if(output BETWEEN 1 AND 16, coalesce(rates[1], 0), 0) AS small_rate,
        read_again * coalesce(rates[1] - rates[2], 0) AS read_again_femto_usd,
        if(written_1h > 0, hour_ns, intDiv(hour_ns, 12)) AS cached_ns,
        -- Who might read it the next day is not known.
        if(
            use <= next_read + cached_ns OR toDate(fromUnixTimestamp64Nano(start_ns + cached_ns, 'UTC')) != day,
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
                s.next_step.2 != '' AND s.step <= s.next_step.1 + hour_ns, 'loop',
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
            SELECT
                *,
                bitShiftLeft(toInt128(actor), 63) - start_ns AS step,
                maxIf((step, repeated_tool), kind = 'tool') OVER (
                    ORDER BY step RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS next_step
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
                    -- Windows sort by one number: the hash of a group above the 63 bits of the time, so that calls of
                    -- different groups lie further apart than any time that is asked for. With PARTITION BY all columns
                    -- are dealt out to threads for each window, which took twice as long as the rest.
                    -- The same tool with the same arguments, three times or more, none later than an hour after the one
                    -- before. All but the first are repeated.
                    bitShiftLeft(toInt128(cityHash64(actor, c.kind, c.tool_name, c.tool_arguments_hash)), 63) + start_ns
                        AS run,
                    lagInFrame(run, 1) OVER runs AS run_before,
                    if(
                        c.tool_arguments_hash != '' AND run <= run_before + hour_ns AND (
                            run_before <= lagInFrame(run, 2) OVER runs + hour_ns
                            OR leadInFrame(run, 1) OVER runs BETWEEN run AND run + hour_ns
                        ),
                        toString(c.tool_name),
                        ''
                    ) AS repeated_tool,
                    bitShiftLeft(toInt128(cityHash64(actor, c.kind, model)), 63) + start_ns AS turn,
                    maxIf(turn, c.status = 'ok') OVER turns AS former_turn,
                    anyLast(if(c.status = 'ok', input, NULL)) OVER turns AS former_input,
                    bitShiftLeft(toInt128(cityHash64(day, c.team, c.agent, model)), 63) - start_ns AS use,
                    maxIf(use, c.kind = 'llm' AND c.cache_read_tokens > 0) OVER later_uses AS next_read,
                    -- Tools that calls of an hour offered again and again, and how many of them ran.
                    cityHash64(actor, hour, c.kind, c.tool_definitions_hash) AS offer,
                    toInt64(maxIf(c.tool_definitions, c.tool_definitions > 0) OVER offers) AS offered_tools,
                    countIf(c.tool_definitions > 0) OVER offers AS offering_calls,
                    toInt64(uniqExactIf(c.tool_name, c.kind = 'tool') OVER hours) AS run_tools
                FROM calls AS c FINAL
                PREWHERE toDate(c.started_at) NOT IN (SELECT arrayJoin(judged_days))
                    AND (toDate(c.started_at), toHour(c.started_at)) NOT IN (SELECT arrayJoin(unread_hours))
                WHERE c.started_at >= read_since AND c.started_at < read_until AND c.kind IN ('llm', 'tool')
                WINDOW
                    runs AS (ORDER BY run ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING),
                    turns AS (ORDER BY turn, c.call_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
                    later_uses AS (ORDER BY use RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
                    offers AS (ORDER BY offer RANGE BETWEEN CURRENT ROW AND CURRENT ROW),
                    hours AS (ORDER BY cityHash64(actor, hour) RANGE BETWEEN CURRENT ROW AND CURRENT ROW)
            )
        ) AS s
        LEFT JOIN (
            SELECT
                p.card_id AS card_id,
                any(p.bands) AS bands,
                any(p.slots) AS slots,
                groupUniqArray((r.band, r.slot, [r.input, r.cache_read, r.cache_write_5m, r.cache_write_1h])) AS rates
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
