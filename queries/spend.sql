-- title: Spend
-- purpose: What was spent by team, agent, user, model or service, or by any two of them?
-- grain: one row a group, dearest first; tool executions have no model and stand under (no model)
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
--   by     Enum8('team', 'agent', 'user', 'model', 'service')  team                  what a group is
--   then   Enum8('', 'team', 'agent', 'user', 'model', 'service')  ''                    by what a group is divided further; '' is not at all
-- columns:
--   group                    name    team, agent, user, model or service, or (no team) and so on
--   subgroup                 name    what `then` asks for, of the same kinds; '' where it asks for nothing
--   tasks                    tasks   different tasks named by these calls
--   calls                    calls   all calls of the group, tool executions included
--   llm_calls                calls   calls of a language model
--   embedding_calls          calls   calls of an embedding model
--   tool_calls               calls   tool executions
--   failed_calls             calls   calls of any kind that failed
--   total_input_tokens       tokens  all input, cache reads and writes included; null when no call told
--   total_cache_read_tokens  tokens  the part of the input served from the provider's cache
--   total_output_tokens      tokens  all output, reasoning included
--   total_cost_usd           USD     cost of the priced calls; null when none is priced
--   unpriced_calls           calls   billable calls without a known cost, which total_cost_usd leaves out
--   unpriced_tokens          tokens  input and output of those calls, as far as known; null when none told
-- chart: bar of total_cost_usd by group
-- table:
--   group subgroup tasks calls failed_calls total_input_tokens total_cache_read_tokens
--   total_output_tokens total_cost_usd unpriced_calls
WITH
    toString({by:Enum8('team', 'agent', 'user', 'model', 'service')}) AS by_field,
    toString({then:Enum8('', 'team', 'agent', 'user', 'model', 'service')}) AS then_field,
    g.kind != 'tool' AND NOT g.is_priced AS is_unpriced,
    if(g.response_model = '', g.request_model, g.response_model) AS model_name,
    (field -> multiIf(
        field = 'team', toString(g.team),
        field = 'agent', toString(g.agent),
        field = 'user', g.user,
        field = 'model', toString(model_name),
        field = 'service', toString(g.service),
        ''
    )) AS value_of
SELECT
    if(value_of(by_field) = '', concat('(no ', by_field, ')'), value_of(by_field)) AS group,
    if(then_field != '' AND value_of(then_field) = '', concat('(no ', then_field, ')'), value_of(then_field)) AS subgroup,
    uniqExactArrayIf(g.run_keys, g.names_task) AS tasks,
    sum(g.calls) AS calls,
    sumIf(g.calls, g.kind = 'llm') AS llm_calls,
    sumIf(g.calls, g.kind = 'embedding') AS embedding_calls,
    sumIf(g.calls, g.kind = 'tool') AS tool_calls,
    sumIf(g.calls, g.status = 'error') AS failed_calls,
    sum(g.input_tokens) AS total_input_tokens,
    sum(g.cache_read_tokens) AS total_cache_read_tokens,
    sum(g.output_tokens) AS total_output_tokens,
    sum(g.cost_usd) AS total_cost_usd,
    sumIf(g.calls, is_unpriced) AS unpriced_calls,
    if(unpriced_calls = 0, 0, sumIf(g.known_tokens, is_unpriced)) AS unpriced_tokens
FROM call_groups(if({user:String} = '' AND {task:String} = '' AND 'user' NOT IN (by_field, then_field), 'day', 'run')) AS g
WHERE ({team:String} = '' OR g.team = {team:String})
  AND ({agent:String} = '' OR g.agent = {agent:String})
  AND ({user:String} = '' OR g.user = {user:String})
  AND ({task:String} = '' OR g.task = {task:String})
  AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
GROUP BY group, subgroup
ORDER BY total_cost_usd DESC NULLS LAST, calls DESC, group, subgroup
