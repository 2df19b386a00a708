-- title: Spend by model
-- purpose: What did each model cost?
-- grain: one row a provider and model, dearest first; tool executions have no model and are left out
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
-- columns:
--   provider                 name    who bills the calls
--   model                    name    model that answered, else the one asked for
--   tasks                    tasks   different tasks named by these calls
--   calls                    calls   billable calls
--   embedding_calls          calls   calls of an embedding model among them
--   failed_calls             calls   calls among them that ended in an error
--   total_input_tokens       tokens  all input, cache reads and writes included; null when no call told
--   total_cache_read_tokens  tokens  the part of the input served from the provider's cache
--   total_output_tokens      tokens  all output, reasoning included
--   total_cost_usd           USD     cost of the priced calls; null when none is priced
--   unpriced_calls           calls   billable calls without a known cost, which total_cost_usd leaves out
--   unpriced_tokens          tokens  input and output of those calls, as far as known; null when none told
-- chart: bar of total_cost_usd by model
WITH
    g.kind != 'tool' AND NOT g.is_priced AS is_unpriced
SELECT
    if(g.provider = '', '(no provider)', g.provider) AS provider,
    coalesce(nullIf(g.response_model, ''), nullIf(g.request_model, ''), '(no model)') AS model,
    uniqExactArrayIf(g.run_keys, g.names_task) AS tasks,
    sum(g.calls) AS calls,
    sumIf(g.calls, g.kind = 'embedding') AS embedding_calls,
    sumIf(g.calls, g.status = 'error') AS failed_calls,
    sum(g.input_tokens) AS total_input_tokens,
    sum(g.cache_read_tokens) AS total_cache_read_tokens,
    sum(g.output_tokens) AS total_output_tokens,
    sum(g.cost_usd) AS total_cost_usd,
    sumIf(g.calls, is_unpriced) AS unpriced_calls,
    if(unpriced_calls = 0, 0, sumIf(g.known_tokens, is_unpriced)) AS unpriced_tokens
FROM call_groups(if({user:String} = '' AND {task:String} = '', 'day', 'run')) AS g
WHERE ({team:String} = '' OR g.team = {team:String})
  AND ({agent:String} = '' OR g.agent = {agent:String})
  AND ({user:String} = '' OR g.user = {user:String})
  AND ({task:String} = '' OR g.task = {task:String})
  AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
  AND g.kind != 'tool'
GROUP BY provider, model
ORDER BY total_cost_usd DESC NULLS LAST, calls DESC, provider, model
