-- title: Tool calls
-- purpose: Which tools are run, how often do they fail, how long do they take, how often with the same arguments?
-- grain: one row a tool and agent, most calls first
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
-- columns:
--   tool                     name   tool, or (unnamed tool)
--   agent                    name   agent that ran it, or (no agent)
--   calls                    calls  executions
--   failed_calls             calls  executions that failed
--   failure_share            share  failed_calls / calls, 0 to 1
--   p50_duration_ms          ms     median duration
--   p95_duration_ms          ms     95th percentile of the duration
--   repeated_calls           calls  executions with arguments that the same task (or trace, without one) had given the tool before
--   calls_without_arguments  calls  executions whose arguments are not known, which repeated_calls leaves out
--   last_called_at           time   start of the last one; ISO 8601, UTC
-- chart: bar of calls by tool
WITH
    quantilesExactArray(0.5, 0.95)(g.durations_ms) AS durations
SELECT
    if(g.tool_name = '', '(unnamed tool)', g.tool_name) AS tool,
    if(g.agent = '', '(no agent)', g.agent) AS agent,
    sum(g.calls) AS calls,
    sumIf(g.calls, g.status = 'error') AS failed_calls,
    failed_calls / calls AS failure_share,
    durations[1] AS p50_duration_ms,
    durations[2] AS p95_duration_ms,
    sum(g.argument_calls) - uniqExactArray(g.argument_keys) AS repeated_calls,
    calls - sum(g.argument_calls) AS calls_without_arguments,
    concat(replaceOne(toString(max(g.last_started_at)), ' ', 'T'), 'Z') AS last_called_at
FROM call_groups(if({user:String} = '' AND {task:String} = '', 'day', 'run')) AS g
WHERE ({team:String} = '' OR g.team = {team:String})
  AND ({agent:String} = '' OR g.agent = {agent:String})
  AND ({user:String} = '' OR g.user = {user:String})
  AND ({task:String} = '' OR g.task = {task:String})
  AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
  AND g.kind = 'tool'
GROUP BY tool, agent
ORDER BY calls DESC, tool, agent
