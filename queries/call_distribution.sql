-- title: Call distribution
-- purpose: On what does each agent spend its calls, and how many does a run take?
-- grain: one row an agent and call type; a run is a task, or the trace of calls that name no task
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
--   agent                name    agent, or (no agent)
--   kind                 name    llm, embedding or tool
--   call_type            name    operation and model asked for, or the tool's name
--   runs                 runs    runs of the agent
--   agent_calls          calls   calls of the agent, all types
--   agent_calls_per_run  ratio   agent_calls / runs
--   calls                calls   calls of this type
--   calls_per_run        ratio   calls / runs
--   call_share           share   calls / agent_calls, 0 to 1
--   errors               calls   calls of this type that failed
--   total_cost_usd       USD     cost of the priced calls; null when none is priced
--   unpriced_calls       calls   billable calls without a known cost, which total_cost_usd leaves out
--   unpriced_tokens      tokens  input and output of those calls, as far as known; null when none told
-- chart: stack of calls_per_run by agent
-- table:
--   agent runs agent_calls_per_run call_type calls calls_per_run call_share errors total_cost_usd
--   unpriced_calls
WITH
    g.kind != 'tool' AND NOT g.is_priced AS is_unpriced,
    if(g.request_model = '', g.response_model, g.request_model) AS model_name,
    typed AS (
        SELECT
            if(g.agent = '', '(no agent)', g.agent) AS agent_name,
            g.kind AS call_kind,
            multiIf(
                g.kind != 'tool', trimRight(concat(g.operation, ' ', model_name)),
                g.tool_name = '', '(unnamed tool)',
                g.tool_name
            ) AS type_name,
            groupArrayArray(g.run_keys) AS type_runs,
            sum(g.calls) AS type_calls,
            sumIf(g.calls, g.status = 'error') AS type_errors,
            sum(g.cost_usd) AS type_cost_usd,
            sumIf(g.calls, is_unpriced) AS type_unpriced_calls,
            if(type_unpriced_calls = 0, 0, sumIf(g.known_tokens, is_unpriced)) AS type_unpriced_tokens
        FROM call_groups(if({user:String} = '' AND {task:String} = '', 'day', 'run')) AS g
        WHERE ({team:String} = '' OR g.team = {team:String})
          AND ({agent:String} = '' OR g.agent = {agent:String})
          AND ({user:String} = '' OR g.user = {user:String})
          AND ({task:String} = '' OR g.task = {task:String})
          AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
        GROUP BY agent_name, call_kind, type_name
    )
SELECT
    agent_name AS agent,
    call_kind AS kind,
    type_name AS call_type,
    uniqExactArray(type_runs) OVER of_agent AS runs,
    sum(type_calls) OVER of_agent AS agent_calls,
    agent_calls / runs AS agent_calls_per_run,
    type_calls AS calls,
    calls / runs AS calls_per_run,
    calls / agent_calls AS call_share,
    type_errors AS errors,
    type_cost_usd AS total_cost_usd,
    type_unpriced_calls AS unpriced_calls,
    type_unpriced_tokens AS unpriced_tokens
FROM typed
WINDOW of_agent AS (PARTITION BY agent_name)
ORDER BY agent_calls_per_run DESC, agent, calls DESC, call_type, kind
LIMIT if({limit:UInt64} = 0, 18446744073709551615, {limit:UInt64})
