-- title: Timeline of a task
-- purpose: What did a task do, one call after the other, and what did each cost?
-- grain: one row a call or tool execution of the task that is asked for, oldest first; none without one
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
-- columns:
--   call_id              name    identity of the call across its copies
--   trace_id             name    its trace
--   span_id              name    its span
--   offset_ms            ms      start of the task's first call to the start of this one
--   duration_ms          ms      start to end
--   ttft_ms              ms      time to the first token; null when not told
--   agent                name    agent that made it
--   kind                 name    llm, embedding or tool
--   name                 name    model that answered, or the one asked for; or the tool
--   status               name    ok or error
--   error_type           name    class of the error
--   input_tokens         tokens  all input, cache reads and writes included
--   cache_read_tokens    tokens  part of the input read from the cache
--   cache_write_tokens   tokens  part of the input written to the cache
--   output_tokens        tokens  all output, reasoning included
--   tool_arguments_hash  name    hash of the tool's arguments
--   cost_usd             USD     by the price card; null when the call cannot be priced
--   cost_so_far_usd      USD     cost of the priced calls up to this one
--   price_status         name    priced, or why it is not
-- chart: table
-- table:
--   offset_ms duration_ms agent kind name status input_tokens cache_read_tokens output_tokens cost_usd cost_so_far_usd
SELECT
    c.call_id AS call_id,
    c.trace_id AS trace_id,
    c.span_id AS span_id,
    (toUnixTimestamp64Nano(c.started_at) - min(toUnixTimestamp64Nano(c.started_at)) OVER ()) / 1000000 AS offset_ms,
    c.duration_ms AS duration_ms,
    c.ttft_ms AS ttft_ms,
    c.agent AS agent,
    c.kind AS kind,
    multiIf(
        c.kind != 'tool', coalesce(nullIf(c.response_model, ''), nullIf(c.request_model, ''), '(no model)'),
        c.tool_name = '', '(unnamed tool)',
        c.tool_name
    ) AS name,
    c.status AS status,
    c.error_type AS error_type,
    c.input_tokens AS input_tokens,
    c.cache_read_tokens AS cache_read_tokens,
    c.cache_write_tokens AS cache_write_tokens,
    c.output_tokens AS output_tokens,
    c.tool_arguments_hash AS tool_arguments_hash,
    c.cost_usd AS cost_usd,
    sum(c.cost_usd) OVER (ORDER BY c.started_at, c.call_id ROWS UNBOUNDED PRECEDING) AS cost_so_far_usd,
    c.price_status AS price_status
FROM calls AS c FINAL
WHERE c.started_at >= {since:DateTime64(9, 'UTC')} AND c.started_at < {until:DateTime64(9, 'UTC')}
  AND ({team:String} = '' OR c.team = {team:String})
  AND ({agent:String} = '' OR c.agent = {agent:String})
  AND ({user:String} = '' OR c.user = {user:String})
  AND ({task:String} = '' OR c.task = {task:String})
  AND ({model:String} = '' OR c.request_model = {model:String} OR c.response_model = {model:String})
  AND c.task != '' AND c.task = {task:String}
ORDER BY c.started_at, c.call_id
