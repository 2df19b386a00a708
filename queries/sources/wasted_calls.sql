-- What was wasted in single calls, one row a call and rule: from `judged_since` until `judged_until`, but for the days in
-- `judged_days` and the (day, hour) in `judged_hours`; who reads this names all four. A call is judged by the calls of its
-- day (UTC) around it, whatever time is asked for, none of them more than two hours away, and all of the same agent. The
-- grain is a condition that the calls meet, for who looks at some agents at a time.
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
    j.small_rate AS small_answer_rate,
    finding.1 AS rule,
    finding.2 AS about,
    assumeNotNull(finding.3) AS femto_usd
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
        if(s.is_small, assumeNotNull(coalesce(rates[1], 0)), 0) AS small_rate
    FROM (
        SELECT
            *,
            maxIf((step, repeated_tool), kind = 'tool') OVER (
                ORDER BY step RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS next_step,
            if(
                turn <= former_turn + intDiv(hour_ns, 12),
                least(coalesce(repeated_tokens, if(former_input <= input, former_input, 0)), input - written) - cached,
                0
            ) AS uncached,
            if(uncached >= 1024, uncached, 0) AS read_again,
            if(ends_that_day AND use > next_read + cached_ns, written - written_1h, 0) AS unread,
            if(ends_that_day AND use > next_read + cached_ns, written_1h, 0) AS unread_1h,
            tools - run_tools AS unused_tools,
            if(
                definitions_tokens >= 1024 AND offering_calls >= 3 AND tools > 2 * run_tools,
                intDiv(definitions_tokens * unused_tools, tools),
                0
            ) AS unused,
            intDiv(unused * least(definitions_tokens, cached), greatest(definitions_tokens, 1)) AS unused_cached
        FROM (
            SELECT
                *,
                -- The same tool with the same arguments, three times or more, none later than an hour after the one
                -- before. All but the first are repeated.
                lagInFrame(run, 1) OVER runs AS run_before,
                if(
                    run_tool != '' AND run <= run_before + hour_ns AND (
                        run_before <= lagInFrame(run, 2) OVER runs + hour_ns
                        OR leadInFrame(run, 1) OVER runs BETWEEN run AND run + hour_ns
                    ),
                    toString(run_tool),
                    ''
                ) AS repeated_tool,
                maxIf(turn, status = 'ok') OVER turns AS former_turn,
                anyLast(if(status = 'ok', input, NULL)) OVER turns AS former_input,
                maxIf(use, kind = 'llm' AND cached > 0) OVER later_uses AS next_read,
                -- Tools that calls of an hour offered again and again, and how many of them ran.
                toInt64(maxIf(tool_definitions, tool_definitions > 0) OVER offers) AS tools,
                countIf(tool_definitions > 0) OVER offers AS offering_calls,
                toInt64(uniqExactIf(tool_name, kind = 'tool') OVER hours) AS run_tools
            FROM (
                SELECT
                    call_id, kind, started_at, trace_id, task, agent, team, user, provider, request_model, response_model,
                    status, cost_usd, price_card_id, tool_name, tool_definitions,
                    toInt64(coalesce(input_tokens, 0)) AS input,
                    toInt64(coalesce(cache_read_tokens, 0)) AS cached,
                    toInt64(coalesce(cache_write_tokens, 0)) AS written,
                    toInt64(coalesce(cache_write_1h_tokens, 0)) AS written_1h,
                    if(
                        repeated_input_bytes <= input_bytes AND input_bytes > 0,
                        intDiv(input * toInt64(repeated_input_bytes), toInt64(input_bytes)),
                        NULL
                    ) AS repeated_tokens,
                    if(
                        tool_definitions_bytes <= input_bytes AND input_bytes > 0,
                        intDiv(input * toInt64(tool_definitions_bytes), toInt64(input_bytes)),
                        0
                    ) AS definitions_tokens,
                    output_tokens BETWEEN 1 AND 16 AS is_small,
                    if(tool_arguments_hash = '', '', tool_name) AS run_tool,
                    toUnixTimestamp64Nano(started_at) AS start_ns,
                    toDate(started_at) AS day,
                    toHour(started_at) AS hour,
                    if(written_1h > 0, hour_ns, intDiv(hour_ns, 12)) AS cached_ns,
                    -- Who might read it the next day is not known.
                    toDate(fromUnixTimestamp64Nano(start_ns + cached_ns, 'UTC')) = day AS ends_that_day,
                    cityHash64(day, if(task = '', trace_id, task), agent) AS actor,
                    cityHash64(provider, if(response_model = '', request_model, response_model)) AS model,
                    -- Windows sort by one number: the hash of a group above the 63 bits of the time, so that calls of
                    -- different groups lie further apart than any time that is asked for. With PARTITION BY all columns
                    -- are dealt out to threads for each window, which took twice as long as the rest.
                    bitShiftLeft(toInt128(cityHash64(actor, kind, tool_name, tool_arguments_hash)), 63) + start_ns AS run,
                    bitShiftLeft(toInt128(cityHash64(actor, kind, model)), 63) + start_ns AS turn,
                    bitShiftLeft(toInt128(cityHash64(day, team, agent, model)), 63) - start_ns AS use,
                    bitShiftLeft(toInt128(actor), 63) - start_ns AS step,
                    cityHash64(actor, hour, kind, tool_definitions_hash) AS offer,
                    cityHash64(actor, hour) AS actor_hour,
                    kind = 'llm' AND cost_usd > 0 AND started_at >= judged_since AND started_at < judged_until
                        AND NOT has(judged_hours, (day, hour)) AS is_judged
                FROM calls AS c FINAL
                PREWHERE toDate(started_at) NOT IN (SELECT arrayJoin(judged_days))
                    AND (toDate(started_at), toHour(started_at)) NOT IN (SELECT arrayJoin(unread_hours))
                WHERE started_at >= read_since AND started_at < read_until AND kind IN ('llm', 'tool') AND {grain}
            )
            WINDOW
                runs AS (ORDER BY run ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING),
                turns AS (ORDER BY turn, call_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
                later_uses AS (ORDER BY use RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
                offers AS (ORDER BY offer RANGE BETWEEN CURRENT ROW AND CURRENT ROW),
                hours AS (ORDER BY actor_hour RANGE BETWEEN CURRENT ROW AND CURRENT ROW)
        )
    ) AS s
    LEFT JOIN card_rates() AS k ON s.price_card_id = k.card_id
    WHERE s.is_judged
) AS j
ARRAY JOIN arrayFilter(one -> one.3 > 0, [
    (
        if(whole_call = '', 'dear_small_answer', whole_call),
        if(whole_call = 'loop', next_step.2, ''),
        if(whole_call = '' AND small_rate = 0, 0, toInt128(toDecimal256(cost_usd, 12) * 1000000000000000))
    ),
    ('re_read', '', if(whole_call = '', toInt128(read_again * coalesce(rates[1] - rates[2], 0)), 0)),
    (
        'unused_cache_write',
        '',
        if(
            whole_call = '',
            toInt128(unread * coalesce(rates[3] - rates[1], 0) + unread_1h * coalesce(rates[4] - rates[1], 0)),
            0
        )
    ),
    (
        'oversized_tools',
        concat(toString(unused_tools), ' of ', toString(tools), ' tools'),
        if(
            whole_call = '',
            toInt128(
                unused_cached * coalesce(rates[2], rates[1], 0)
                    + (unused - unused_cached) * coalesce(if(read_again > 0, rates[2], rates[1]), rates[1], 0)
            ),
            0
        )
    )
]) AS finding
