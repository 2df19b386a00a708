-- title: Latency
-- purpose: How long do the models take: to the first token, and in all?
-- grain: one row a provider, model and operation, most calls first; calls that failed are left out
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
-- columns:
--   provider                  name   who answered
--   model                     name   model that answered, or the one asked for
--   operation                 name   chat, embeddings, ...
--   calls                     calls  calls that succeeded
--   streamed_calls            calls  calls among them that told the time to the first token
--   p50_ttft_ms               ms     median time to the first token; null when no call told it
--   p95_ttft_ms               ms     95th percentile of it
--   p50_duration_ms           ms     median duration
--   p95_duration_ms           ms     95th percentile of it
--   output_tokens_per_second  ratio  output of the calls over their duration; null when none told its output
-- chart: bar of p95_duration_ms by model
WITH
    quantilesExactArray(0.5, 0.95)(g.ttfts_ms) AS ttfts,
    quantilesExactArray(0.5, 0.95)(g.durations_ms) AS durations
SELECT
    g.provider AS provider,
    coalesce(nullIf(g.response_model, ''), nullIf(g.request_model, ''), '(no model)') AS model,
    g.operation AS operation,
    sum(g.calls) AS calls,
    sum(length(g.ttfts_ms)) AS streamed_calls,
    if(streamed_calls = 0, NULL, ttfts[1]) AS p50_ttft_ms,
    if(streamed_calls = 0, NULL, ttfts[2]) AS p95_ttft_ms,
    durations[1] AS p50_duration_ms,
    durations[2] AS p95_duration_ms,
    1000000000 * sum(g.output_tokens) / nullIf(sum(g.answering_ns), 0) AS output_tokens_per_second
FROM call_groups(if({user:String} = '' AND {task:String} = '', 'day', 'run')) AS g
WHERE ({team:String} = '' OR g.team = {team:String})
  AND ({agent:String} = '' OR g.agent = {agent:String})
  AND ({user:String} = '' OR g.user = {user:String})
  AND ({task:String} = '' OR g.task = {task:String})
  AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
  AND g.kind != 'tool' AND g.status = 'ok'
GROUP BY provider, model, operation
ORDER BY calls DESC, provider, model, operation
