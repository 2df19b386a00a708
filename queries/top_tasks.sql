-- title: Top tasks
-- purpose: Which tasks were the dearest, and how do they stand beside the median task of their agent?
-- grain: one row a task, dearest first; a task belongs to the agent that spent most on it
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
--   top    UInt64                20                    how many rows; 0 is all
-- columns:
--   task                 name    task id
--   agent                name    agent that spent most on it, or (no agent)
--   team                 name    team that paid most of it, or (no team)
--   first_call_at        time    start of its first call; ISO 8601, UTC
--   elapsed_ms           ms      start of the first call to the end of the last
--   calls                calls   all its calls, tool executions included
--   failed_calls         calls   calls that failed
--   total_input_tokens   tokens  all input, cache reads and writes included; null when no call told
--   total_output_tokens  tokens  all output, reasoning included
--   median_cost_usd      USD     cost of the median task of the agent: one that a task really had
--   times_median         ratio   total_cost_usd / median_cost_usd
--   is_outlier           flag    whether it cost at least three times the median of an agent with five tasks or more
--   total_cost_usd       USD     cost of the priced calls; null when none is priced
--   unpriced_calls       calls   billable calls without a known cost, which total_cost_usd leaves out
--   unpriced_tokens      tokens  input and output of those calls, as far as known; null when none told
-- chart: bar of total_cost_usd by task
-- table:
--   task agent team first_call_at calls failed_calls total_cost_usd median_cost_usd times_median is_outlier
--   unpriced_calls
WITH
    spent AS (
        SELECT
            any(g.task) AS task_name,
            -- In one pass, as grouping by agent and team first takes a fifth longer. A cost of 0 alone would be left out.
            sumMap(
                [concat(replaceAll(g.agent, '\0', ' '), '\0', g.team)], [coalesce(g.cost_usd, 0)], [g.calls]
            ) AS payers,
            splitByChar('\0', arraySort(arrayZip(payers.2, payers.1))[-1].2) AS dearest,
            dearest[1] AS agent_name,
            dearest[2] AS team_name,
            min(g.first_started_at) AS task_start,
            max(g.last_ended_ns) AS task_end,
            sum(g.calls) AS task_calls,
            sum(g.failed_calls) AS task_failed_calls,
            sum(g.input_tokens) AS task_input_tokens,
            sum(g.output_tokens) AS task_output_tokens,
            sum(g.cost_usd) AS task_cost_usd,
            sum(g.unpriced_calls) AS task_unpriced_calls,
            sum(g.unpriced_tokens) AS task_unpriced_tokens
        FROM run_groups() AS g
        WHERE ({team:String} = '' OR g.team = {team:String})
          AND ({agent:String} = '' OR g.agent = {agent:String})
          AND ({user:String} = '' OR g.user = {user:String})
          AND ({task:String} = '' OR g.task = {task:String})
          AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
          AND g.names_task
        GROUP BY g.run_key
    )
SELECT
    task_name AS task,
    if(agent_name = '', '(no agent)', agent_name) AS agent,
    if(team_name = '', '(no team)', team_name) AS team,
    concat(replaceOne(toString(task_start), ' ', 'T'), 'Z') AS first_call_at,
    (task_end - toUnixTimestamp64Nano(task_start)) / 1000000 AS elapsed_ms,
    task_calls AS calls,
    task_failed_calls AS failed_calls,
    task_input_tokens AS total_input_tokens,
    task_output_tokens AS total_output_tokens,
    cost_of_median AS median_cost_usd,
    toFloat64(total_cost_usd) / nullIf(toFloat64(median_cost_usd), 0) AS times_median,
    CAST(coalesce(times_median >= 3, false) AND tasks_of_agent >= 5 AS Bool) AS is_outlier,
    task_cost_usd AS total_cost_usd,
    task_unpriced_calls AS unpriced_calls,
    if(unpriced_calls = 0, 0, task_unpriced_tokens) AS unpriced_tokens
FROM (
    SELECT
        agent_name,
        cost_of_median,
        tasks_of_agent,
        one.1 AS task_name, one.2 AS team_name, one.3 AS task_start, one.4 AS task_end, one.5 AS task_calls,
        one.6 AS task_failed_calls, one.7 AS task_input_tokens, one.8 AS task_output_tokens, one.9 AS task_cost_usd,
        one.10 AS task_unpriced_calls, one.11 AS task_unpriced_tokens
    FROM (
        -- An agent's tasks are grouped and taken apart again, which is faster than windows.
        SELECT
            agent_name,
            quantileExactLow(0.5)(task_cost_usd) AS cost_of_median,
            count(task_cost_usd) AS tasks_of_agent,
            groupArray((
                task_name, team_name, task_start, task_end, task_calls, task_failed_calls, task_input_tokens,
                task_output_tokens, task_cost_usd, task_unpriced_calls, task_unpriced_tokens
            )) AS tasks
        FROM spent
        GROUP BY agent_name
    )
    ARRAY JOIN tasks AS one
)
ORDER BY total_cost_usd DESC NULLS LAST, calls DESC, task
LIMIT if({top:UInt64} = 0, 18446744073709551615, {top:UInt64})
