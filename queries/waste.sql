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
--   call_ids               name      their ids, oldest first, comma-separated; the first hundred
--   findings               findings  all there are, those that `limit` leaves out included
--   total_wasted_cost_usd  USD       what they found together
-- chart: bar of wasted_cost_usd by rule
-- table:
--   rule task agent about calls wasted_cost_usd first_call_at rule_text
WITH
    (
        SELECT (groupArray(r.day), groupArray((r.day, r.built)))
        FROM rolled_day AS r FINAL
        WHERE r.built > toDateTime64(0, 6, 'UTC') AND r.usable_from <= now64(6, 'UTC')
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
    rolled.1 AS judged_already,
    cheapest AS (
        SELECT u.provider AS provider, min(assumeNotNull(r.input)) AS input_rate
        FROM (
            SELECT h.provider AS provider, h.price_card_id AS card_id
            FROM call_groups('day') AS h
            WHERE h.kind = 'llm' AND h.cost_usd > 0
            GROUP BY provider, card_id
        ) AS u
        INNER JOIN (SELECT * FROM price_rate FINAL) AS r ON u.card_id = r.card_id
        WHERE r.input > 0
        GROUP BY provider
    ),
    (start -> start >= asked_since AND start < asked_until) AS is_asked,
    found AS (
        SELECT
            rule, about, trace_id, task, agent, team, user, provider, request_model, response_model, small_answer_rate,
            arrayFilter((one, start) -> is_asked(start), started_at, started_at) AS starts,
            arrayFilter((one, start) -> is_asked(start), femto_usd, started_at) AS femto_usd,
            arrayFilter((one, start) -> is_asked(start), call_ids, started_at) AS call_ids
        FROM waste_rollup
        WHERE (day, built) IN (SELECT arrayJoin(rolled.2))
          AND day >= toDate32(asked_since) AND day <= toDate32(asked_until)
        UNION ALL
        SELECT
            w.rule, w.about, w.trace_id, w.task, w.agent, w.team, w.user, w.provider, w.request_model, w.response_model,
            w.small_answer_rate, [w.started_at] AS starts, [w.femto_usd] AS femto_usd, [w.call_id] AS call_ids
        FROM wasted_calls() AS w
    ),
    kept AS (
        SELECT
            g.*,
            if(g.task = '', concat('trace ', g.trace_id), g.task) AS run,
            multiIf(g.about != '', g.about, g.response_model != '', g.response_model, g.request_model) AS subject,
            -- Of a small answer either the difference in price was wasted, or what the other rules say.
            g.small_answer_rate > 0 AND g.small_answer_rate >= 4 * k.input_rate AS is_dear,
            arraySum(
                one -> if(is_dear, intDiv(one * (g.small_answer_rate - k.input_rate), g.small_answer_rate), one), g.femto_usd
            ) AS wasted_femto_usd
        FROM found AS g
        LEFT JOIN cheapest AS k ON g.provider = k.provider
        WHERE ({team:String} = '' OR g.team = {team:String})
          AND ({agent:String} = '' OR g.agent = {agent:String})
          AND ({user:String} = '' OR g.user = {user:String})
          AND ({task:String} = '' OR g.task = {task:String})
          AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
          AND is_dear = (g.rule = 'dear_small_answer') AND notEmpty(g.starts)
    )
SELECT
    f.rule AS rule,
    multiIf(
        rule = 'loop',
        'model calls that led to running a tool again with the same arguments, three times or more, each within an hour of '
            || 'the one before',
        rule = 'retry_storm',
        'model calls that failed and were paid for',
        rule = 're_read',
        'input of the same task and model sent again within 5 minutes and not read from the cache, 1024 tokens or more a '
            || 'call: its price less that of a cache read',
        rule = 'unused_cache_write',
        'tokens written to the cache that no later call of the agent and model read in time: their price less that of input',
        rule = 'oversized_tools',
        'tool definitions sent three times or more in an hour, 1024 tokens or more a call, of which the task ran fewer than '
            || 'half in that hour: the price of the others'' share, as input or as cache reads',
        'answers of 16 tokens or fewer by a model of at least 4 times the input price of the cheapest one in use at the '
            || 'provider: their cost less that at the cheapest one''s price'
    ) AS rule_text,
    f.run AS task,
    if(f.agent = '', '(no agent)', f.agent) AS agent,
    if(f.team = '', '(no team)', f.team) AS team,
    f.subject AS about,
    sum(length(f.starts)) AS calls,
    toDecimal128(toDecimal256(intDiv(sum(f.wasted_femto_usd) + 500, 1000), 0) * toDecimal256('0.000000000001', 12), 12)
        AS wasted_cost_usd,
    concat(replaceOne(toString(min(f.starts[1])), ' ', 'T'), 'Z') AS first_call_at,
    concat(replaceOne(toString(max(f.starts[-1])), ' ', 'T'), 'Z') AS last_call_at,
    arrayStringConcat(
        arrayMap(
            one -> one.2,
            arraySlice(arraySort(groupArrayArray(
                arrayZip(arraySlice(f.starts, 1, 100), arraySlice(f.call_ids, 1, 100))
            )), 1, 100)
        ),
        ','
    ) AS call_ids,
    count() OVER () AS findings,
    sum(wasted_cost_usd) OVER () AS total_wasted_cost_usd
FROM kept AS f
GROUP BY rule, task, agent, team, about
ORDER BY wasted_cost_usd DESC, rule, task, agent, team, about
LIMIT if({limit:UInt64} = 0, 18446744073709551615, {limit:UInt64})
