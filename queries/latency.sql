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
SELECT
    c.provider AS provider,
    coalesce(nullIf(c.response_model, ''), nullIf(c.request_model, ''), '(no model)') AS model,
    c.operation AS operation,
    count() AS calls,
    countIf(c.ttft_ms IS NOT NULL) AS streamed_calls,
    quantileExact(0.5)(c.ttft_ms) AS p50_ttft_ms,
    quantileExact(0.95)(c.ttft_ms) AS p95_ttft_ms,
    quantileExact(0.5)(c.duration_ms) AS p50_duration_ms,
    quantileExact(0.95)(c.duration_ms) AS p95_duration_ms,
    1000 * sum(c.output_tokens) / nullIf(sumIf(c.duration_ms, c.output_tokens IS NOT NULL), 0)
        AS output_tokens_per_second
FROM calls AS c FINAL
WHERE c.started_at >= {since:DateTime64(9, 'UTC')} AND c.started_at < {until:DateTime64(9, 'UTC')}
  AND ({team:String} = '' OR c.team = {team:String})
  AND ({agent:String} = '' OR c.agent = {agent:String})
  AND ({user:String} = '' OR c.user = {user:String})
  AND ({task:String} = '' OR c.task = {task:String})
  AND ({model:String} = '' OR c.request_model = {model:String} OR c.response_model = {model:String})
  AND c.kind != 'tool' AND c.status = 'ok'
GROUP BY provider, model, operation
ORDER BY calls DESC, provider, model, operation
