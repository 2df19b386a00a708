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
    c.kind != 'tool' AND c.cost_usd IS NULL AS is_unpriced,
    coalesce(c.input_tokens + c.output_tokens, c.input_tokens, c.output_tokens) AS known_tokens
SELECT
    c.kind AS kind,
    multiIf(
        c.kind != 'tool', coalesce(nullIf(c.request_model, ''), nullIf(c.response_model, ''), '(no model)'),
        c.tool_name = '', '(unnamed tool)',
        c.tool_name
    ) AS name,
    if(c.error_type = '', '(not told)', c.error_type) AS error_type,
    if(c.agent = '', '(no agent)', c.agent) AS agent,
    count() AS failed_calls,
    uniqExactIf(c.task, c.task != '') AS tasks,
    sum(c.cost_usd) AS total_cost_usd,
    countIf(is_unpriced) AS unpriced_calls,
    if(unpriced_calls = 0, 0, sumIf(known_tokens, is_unpriced)) AS unpriced_tokens,
    concat(replaceOne(toString(min(c.started_at)), ' ', 'T'), 'Z') AS first_seen_at,
    concat(replaceOne(toString(max(c.started_at)), ' ', 'T'), 'Z') AS last_seen_at
FROM calls AS c FINAL
WHERE c.started_at >= {since:DateTime64(9, 'UTC')} AND c.started_at < {until:DateTime64(9, 'UTC')}
  AND ({team:String} = '' OR c.team = {team:String})
  AND ({agent:String} = '' OR c.agent = {agent:String})
  AND ({user:String} = '' OR c.user = {user:String})
  AND ({task:String} = '' OR c.task = {task:String})
  AND ({model:String} = '' OR c.request_model = {model:String} OR c.response_model = {model:String})
  AND c.status = 'error'
GROUP BY kind, name, error_type, agent
ORDER BY failed_calls DESC, kind, name, error_type, agent
