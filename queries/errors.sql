-- title: Errors
-- purpose: What fails, for whom, how often, and what did the failures cost?
-- grain: one row a kind of error, model or tool, and agent; most failures first
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
-- columns:
--   kind             name    llm, embedding or tool
--   name             name    model asked for, or the tool
--   error_type       name    class of the error, or (not told)
--   agent            name    agent whose call failed, or (no agent)
--   failed_calls     calls   calls that failed so
--   tasks            tasks   different tasks they were for
--   total_cost_usd   USD     what they cost all the same; null when none has a known cost
--   unpriced_calls   calls   billable calls among them without a known cost
--   unpriced_tokens  tokens  input and output of those, as far as known; null when none told
--   first_seen_at    time    start of the first; ISO 8601, UTC
--   last_seen_at     time    start of the last
-- chart: bar of failed_calls by name
-- table:
--   kind name error_type agent failed_calls tasks total_cost_usd unpriced_calls last_seen_at
WITH
    g.kind != 'tool' AND NOT g.is_priced AS is_unpriced
SELECT
    g.kind AS kind,
    multiIf(
        g.kind != 'tool', coalesce(nullIf(g.request_model, ''), nullIf(g.response_model, ''), '(no model)'),
        g.tool_name = '', '(unnamed tool)',
        g.tool_name
    ) AS name,
    if(g.error_type = '', '(not told)', g.error_type) AS error_type,
    if(g.agent = '', '(no agent)', g.agent) AS agent,
    sum(g.calls) AS failed_calls,
    uniqExactArrayIf(g.run_keys, g.names_task) AS tasks,
    sum(g.cost_usd) AS total_cost_usd,
    sumIf(g.calls, is_unpriced) AS unpriced_calls,
    if(unpriced_calls = 0, 0, sumIf(g.known_tokens, is_unpriced)) AS unpriced_tokens,
    concat(replaceOne(toString(min(g.first_started_at)), ' ', 'T'), 'Z') AS first_seen_at,
    concat(replaceOne(toString(max(g.last_started_at)), ' ', 'T'), 'Z') AS last_seen_at
FROM call_groups(if({user:String} = '' AND {task:String} = '', 'day', 'run')) AS g
WHERE ({team:String} = '' OR g.team = {team:String})
  AND ({agent:String} = '' OR g.agent = {agent:String})
  AND ({user:String} = '' OR g.user = {user:String})
  AND ({task:String} = '' OR g.task = {task:String})
  AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
  AND g.status = 'error'
GROUP BY kind, name, error_type, agent
ORDER BY failed_calls DESC, kind, name, error_type, agent
