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
WITH if(c.task = '', concat('trace ', c.trace_id), concat('task ', c.task)) AS run
SELECT
    if(c.tool_name = '', '(unnamed tool)', c.tool_name) AS tool,
    if(c.agent = '', '(no agent)', c.agent) AS agent,
    count() AS calls,
    countIf(c.status = 'error') AS failed_calls,
    failed_calls / calls AS failure_share,
    quantileExact(0.5)(c.duration_ms) AS p50_duration_ms,
    quantileExact(0.95)(c.duration_ms) AS p95_duration_ms,
    countIf(c.tool_arguments_hash != '')
        - uniqExactIf((run, c.tool_arguments_hash), c.tool_arguments_hash != '') AS repeated_calls,
    countIf(c.tool_arguments_hash = '') AS calls_without_arguments,
    concat(replaceOne(toString(max(c.started_at)), ' ', 'T'), 'Z') AS last_called_at
FROM calls AS c FINAL
WHERE c.started_at >= {since:DateTime64(9, 'UTC')} AND c.started_at < {until:DateTime64(9, 'UTC')}
  AND ({team:String} = '' OR c.team = {team:String})
  AND ({agent:String} = '' OR c.agent = {agent:String})
  AND ({user:String} = '' OR c.user = {user:String})
  AND ({task:String} = '' OR c.task = {task:String})
  AND ({model:String} = '' OR c.request_model = {model:String} OR c.response_model = {model:String})
  AND c.kind = 'tool'
GROUP BY tool, agent
ORDER BY calls DESC, tool, agent
