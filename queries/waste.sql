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
--   rule             name   loop, retry_storm, re_read, unused_cache_write or dear_small_answer
--   rule_text        name   the rule in words
--   task             name   task, or `trace` and its id for calls that name no task
--   agent            name   agent, or (no agent)
--   team             name   team that pays, or (no team)
--   about            name   the tool that is run again, or the model
--   calls            calls  calls that the money was spent on
--   wasted_cost_usd  USD    what would not have been paid; null where the calls have no known cost
--   first_call_at    time   start of the first of them; ISO 8601, UTC
--   last_call_at     time   start of the last
--   call_ids         name   their ids, oldest first, comma-separated; the first hundred
-- chart: bar of wasted_cost_usd by rule
-- table:
--   rule task agent about calls wasted_cost_usd first_call_at rule_text
WITH
    card AS (
        SELECT
            p.card_id AS id,
            any(p.bands) AS edges,
            any(p.slots) AS starts,
            arraySort(groupUniqArray((r.band, r.slot, [r.input, r.cache_read, r.cache_write_5m, r.cache_write_1h]))) AS rates
        FROM price_card AS p
        INNER JOIN (SELECT * FROM price_rate FINAL) AS r ON p.card_id = r.card_id
        GROUP BY id
    ),
    picked AS (
        SELECT
            c.call_id AS id,
            c.started_at AS start,
            c.kind AS call_kind,
            c.status AS call_status,
            if(c.task = '', concat('trace ', c.trace_id), c.task) AS run,
            c.agent AS agent_name,
            c.team AS team_name,
            c.provider AS provider_name,
            if(c.response_model = '', c.request_model, c.response_model) AS model_name,
            c.tool_name AS tool,
            c.tool_arguments_hash AS arguments,
            toInt64(coalesce(c.input_tokens, 0)) AS input,
            toInt64(coalesce(c.cache_read_tokens, 0)) AS cache_read,
            toInt64(coalesce(c.cache_write_tokens, 0)) AS cache_write,
            toInt64(coalesce(c.cache_write_1h_tokens, 0)) AS cache_write_1h,
            toInt64(coalesce(c.output_tokens, 0)) AS output,
            c.cost_usd AS call_cost_usd,
            arrayCount(edge -> input > edge, k.edges) AS band,
            arrayCount(begin -> toUnixTimestamp(c.started_at) % 86400 >= begin, k.starts) AS slot,
            arrayFirst(one -> one.1 = band AND one.2 = slot, k.rates).3 AS rate,
            rate[1] AS input_rate
        FROM calls AS c FINAL
        LEFT JOIN card AS k ON c.price_card_id = k.id
        WHERE c.started_at >= {since:DateTime64(9, 'UTC')} AND c.started_at < {until:DateTime64(9, 'UTC')}
          AND ({team:String} = '' OR c.team = {team:String})
          AND ({agent:String} = '' OR c.agent = {agent:String})
          AND ({user:String} = '' OR c.user = {user:String})
          AND ({task:String} = '' OR c.task = {task:String})
          AND ({model:String} = '' OR c.request_model = {model:String} OR c.response_model = {model:String})
    ),
    counted AS (
        SELECT
            *,
            row_number() OVER (PARTITION BY run, agent_name, call_kind, tool, arguments ORDER BY start, id) AS nth,
            count() OVER (PARTITION BY run, agent_name, call_kind, tool, arguments) AS times,
            if(call_kind != 'tool', NULL, if(arguments != '' AND times >= 3 AND nth >= 2, tool, '')) AS repeated_tool
        FROM picked
    ),
    seen AS (
        SELECT
            *,
            anyLast(repeated_tool) OVER (
                PARTITION BY run, agent_name ORDER BY start DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS next_tool,
            lagInFrame(if(call_status = 'ok', input, 0)) OVER former AS former_input,
            lagInFrame(start) OVER former AS former_start,
            anyLast(if(cache_read > 0, start, NULL)) OVER (
                PARTITION BY team_name, agent_name, provider_name, model_name
                ORDER BY start DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS next_read,
            min(if(call_kind = 'llm', input_rate, NULL)) OVER (PARTITION BY provider_name) AS cheapest_input_rate
        FROM counted
        WINDOW former AS (
            PARTITION BY run, agent_name, call_kind, provider_name, model_name
            ORDER BY start, id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
        )
    ),
    judged AS (
        SELECT
            *,
            multiIf(
                call_kind != 'llm', '',
                call_status = 'error' AND call_cost_usd > 0, 'retry_storm',
                coalesce(next_tool, '') != '', 'loop',
                output BETWEEN 1 AND 16 AND input_rate >= 4 * cheapest_input_rate, 'dear_small_answer',
                ''
            ) AS rule_of_call,
            if(
                rule_of_call = 'dear_small_answer',
                toDecimal128(call_cost_usd, 12) - toDecimal128(call_cost_usd, 12) * cheapest_input_rate / input_rate,
                toDecimal128(call_cost_usd, 12)
            ) AS call_waste_usd,
            if(
                call_kind = 'llm' AND former_input >= 1024 AND input >= former_input
                    AND start <= former_start + INTERVAL 5 MINUTE,
                greatest(least(former_input - cache_read, input - cache_read - cache_write), 0),
                0
            ) AS read_again,
            coalesce(read_again * (input_rate - rate[2]), 0) AS read_again_femto_usd,
            if(
                next_read IS NULL OR next_read > start + if(cache_write_1h > 0, INTERVAL 3600 SECOND, INTERVAL 300 SECOND),
                coalesce((cache_write - cache_write_1h) * (rate[3] - input_rate), 0)
                    + coalesce(cache_write_1h * (rate[4] - input_rate), 0),
                0
            ) AS unused_write_femto_usd
        FROM seen
    ),
    found AS (
        SELECT
            finding.1 AS found_rule,
            finding.2 AS found_about,
            finding.3 AS found_usd,
            j.*
        FROM judged AS j
        ARRAY JOIN arrayFilter(one -> one.1 != '', [
            (rule_of_call, if(rule_of_call = 'loop', coalesce(next_tool, ''), model_name), call_waste_usd),
            (
                if(rule_of_call = '' AND read_again_femto_usd > 0, 're_read', ''), model_name,
                toNullable(toDecimal128(toDecimal256(intDiv(read_again_femto_usd + 500, 1000), 0)
                    * toDecimal256('0.000000000001', 12), 12))
            ),
            (
                if(rule_of_call = '' AND unused_write_femto_usd > 0, 'unused_cache_write', ''), model_name,
                toNullable(toDecimal128(toDecimal256(intDiv(unused_write_femto_usd + 500, 1000), 0)
                    * toDecimal256('0.000000000001', 12), 12))
            )
        ]) AS finding
    )
SELECT
    found_rule AS rule,
    multiIf(
        rule = 'loop',
        'model calls that led to running a tool again with arguments it had had in the task, three times or more in all',
        rule = 'retry_storm',
        'model calls that failed and were paid for',
        rule = 're_read',
        'input of the same task and model sent again within 5 minutes, 1024 tokens or more, and not read from the cache: '
            || 'its price less that of a cache read',
        rule = 'unused_cache_write',
        'tokens written to the cache that no later call of the agent and model read in time: their price less that of input',
        'answers of 16 tokens or fewer by a model of at least 4 times the input price of the cheapest one in use at the '
            || 'provider: their cost less that at the cheapest one''s price'
    ) AS rule_text,
    run AS task,
    if(agent_name = '', '(no agent)', agent_name) AS agent,
    if(team_name = '', '(no team)', team_name) AS team,
    found_about AS about,
    count() AS calls,
    sum(found_usd) AS wasted_cost_usd,
    concat(replaceOne(toString(min(start)), ' ', 'T'), 'Z') AS first_call_at,
    concat(replaceOne(toString(max(start)), ' ', 'T'), 'Z') AS last_call_at,
    arrayStringConcat(arrayMap(one -> one.2, arraySlice(arraySort(groupArray((start, id))), 1, 100)), ',') AS call_ids
FROM found
GROUP BY rule, task, agent, team, about
ORDER BY wasted_cost_usd DESC NULLS LAST, rule, task, agent, team, about
LIMIT if({limit:UInt64} = 0, 18446744073709551615, {limit:UInt64})
