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
    c.kind != 'tool' AND c.cost_usd IS NULL AS is_unpriced,
    coalesce(c.input_tokens + c.output_tokens, c.input_tokens, c.output_tokens) AS known_tokens,
    if(c.response_model = '', c.request_model, c.response_model) AS model_name,
    (field -> multiIf(
        field = 'team', toString(c.team),
        field = 'agent', toString(c.agent),
        field = 'user', c.user,
        field = 'model', toString(model_name),
        field = 'service', toString(c.service),
        ''
    )) AS value_of
SELECT
    if(value_of(by_field) = '', concat('(no ', by_field, ')'), value_of(by_field)) AS group,
    if(then_field != '' AND value_of(then_field) = '', concat('(no ', then_field, ')'), value_of(then_field)) AS subgroup,
    uniqExactIf(c.task, c.task != '') AS tasks,
    count() AS calls,
    countIf(c.kind = 'llm') AS llm_calls,
    countIf(c.kind = 'embedding') AS embedding_calls,
    countIf(c.kind = 'tool') AS tool_calls,
    countIf(c.status = 'error') AS failed_calls,
    sum(c.input_tokens) AS total_input_tokens,
    sum(c.cache_read_tokens) AS total_cache_read_tokens,
    sum(c.output_tokens) AS total_output_tokens,
    sum(c.cost_usd) AS total_cost_usd,
    countIf(is_unpriced) AS unpriced_calls,
    if(unpriced_calls = 0, 0, sumIf(known_tokens, is_unpriced)) AS unpriced_tokens
FROM calls AS c FINAL
WHERE c.started_at >= {since:DateTime64(9, 'UTC')} AND c.started_at < {until:DateTime64(9, 'UTC')}
  AND ({team:String} = '' OR c.team = {team:String})
  AND ({agent:String} = '' OR c.agent = {agent:String})
  AND ({user:String} = '' OR c.user = {user:String})
  AND ({task:String} = '' OR c.task = {task:String})
  AND ({model:String} = '' OR c.request_model = {model:String} OR c.response_model = {model:String})
GROUP BY group, subgroup
ORDER BY total_cost_usd DESC NULLS LAST, calls DESC, group, subgroup
