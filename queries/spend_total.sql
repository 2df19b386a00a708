-- title: Spend in total
-- purpose: What was spent in all, and how much of it is not priced?
-- grain: one row
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
-- columns:
--   agents                   agents  different agents named
--   tasks                    tasks   different tasks named
--   priced_tasks             tasks   those with a priced call: the base of the two figures below
--   average_task_cost_usd    USD     mean cost of a task; null when none is priced
--   median_task_cost_usd     USD     median: a cost that one of them really had
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
-- chart: figure of total_cost_usd
-- table:
--   total_cost_usd unpriced_calls unpriced_tokens tasks average_task_cost_usd median_task_cost_usd agents
--   llm_calls tool_calls tool_errors total_input_tokens total_cache_read_tokens total_output_tokens
WITH
    run AS (
        SELECT
            g.names_task AS names_task,
            groupUniqArrayIf(g.agent, g.agent != '') AS run_agents,
            sum(g.calls) AS run_calls,
            sum(g.llm_calls) AS run_llm_calls,
            sum(g.embedding_calls) AS run_embedding_calls,
            sum(g.tool_calls) AS run_tool_calls,
            sum(g.tool_errors) AS run_tool_errors,
            sum(g.input_tokens) AS run_input_tokens,
            sum(g.cache_read_tokens) AS run_cache_read_tokens,
            sum(g.output_tokens) AS run_output_tokens,
            sum(g.cost_usd) AS run_cost_usd,
            sum(g.unpriced_calls) AS run_unpriced_calls,
            sum(g.unpriced_tokens) AS run_unpriced_tokens
        FROM run_groups() AS g
        WHERE ({team:String} = '' OR g.team = {team:String})
          AND ({agent:String} = '' OR g.agent = {agent:String})
          AND ({user:String} = '' OR g.user = {user:String})
          AND ({task:String} = '' OR g.task = {task:String})
          AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
        GROUP BY g.run_key, names_task
    )
SELECT
    length(groupUniqArrayArray(run_agents)) AS agents,
    countIf(names_task) AS tasks,
    countIf(names_task AND run_cost_usd IS NOT NULL) AS priced_tasks,
    sumIf(run_cost_usd, names_task) / nullIf(priced_tasks, 0) AS average_task_cost_usd,
    quantileExactIf(0.5)(run_cost_usd, names_task) AS median_task_cost_usd,
    sum(run_calls) AS calls,
    sum(run_llm_calls) AS llm_calls,
    sum(run_embedding_calls) AS embedding_calls,
    sum(run_tool_calls) AS tool_calls,
    sum(run_tool_errors) AS tool_errors,
    sum(run_input_tokens) AS total_input_tokens,
    sum(run_cache_read_tokens) AS total_cache_read_tokens,
    sum(run_output_tokens) AS total_output_tokens,
    sum(run_cost_usd) AS total_cost_usd,
    sum(run_unpriced_calls) AS unpriced_calls,
    if(unpriced_calls = 0, 0, sum(run_unpriced_tokens)) AS unpriced_tokens
FROM run
