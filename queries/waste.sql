-- title: Waste
-- purpose: Which money bought nothing, by what rule, and in which calls?
-- grain: one row a finding (rule, task, agent and what it is about), dearest first; no dollar is found twice
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
--   limit  UInt64                0                     at most this many rows; 0 is all
--   ids    UInt64                100                   at most this many call ids a row; without any it is faster
-- columns:
--   rule                   name      loop, retry_storm, re_read, unused_cache_write, oversized_tools, dear_small_answer
--   rule_text              name      the rule in words
--   task                   name      task, or `trace` and its id for calls that name no task
--   agent                  name      agent, or (no agent)
--   team                   name      team that pays, or (no team)
--   about                  name      the tool that is run again, the tools that are offered in vain, or the model
--   calls                  calls     calls that the money was spent on
--   wasted_cost_usd        USD       what would not have been paid
--   first_call_at          time      start of the first of them; ISO 8601, UTC
--   last_call_at           time      start of the last
--   call_ids               name      ids of the first `ids` of them, oldest first, comma-separated
--   findings               findings  all there are, those that `limit` leaves out included
--   total_wasted_cost_usd  USD       what they found together
-- chart: bar of wasted_cost_usd by rule
-- table:
--   rule task agent about calls wasted_cost_usd first_call_at rule_text
WITH
    (
        SELECT (
            groupArrayIf(r.day, r.hour = 24), groupArrayIf((r.day, r.hour), r.hour < 24), groupArray((r.day, r.built))
        )
        FROM (
            SELECT day, hour, built, max(hour) OVER (PARTITION BY day) AS longest
            FROM rolled_period FINAL
            WHERE subject = 'waste' AND built > toDateTime64(0, 6, 'UTC') AND usable_from <= now64(6, 'UTC')
              AND (hour = 24 OR day >= toDate(now('UTC')) - 31)
        ) AS r
        WHERE r.hour = 24 OR r.longest < 24
    ) AS rolled,
    -- A task is looked at where it is, not in the whole time.
    (
        SELECT (min(c.started_at), max(c.started_at) + INTERVAL 1 SECOND)
        FROM calls AS c FINAL
        WHERE NOT ({task:String} = '') AND c.task = {task:String}
    ) AS of_task,
    toTimeZone({since:DateTime64(9, 'UTC')}, 'UTC') AS asked_since,
    toTimeZone({until:DateTime64(9, 'UTC')}, 'UTC') AS asked_until,
    greatest(asked_since, of_task.1) AS judged_since,
    if({task:String} = '', asked_until, least(asked_until, of_task.2)) AS judged_until,
    rolled.1 AS judged_days,
    rolled.2 AS judged_hours,
    splitByChar('\0', f.finding) AS names,
    intDiv(sum(f.femto_usd) + 500, 1000) AS pico_usd,
    (one -> toDecimal128(toDecimal256(one, 0) * toDecimal256('0.000000000001', 12), 12)) AS usd
-- For most mentions of a column ClickHouse goes through all that it comes from: so there are few, and the names that tell
-- findings apart are one text. A time that has all calls of a row need not read its arrays.
SELECT
    names[1] AS rule,
    transform(
        rule,
        ['loop', 'retry_storm', 're_read', 'unused_cache_write', 'oversized_tools'],
        [
            'model calls that led to running a tool again with the same arguments, three times or more, each within an hour '
                || 'of the one before',
            'model calls that failed and were paid for',
            'input of the same task and model sent again within 5 minutes and not read from the cache, 1024 tokens or more a '
                || 'call: its price less that of a cache read',
            'tokens written to the cache that no later call of the agent and model read in time: their price less that of '
                || 'input',
            'tool definitions sent three times or more in an hour, 1024 tokens or more a call, of which the task ran fewer '
                || 'than half in that hour: the price of the others'' share, as input or as cache reads'
        ],
        'answers of 16 tokens or fewer by a model of at least 4 times the input price of the cheapest one in use at the '
            || 'provider: their cost less that at the cheapest one''s price'
    ) AS rule_text,
    names[2] AS task,
    names[3] AS agent,
    names[4] AS team,
    names[5] AS about,
    sum(f.calls) AS calls,
    usd(pico_usd) AS wasted_cost_usd,
    concat(replaceOne(toString(min(f.first_start)), ' ', 'T'), 'Z') AS first_call_at,
    concat(replaceOne(toString(max(f.last_start)), ' ', 'T'), 'Z') AS last_call_at,
    if(
        {ids:UInt64} = 0,
        '',
        arrayStringConcat(
            arrayMap(one -> one.2, arraySlice(arraySort(groupArrayArray(f.starts_and_ids)), 1, {ids:UInt64})), ','
        )
    ) AS call_ids,
    count() OVER () AS findings,
    usd(sum(pico_usd) OVER ()) AS total_wasted_cost_usd
FROM (
    SELECT
        concat(
            g.rule,
            '\0', replaceAll(if(g.task = '', concat('trace ', g.trace_id), g.task), '\0', ' '),
            '\0', replaceAll(if(g.agent = '', '(no agent)', g.agent), '\0', ' '),
            '\0', replaceAll(if(g.team = '', '(no team)', g.team), '\0', ' '),
            '\0', multiIf(g.about != '', g.about, g.response_model != '', g.response_model, g.request_model)
        ) AS finding,
        g.calls AS calls,
        if(
            notEmpty(g.small_answers),
            arraySum(one -> intDiv(one * (g.small_answer_rate - p.input_rate), g.small_answer_rate), g.small_answers),
            g.femto_usd
        ) AS femto_usd,
        g.first_start AS first_start,
        g.last_start AS last_start,
        g.starts_and_ids AS starts_and_ids
    FROM (
        -- Of what is rolled up, that of which the time has all,
        SELECT
            r.rule AS rule, r.about AS about, r.trace_id AS trace_id, r.task AS task, r.agent AS agent, r.team AS team,
            r.user AS user, r.provider AS provider, r.request_model AS request_model, r.response_model AS response_model,
            r.small_answer_rate AS small_answer_rate,
            r.calls AS calls,
            r.wasted_femto_usd AS femto_usd,
            r.small_answers_femto_usd AS small_answers,
            r.first_started_at AS first_start,
            r.last_started_at AS last_start,
            if(
                {ids:UInt64} = 0,
                [],
                arrayZip(arraySlice(r.started_at, 1, {ids:UInt64}), arraySlice(r.call_ids, 1, {ids:UInt64}))
            ) AS starts_and_ids
        FROM waste_rollup AS r
        WHERE (r.day, r.built) IN (SELECT arrayJoin(rolled.3))
          AND r.day >= toDate32(asked_since) AND r.day <= toDate32(asked_until)
          AND r.first_started_at >= asked_since AND r.last_started_at < asked_until
        UNION ALL
        -- that which it cuts, call by call,
        SELECT
            r.rule, r.about, r.trace_id, r.task, r.agent, r.team, r.user, r.provider, r.request_model, r.response_model,
            r.small_answer_rate,
            1,
            one.2,
            if(r.rule = 'dear_small_answer', [one.2], []),
            one.1,
            one.1,
            if({ids:UInt64} = 0, [], [(one.1, one.3)])
        FROM waste_rollup AS r
        ARRAY JOIN arrayZip(r.started_at, r.femto_usd, r.call_ids) AS one
        WHERE (r.day, r.built) IN (SELECT arrayJoin(rolled.3))
          AND r.day IN (toDate(asked_since), toDate(asked_until))
          AND (r.first_started_at < asked_since OR r.last_started_at >= asked_until)
          AND one.1 >= asked_since AND one.1 < asked_until
        UNION ALL
        -- and what is not.
        SELECT
            w.rule, w.about, w.trace_id, w.task, w.agent, w.team, w.user, w.provider, w.request_model, w.response_model,
            w.small_answer_rate,
            1,
            w.femto_usd,
            if(w.rule = 'dear_small_answer', [w.femto_usd], []),
            w.started_at,
            w.started_at,
            if({ids:UInt64} = 0, [], [(w.started_at, w.call_id)])
        FROM wasted_calls(TRUE) AS w
    ) AS g
    LEFT JOIN (
        -- The lowest input rate in use at a provider.
        SELECT h.provider AS provider, min(assumeNotNull(r.input)) AS input_rate
        FROM call_groups('day') AS h
        INNER JOIN (SELECT card_id, input FROM price_rate FINAL) AS r ON h.price_card_id = r.card_id
        WHERE h.kind = 'llm' AND h.cost_usd > 0 AND r.input > 0
        GROUP BY provider
    ) AS p ON g.provider = p.provider
    WHERE ({team:String} = '' OR g.team = {team:String})
      AND ({agent:String} = '' OR g.agent = {agent:String})
      AND ({user:String} = '' OR g.user = {user:String})
      AND ({task:String} = '' OR g.task = {task:String})
      AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
      -- Of a small answer either the difference in price was wasted, or what the other rules say.
      AND (g.small_answer_rate >= greatest(4 * p.input_rate, 1)) = notEmpty(g.small_answers)
) AS f
GROUP BY f.finding
ORDER BY pico_usd DESC, f.finding
LIMIT if({limit:UInt64} = 0, 18446744073709551615, {limit:UInt64})
