-- title: Cost per task
-- purpose: What did each task cost, and on how many calls?
-- grain: one row a task, dearest first; calls that name no task stand together as (no task)
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
--   task                     name    task id
--   agents                   name    agents that worked on it
--   teams                    name    teams that pay for it
--   first_call_at            time    start of its first call; ISO 8601, UTC
--   calls                    calls   all calls of the group, tool executions included
--   llm_calls                calls   calls of a language model
--   embedding_calls          calls   calls of an embedding model
--   tool_calls               calls   tool executions
--   tool_errors              calls   tool executions that failed
--   total_input_tokens       tokens  all input, cache reads and writes included; null when no call told
--   total_cache_read_tokens  tokens  the part of the input served from the provider's cache
--   total_output_tokens      tokens  all output, reasoning included
--   total_cost_usd           USD     cost of the priced calls; null when none is priced
--   unpriced_calls           calls   billable calls without a known cost, which total_cost_usd leaves out
--   unpriced_tokens          tokens  input and output of those calls, as far as known; null when none told
-- chart: bar of total_cost_usd by task
-- table:
--   task agents llm_calls tool_calls tool_errors total_input_tokens total_cache_read_tokens
--   total_output_tokens total_cost_usd unpriced_calls
SELECT
    if(any(g.task) = '', '(no task)', any(g.task)) AS task,
    arrayStringConcat(arraySort(groupUniqArrayIf(g.agent, g.agent != '')), ', ') AS agents,
    arrayStringConcat(arraySort(groupUniqArrayIf(g.team, g.team != '')), ', ') AS teams,
    concat(replaceOne(toString(min(g.first_started_at)), ' ', 'T'), 'Z') AS first_call_at,
    sum(g.calls) AS calls,
    sum(g.llm_calls) AS llm_calls,
    sum(g.embedding_calls) AS embedding_calls,
    sum(g.tool_calls) AS tool_calls,
    sum(g.tool_errors) AS tool_errors,
    sum(g.input_tokens) AS total_input_tokens,
    sum(g.cache_read_tokens) AS total_cache_read_tokens,
    sum(g.output_tokens) AS total_output_tokens,
    sum(g.cost_usd) AS total_cost_usd,
    sum(g.unpriced_calls) AS unpriced_calls,
    if(unpriced_calls = 0, 0, sum(g.unpriced_tokens)) AS unpriced_tokens
FROM run_groups() AS g
WHERE ({team:String} = '' OR g.team = {team:String})
  AND ({agent:String} = '' OR g.agent = {agent:String})
  AND ({user:String} = '' OR g.user = {user:String})
  AND ({task:String} = '' OR g.task = {task:String})
  AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
GROUP BY if(g.names_task, g.run_key, 0)
ORDER BY total_cost_usd DESC NULLS LAST, calls DESC, task
LIMIT if({limit:UInt64} = 0, 18446744073709551615, {limit:UInt64})
