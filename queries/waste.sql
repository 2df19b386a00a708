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
    (
        SELECT (groupArray(p.provider), groupArray(p.input_rate))
        FROM (
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
        ) AS p
    ) AS cheapest,
    (start -> start >= asked_since AND start < asked_until) AS is_asked
-- Few columns and few mentions of each: every mention has ClickHouse go through all that the column comes from.
SELECT
    g.rule AS rule,
    transform(
        g.rule,
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
    g.run AS task,
    g.agent_name AS agent,
    g.team_name AS team,
    g.subject AS about,
    sum(length(g.starts)) AS calls,
    toDecimal128(toDecimal256(intDiv(sum(arraySum(
        one -> if(g.rule = 'dear_small_answer', intDiv(one * (g.small_rate - g.cheapest_rate), g.small_rate), one), g.costs
    )) + 500, 1000), 0) * toDecimal256('0.000000000001', 12), 12) AS wasted_cost_usd,
    concat(replaceOne(toString(min(g.starts[1])), ' ', 'T'), 'Z') AS first_call_at,
    concat(replaceOne(toString(max(g.starts[-1])), ' ', 'T'), 'Z') AS last_call_at,
    arrayStringConcat(
        arrayMap(
            one -> one.2,
            arraySlice(arraySort(groupArrayArray(
                arrayZip(arraySlice(g.starts, 1, 100), arraySlice(g.ids, 1, 100))
            )), 1, 100)
        ),
        ','
    ) AS call_ids,
    count() OVER () AS findings,
    sum(wasted_cost_usd) OVER () AS total_wasted_cost_usd
FROM (
    SELECT
        r.rule AS rule,
        if(r.task = '', concat('trace ', r.trace_id), r.task) AS run,
        if(r.agent = '', '(no agent)', toString(r.agent)) AS agent_name,
        if(r.team = '', '(no team)', toString(r.team)) AS team_name,
        multiIf(
            r.about != '', toString(r.about), r.response_model != '', toString(r.response_model), toString(r.request_model)
        ) AS subject,
        transform(r.provider, cheapest.1, cheapest.2, 0) AS cheapest_rate,
        r.small_answer_rate AS small_rate,
        arrayFilter((one, start) -> is_asked(start), r.started_at, r.started_at) AS starts,
        arrayFilter((one, start) -> is_asked(start), r.femto_usd, r.started_at) AS costs,
        arrayFilter((one, start) -> is_asked(start), r.call_ids, r.started_at) AS ids
    FROM waste_rollup AS r
    WHERE (r.day, r.built) IN (SELECT arrayJoin(rolled.3))
      AND r.day >= toDate32(asked_since) AND r.day <= toDate32(asked_until)
      AND ({team:String} = '' OR r.team = {team:String})
      AND ({agent:String} = '' OR r.agent = {agent:String})
      AND ({user:String} = '' OR r.user = {user:String})
      AND ({task:String} = '' OR r.task = {task:String})
      AND ({model:String} = '' OR r.request_model = {model:String} OR r.response_model = {model:String})
    UNION ALL
    SELECT
        w.rule AS rule,
        if(w.task = '', concat('trace ', w.trace_id), w.task) AS run,
        if(w.agent = '', '(no agent)', toString(w.agent)) AS agent_name,
        if(w.team = '', '(no team)', toString(w.team)) AS team_name,
        multiIf(
            w.about != '', toString(w.about), w.response_model != '', toString(w.response_model), toString(w.request_model)
        ) AS subject,
        transform(w.provider, cheapest.1, cheapest.2, 0) AS cheapest_rate,
        w.small_answer_rate AS small_rate,
        [w.started_at] AS starts,
        [w.femto_usd] AS costs,
        [w.call_id] AS ids
    FROM wasted_calls() AS w
    WHERE ({team:String} = '' OR w.team = {team:String})
      AND ({agent:String} = '' OR w.agent = {agent:String})
      AND ({user:String} = '' OR w.user = {user:String})
      AND ({task:String} = '' OR w.task = {task:String})
      AND ({model:String} = '' OR w.request_model = {model:String} OR w.response_model = {model:String})
) AS g
-- Of a small answer either the difference in price was wasted, or what the other rules say.
WHERE (g.small_rate > 0 AND g.small_rate >= 4 * g.cheapest_rate) = (g.rule = 'dear_small_answer') AND notEmpty(g.starts)
GROUP BY rule, task, agent, team, about
ORDER BY wasted_cost_usd DESC, rule, task, agent, team, about
LIMIT if({limit:UInt64} = 0, 18446744073709551615, {limit:UInt64})
