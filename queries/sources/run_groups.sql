-- The calls from `since` until `until` by run, agent, team and user: roll-ups of whole days and hours, groups of calls for the rest, and
-- for all where a model is picked, as one run may use several.
WITH
    (
        SELECT groupArray((r.day, r.built))
        FROM rolled_periods() AS r
    ) AS rolled
SELECT
    run_key,
    names_task,
    task,
    agent,
    team,
    user,
    '' AS request_model,
    '' AS response_model,
    calls,
    llm_calls,
    embedding_calls,
    tool_calls,
    failed_calls,
    tool_errors,
    priced_calls,
    input_tokens,
    cache_read_tokens,
    output_tokens,
    cost_usd,
    unpriced_calls,
    unpriced_tokens,
    first_started_at,
    last_ended_ns
FROM run_rollup
WHERE {model:String} = '' AND (day, built) IN (SELECT arrayJoin(rolled))
UNION ALL
SELECT
    h.run_keys[1] AS run_key,
    h.names_task AS names_task,
    h.task AS task,
    h.agent AS agent,
    h.team AS team,
    h.user AS user,
    h.request_model AS request_model,
    h.response_model AS response_model,
    h.calls AS calls,
    if(h.kind = 'llm', h.calls, 0) AS llm_calls,
    if(h.kind = 'embedding', h.calls, 0) AS embedding_calls,
    if(h.kind = 'tool', h.calls, 0) AS tool_calls,
    if(h.status = 'error', h.calls, 0) AS failed_calls,
    if(h.kind = 'tool' AND h.status = 'error', h.calls, 0) AS tool_errors,
    if(h.kind != 'tool' AND h.is_priced, h.calls, 0) AS priced_calls,
    h.input_tokens AS input_tokens,
    h.cache_read_tokens AS cache_read_tokens,
    h.output_tokens AS output_tokens,
    h.cost_usd AS cost_usd,
    if(h.kind != 'tool' AND NOT h.is_priced, h.calls, 0) AS unpriced_calls,
    if(h.kind != 'tool' AND NOT h.is_priced, h.known_tokens, NULL) AS unpriced_tokens,
    h.first_started_at AS first_started_at,
    h.last_ended_ns AS last_ended_ns
FROM call_groups(if({model:String} = '', '', 'run')) AS h
