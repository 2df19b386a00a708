-- title: Calls
-- purpose: Which calls were made, by whom, at what cost?
-- grain: one row a billable call or tool execution, duplicates merged; newest first
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
--   call_id                name    identity of the call across its copies
--   kind                   name    llm, embedding or tool
--   trace_id               name    trace of the span that tells most of the call
--   span_id                name    that span
--   started_at             time    ISO 8601, UTC, nanoseconds
--   duration_ms            ms      start to end
--   ttft_ms                ms      time to the first token; null when not told
--   status                 name    ok or error
--   error_type             name    class of the error
--   service                name    service.name of the emitter
--   dialect                name    convention that the emitter speaks
--   provider               name    who bills the call
--   operation              name    chat, embeddings, execute_tool, ...
--   request_model          name    model asked for
--   response_model         name    model that answered
--   response_id            name    the provider's id of the answer
--   stream                 flag    whether the answer was streamed
--   input_tokens           tokens  all input, cache reads and writes included
--   cache_read_tokens      tokens  part of the input read from the cache
--   cache_write_tokens     tokens  part of the input written to the cache
--   cache_write_1h_tokens  tokens  part of those writes that lives for one hour
--   output_tokens          tokens  all output, reasoning included
--   reasoning_tokens       tokens  part of the output that was reasoning
--   usage_status           name    reported, estimated or missing
--   cost_usd               USD     by the price card; null when the call cannot be priced
--   reported_cost_usd      USD     what the emitter said it cost; null when it said nothing
--   price_status           name    priced, or why it is not
--   price_card_id          name    the price card used
--   tool_name              name    tool that ran
--   tool_call_id           name    id the model gave the tool call
--   tool_arguments_hash    name    hash of the tool's arguments
--   task                   name    task it was for
--   agent                  name    agent that made it
--   team                   name    team that pays
--   user                   name    user it was for
--   session                name    conversation it belongs to
-- chart: table
-- table:
--   started_at agent task kind response_model tool_name status input_tokens output_tokens cost_usd
--   price_status
WITH
    -- Where not all are asked for, hours before the one that completes them need not be read; roll-ups tell which that is.
    (
        SELECT max(d.hour)
        FROM (
            SELECT c.hour AS hour, sum(sum(c.calls)) OVER (ORDER BY c.hour DESC) AS calls_since
            FROM call_rollup AS c
            WHERE c.grain = if({user:String} = '' AND {task:String} = '', 'day', 'run')
              AND (c.day, c.built) IN (
                  SELECT r.day, r.built
                  FROM rolled_periods() AS r
              )
              AND ({team:String} = '' OR c.team = {team:String})
              AND ({agent:String} = '' OR c.agent = {agent:String})
              AND ({user:String} = '' OR c.user = {user:String})
              AND ({task:String} = '' OR c.task = {task:String})
              AND ({model:String} = '' OR c.request_model = {model:String} OR c.response_model = {model:String})
            GROUP BY hour
        ) AS d
        WHERE {limit:UInt64} > 0 AND d.calls_since >= {limit:UInt64}
    ) AS first_hour
SELECT
    c.call_id AS call_id,
    c.kind AS kind,
    c.trace_id AS trace_id,
    c.span_id AS span_id,
    concat(replaceOne(toString(c.started_at), ' ', 'T'), 'Z') AS started_at,
    c.duration_ms AS duration_ms,
    c.ttft_ms AS ttft_ms,
    c.status AS status,
    c.error_type AS error_type,
    c.service AS service,
    c.dialect AS dialect,
    c.provider AS provider,
    c.operation AS operation,
    c.request_model AS request_model,
    c.response_model AS response_model,
    c.response_id AS response_id,
    c.stream AS stream,
    c.input_tokens AS input_tokens,
    c.cache_read_tokens AS cache_read_tokens,
    c.cache_write_tokens AS cache_write_tokens,
    c.cache_write_1h_tokens AS cache_write_1h_tokens,
    c.output_tokens AS output_tokens,
    c.reasoning_tokens AS reasoning_tokens,
    c.usage_status AS usage_status,
    c.cost_usd AS cost_usd,
    c.reported_cost_usd AS reported_cost_usd,
    c.price_status AS price_status,
    c.price_card_id AS price_card_id,
    c.tool_name AS tool_name,
    c.tool_call_id AS tool_call_id,
    c.tool_arguments_hash AS tool_arguments_hash,
    c.task AS task,
    c.agent AS agent,
    c.team AS team,
    c.user AS user,
    c.session AS session
FROM calls AS c FINAL
PREWHERE toDate(c.started_at) >= toDate(first_hour)
    AND (toDate(c.started_at) > toDate(first_hour) OR toHour(c.started_at) >= toHour(first_hour))
WHERE c.started_at >= {since:DateTime64(9, 'UTC')} AND c.started_at < {until:DateTime64(9, 'UTC')}
  AND ({team:String} = '' OR c.team = {team:String})
  AND ({agent:String} = '' OR c.agent = {agent:String})
  AND ({user:String} = '' OR c.user = {user:String})
  AND ({task:String} = '' OR c.task = {task:String})
  AND ({model:String} = '' OR c.request_model = {model:String} OR c.response_model = {model:String})
ORDER BY c.started_at DESC, c.call_id
LIMIT if({limit:UInt64} = 0, 18446744073709551615, {limit:UInt64})
