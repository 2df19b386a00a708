-- title: Cache hits
-- purpose: How much of the input is served from the provider's cache, by agent and model?
-- grain: one row an agent, provider and model, most input first; model calls that told their input
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
-- columns:
--   agent                     name    agent, or (no agent)
--   provider                  name    who bills the calls
--   model                     name    model that answered, or the one asked for
--   calls                     calls   calls of a language model that told their input
--   calls_with_hits           calls   calls among them that read from the cache
--   total_input_tokens        tokens  all input
--   total_cache_read_tokens   tokens  the part served from the cache
--   total_cache_write_tokens  tokens  the part written to the cache
--   total_uncached_tokens     tokens  the part that was neither
--   cache_hit_share           share   total_cache_read_tokens / total_input_tokens, 0 to 1
--   reads_per_write           ratio   total_cache_read_tokens / total_cache_write_tokens; null without writes
-- chart: bar of cache_hit_share by agent
-- table:
--   agent model calls calls_with_hits total_input_tokens total_cache_read_tokens total_cache_write_tokens
--   cache_hit_share reads_per_write
SELECT
    if(g.agent = '', '(no agent)', g.agent) AS agent,
    g.provider AS provider,
    coalesce(nullIf(g.response_model, ''), nullIf(g.request_model, ''), '(no model)') AS model,
    sum(g.calls) AS calls,
    sum(g.calls_with_hits) AS calls_with_hits,
    sum(assumeNotNull(g.input_tokens)) AS total_input_tokens,
    sum(coalesce(g.cache_read_tokens, 0)) AS total_cache_read_tokens,
    sum(coalesce(g.cache_write_tokens, 0)) AS total_cache_write_tokens,
    total_input_tokens - total_cache_read_tokens - total_cache_write_tokens AS total_uncached_tokens,
    total_cache_read_tokens / nullIf(total_input_tokens, 0) AS cache_hit_share,
    total_cache_read_tokens / nullIf(total_cache_write_tokens, 0) AS reads_per_write
FROM call_groups(if({user:String} = '' AND {task:String} = '', 'day', 'run')) AS g
WHERE ({team:String} = '' OR g.team = {team:String})
  AND ({agent:String} = '' OR g.agent = {agent:String})
  AND ({user:String} = '' OR g.user = {user:String})
  AND ({task:String} = '' OR g.task = {task:String})
  AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
  AND g.kind = 'llm' AND g.told_input
GROUP BY agent, provider, model
ORDER BY total_input_tokens DESC, agent, provider, model
