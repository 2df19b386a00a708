-- title: Explanation of a task's cost
-- purpose: Why did a task cost more, or less, than the median task of its agent?
-- grain: one row a part of the difference, in a fixed order; the parts add up to it; no row without priced tasks
-- parameters:
--   since      DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until      DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team       String                ''                    only this team; '' is all
--   agent      String                ''                    only this agent; '' is all
--   user       String                ''                    only this user; '' is all
--   task       String                ''                    only this task; '' is all
--   model      String                ''                    only this model, asked for or answering; '' is all
--   explained  String                ''                    the task to explain; '' is the dearest
-- columns:
--   task             name   the task
--   agent            name   agent that spent most on it, or (no agent)
--   median_task      name   the task that the agent's median cost belongs to
--   tasks_compared   tasks  priced tasks of the agent, this one included
--   part             name   retries, loops, more_calls, larger_context, longer_answers, cache_misses, dearer_model or other
--   meaning          name   the part in words
--   unit             name   what the next two count
--   this_task        ratio  the figure behind the part, of this task; null where it cannot be told
--   median           ratio  the same of the median task
--   difference_usd   USD    the part of task_cost_usd less median_cost_usd
--   task_cost_usd    USD    cost of the task's priced calls
--   median_cost_usd  USD    cost of the median task's
-- chart: bar of difference_usd by part
-- table:
--   part this_task median unit difference_usd meaning
WITH
    (femto_usd -> toDecimal256(intDiv(femto_usd, 1000), 0) * toDecimal256('0.000000000001', 12)) AS usd,
    spent AS (
        SELECT
            any(g.task) AS task_name,
            -- In one pass. A cost of 0 alone would be left out.
            sumMap([toString(g.agent)], [coalesce(g.cost_usd, 0)], [g.calls]) AS payers,
            arraySort(arrayZip(payers.2, payers.1))[-1].2 AS agent_name,
            sum(g.cost_usd) AS spent_usd,
            -- What comes in one row is of one day.
            (toDate(min(g.first_started_at)), toDate(max(g.first_started_at))) AS days
        FROM run_groups() AS g
        WHERE ({team:String} = '' OR g.team = {team:String})
          AND ({agent:String} = '' OR g.agent = {agent:String})
          AND ({user:String} = '' OR g.user = {user:String})
          AND ({task:String} = '' OR g.task = {task:String})
          AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
          AND g.names_task
        GROUP BY g.run_key
        HAVING sum(g.priced_calls) > 0
    ),
    -- The subject, and the median among the tasks of its agent, of equal ones the subject itself; and the days they are of.
    (
        WITH
            any(p.subject) AS subject,
            arraySort(groupArray((assumeNotNull(p.spent_usd), p.task_name != p.subject.1, p.task_name, p.days))) AS peers,
            arrayFirst(one -> one.1 = peers[intDiv(length(peers) + 1, 2)].1, peers) AS reference
        SELECT (
            (subject.1, subject.2, reference.3, length(peers)),
            [subject.1, reference.3],
            arrayFlatten(arrayMap(
                days -> arrayMap(day -> toDate(day), range(toUInt32(days.1), toUInt32(days.2) + 1)),
                [subject.3, reference.4]
            ))
        )
        FROM (
            SELECT
                *,
                argMaxIf(
                    (task_name, agent_name, days),
                    (spent_usd, task_name),
                    {explained:String} = '' OR task_name = {explained:String}
                ) OVER () AS subject
            FROM spent
        ) AS p
        WHERE p.agent_name = p.subject.2 AND p.subject.1 != ''
    ) AS pair,
    counted AS (
        SELECT
            c.call_id AS call_id, c.started_at AS started_at, c.kind AS kind, c.status AS status, c.task AS task,
            c.agent AS agent, c.cost_usd AS cost_usd, c.price_card_id AS price_card_id, c.input_tokens AS input_tokens,
            c.cache_read_tokens AS cache_read_tokens, c.cache_write_tokens AS cache_write_tokens,
            c.cache_write_1h_tokens AS cache_write_1h_tokens, c.output_tokens AS output_tokens,
            c.reasoning_tokens AS reasoning_tokens,
            -- With the rows, as each subquery that mentions a scalar has ClickHouse analyse all of it again.
            pair.1 AS names,
            lagInFrame(c.started_at, 1) OVER same AS one_before,
            c.tool_arguments_hash != ''
                AND c.started_at <= one_before + INTERVAL 1 HOUR
                AND (
                    one_before <= lagInFrame(c.started_at, 2) OVER same + INTERVAL 1 HOUR
                    OR leadInFrame(c.started_at, 1) OVER same BETWEEN c.started_at AND c.started_at + INTERVAL 1 HOUR
                ) AS is_repeated
        FROM calls AS c FINAL
        WHERE c.started_at >= {since:DateTime64(9, 'UTC')} AND c.started_at < {until:DateTime64(9, 'UTC')}
          AND ({team:String} = '' OR c.team = {team:String})
          AND ({agent:String} = '' OR c.agent = {agent:String})
          AND ({user:String} = '' OR c.user = {user:String})
          AND ({task:String} = '' OR c.task = {task:String})
          AND ({model:String} = '' OR c.request_model = {model:String} OR c.response_model = {model:String})
          AND c.task IN pair.2
          -- A task is looked at where it is, not in the whole time.
          AND toDate(c.started_at) IN pair.3
        WINDOW same AS (
            PARTITION BY toDate(c.started_at), c.task, c.agent, c.kind, c.tool_name, c.tool_arguments_hash
            ORDER BY c.started_at, c.call_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        )
    ),
    judged AS (
        SELECT
            *,
            anyLast(if(kind = 'tool', started_at, NULL)) OVER later AS next_tool_at,
            anyLast(if(kind = 'tool', is_repeated, NULL)) OVER later AS is_next_repeated,
            multiIf(
                kind = 'tool' OR cost_usd IS NULL, 'free',
                kind = 'llm' AND status = 'error' AND cost_usd > 0, 'retry',
                kind = 'llm' AND is_next_repeated AND next_tool_at <= started_at + INTERVAL 1 HOUR, 'loop',
                'plain'
            ) AS sort_of_call
        FROM counted
        WINDOW later AS (
            PARTITION BY toDate(started_at), task, agent
            ORDER BY started_at DESC, call_id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ),
    summed AS (
        SELECT
            task AS task_name,
            any(names) AS found_names,
            (
                arrayResize(sumForEachIf(
                    arrayMap(count_of_kind -> toInt64(coalesce(count_of_kind, 0)), [
                        1, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens,
                        reasoning_tokens
                    ]),
                    sort_of_call = 'plain'
                ), 7, 0),
                -- Means over the calls, not the tokens: a kind of token that the task did not use has a rate, too.
                arrayResize(avgForEachIf(rates, sort_of_call = 'plain' AND notEmpty(rates)), 6, NULL),
                coalesce(sumIf(cost_usd, sort_of_call = 'plain'), 0),
                coalesce(sumIf(cost_usd, sort_of_call = 'retry'), 0),
                coalesce(sumIf(cost_usd, sort_of_call = 'loop'), 0),
                countIf(sort_of_call = 'retry'),
                countIf(sort_of_call = 'loop')
            ) AS sums
        FROM (
            SELECT
                j.*,
                arrayFirst(
                    one -> one.1 = arrayCount(edge -> coalesce(j.input_tokens, 0) > edge, k.bands)
                        AND one.2 = arrayCount(begin -> toUnixTimestamp(j.started_at) % 86400 >= begin, k.slots),
                    k.rates
                ).3 AS rates
            FROM judged AS j
            LEFT JOIN card_rates() AS k ON j.price_card_id = k.card_id
        )
        GROUP BY task_name
    ),
    beside AS (
        SELECT
            any(s.found_names) AS found,
            anyIf(s.sums, s.task_name = s.found_names.1) AS t,
            anyIf(s.sums, s.task_name = s.found_names.3) AS m
        FROM summed AS s
        HAVING count() > 0
    ),
    -- In two steps, as ClickHouse plans an expression once for each mention of its name beside it.
    figures AS (
        SELECT
            *,
            toInt256(t.1[1]) AS t_calls, toInt256(m.1[1]) AS m_calls,
            toInt256(t.1[2]) AS t_input, toInt256(m.1[2]) AS m_input,
            toInt256(t.1[3]) AS t_read, toInt256(m.1[3]) AS m_read,
            toInt256(t.1[5]) AS t_write_1h, toInt256(m.1[5]) AS m_write_1h,
            toInt256(t.1[4]) - t_write_1h AS t_write_5m, toInt256(m.1[4]) - m_write_1h AS m_write_5m,
            toInt256(t.1[7]) AS t_reasoning, toInt256(m.1[7]) AS m_reasoning,
            toInt256(t.1[6]) - t_reasoning AS t_text, toInt256(m.1[6]) - m_reasoning AS m_text,
            m.2[1] IS NOT NULL AND m_calls > 0 AS is_rated,
            toInt256(coalesce(m.2[1], 0)) AS input_rate,
            toInt256(coalesce(m.2[2], m.2[1], 0)) AS read_rate,
            toInt256(coalesce(m.2[3], m.2[1], 0)) AS write_5m_rate,
            toInt256(coalesce(m.2[4], m.2[1], 0)) AS write_1h_rate,
            toInt256(coalesce(m.2[5], 0)) AS text_rate,
            toInt256(coalesce(m.2[6], m.2[5], 0)) AS reasoning_rate,
            greatest(m_calls, 1) AS per_call,
            greatest(m_input, 1) AS per_input,
            toDecimal256(t.3, 12) AS t_usd, toDecimal256(m.3, 12) AS m_usd,
            toDecimal256(t.3 + t.4 + t.5, 12) AS t_all_usd, toDecimal256(m.3 + m.4 + m.5, 12) AS m_all_usd
        FROM beside
    ),
    worked_out AS (
        SELECT
            *,
            toDecimal256(t.4, 12) - toDecimal256(m.4, 12) AS retries_usd,
            toDecimal256(t.5, 12) - toDecimal256(m.5, 12) AS loops_usd,
            if(m_calls = 0, toDecimal256(0, 12), m_usd * (t_calls - m_calls) / per_call) AS calls_usd,
            usd(intDiv(
                (t_input * m_calls - m_input * t_calls) * (input_rate * (m_input - m_read) + read_rate * m_read),
                per_input * per_call
            )) AS context_usd,
            usd(intDiv(
                (t_text * m_calls - m_text * t_calls) * text_rate
                    + (t_reasoning * m_calls - m_reasoning * t_calls) * reasoning_rate,
                per_call
            )) AS answers_usd,
            usd(
                intDiv((m_read * t_input - t_read * m_input) * (input_rate - read_rate), per_input)
                    + intDiv((t_write_5m * m_calls - m_write_5m * t_calls) * (write_5m_rate - input_rate)
                        + (t_write_1h * m_calls - m_write_1h * t_calls) * (write_1h_rate - input_rate), per_call)
            ) AS cache_usd,
            if(is_rated, t_usd, toDecimal256(0, 12)) - usd(
                (t_input - t_read - t_write_5m - t_write_1h) * input_rate + t_read * read_rate
                    + t_write_5m * write_5m_rate + t_write_1h * write_1h_rate
                    + t_text * text_rate + t_reasoning * reasoning_rate
            ) AS model_usd,
            1000000 * toFloat64(t_usd) / nullIf(toFloat64(t_input + t_text + t_reasoning), 0) AS t_price,
            1000000 * toFloat64(m_usd) / nullIf(toFloat64(m_input + m_text + m_reasoning), 0) AS m_price
        FROM figures
    )
SELECT
    found.1 AS task,
    if(found.2 = '', '(no agent)', found.2) AS agent,
    found.3 AS median_task,
    found.4 AS tasks_compared,
    line.1 AS part,
    line.2 AS meaning,
    line.3 AS unit,
    line.4 AS this_task,
    line.5 AS median,
    toDecimal128(line.6, 12) AS difference_usd,
    toDecimal128(t_all_usd, 12) AS task_cost_usd,
    toDecimal128(m_all_usd, 12) AS median_cost_usd
FROM worked_out
ARRAY JOIN [
    ('retries', 'calls that failed and were paid for', 'calls', toNullable(toFloat64(t.6)), toNullable(toFloat64(m.6)),
        retries_usd),
    ('loops', 'calls that led to running a tool again with the same arguments', 'calls',
        toFloat64(t.7), toFloat64(m.7), loops_usd),
    ('more_calls', 'other calls, at the mean cost of the median task''s', 'calls',
        toFloat64(t_calls), toFloat64(m_calls), calls_usd),
    ('larger_context', 'input a call, at the median task''s rates and cache share', 'tokens a call',
        t_input / nullIf(t_calls, 0), m_input / nullIf(m_calls, 0), context_usd),
    ('longer_answers', 'output a call, reasoning included, at the median task''s rates', 'tokens a call',
        (t_text + t_reasoning) / nullIf(t_calls, 0), (m_text + m_reasoning) / nullIf(m_calls, 0), answers_usd),
    ('cache_misses', 'less of the input read from the cache, or more written to it', 'share of input read from it',
        t_read / nullIf(t_input, 0), m_read / nullIf(m_input, 0), cache_usd),
    ('dearer_model', 'the same tokens at other rates', 'USD a million tokens', t_price, m_price, model_usd),
    ('other', 'what the price cards cannot tell apart, and rounding', 'USD', NULL, NULL,
        t_all_usd - m_all_usd - retries_usd - loops_usd - calls_usd - context_usd - answers_usd - cache_usd - model_usd)
] AS line
