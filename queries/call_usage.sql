-- title: Usage of a call
-- purpose: What did a call use, and which card priced it? The row that a cost is worked out from.
-- grain: one row a call, in order of start
-- parameters:
--   call_id  String  ''  only this call; '' is all
--   team     String  ''  only this team; '' is all
-- columns:
--   call_id                name      identity of the call
--   kind                   name      llm, embedding or tool
--   started_at_ns          ns        start, nanoseconds since the epoch
--   provider               name      as the emitter named it
--   request_model          name      model asked for
--   response_model         name      model that answered
--   service_tier           name      tier that the emitter named
--   input_tokens           tokens    all input, cache reads and writes, audio and images included
--   cache_read_tokens      tokens    part of the input read from the cache
--   cache_write_tokens     tokens    part of the input written to the cache
--   cache_write_1h_tokens  tokens    part of those writes that lives for one hour
--   output_tokens          tokens    all output, reasoning, audio and images included
--   reasoning_tokens       tokens    part of the output that was reasoning
--   input_audio_tokens     tokens    part of the input that was audio
--   output_audio_tokens    tokens    part of the output that was audio
--   web_searches           searches  searches the provider made
--   input_image_tokens     tokens    part of the input that was images
--   output_image_tokens    tokens    part of the output that was images
--   usage_status           name      reported, estimated or missing
--   cost_usd               USD       what is booked; null when the call cannot be priced
--   reported_cost_usd      USD       what the emitter said it cost
--   price_status           name      priced, or why it is not
--   price_card_id          name      the card; `reported` where the emitter's cost was taken
-- chart: table
SELECT
    c.call_id AS call_id,
    c.kind AS kind,
    toUnixTimestamp64Nano(c.started_at) AS started_at_ns,
    c.provider AS provider,
    c.request_model AS request_model,
    c.response_model AS response_model,
    c.service_tier AS service_tier,
    c.input_tokens AS input_tokens,
    c.cache_read_tokens AS cache_read_tokens,
    c.cache_write_tokens AS cache_write_tokens,
    c.cache_write_1h_tokens AS cache_write_1h_tokens,
    c.output_tokens AS output_tokens,
    c.reasoning_tokens AS reasoning_tokens,
    c.input_audio_tokens AS input_audio_tokens,
    c.output_audio_tokens AS output_audio_tokens,
    c.web_searches AS web_searches,
    c.input_image_tokens AS input_image_tokens,
    c.output_image_tokens AS output_image_tokens,
    c.usage_status AS usage_status,
    c.cost_usd AS cost_usd,
    c.reported_cost_usd AS reported_cost_usd,
    c.price_status AS price_status,
    c.price_card_id AS price_card_id
FROM calls AS c FINAL
WHERE ({call_id:String} = '' OR c.call_id = {call_id:String}) AND ({team:String} = '' OR c.team = {team:String})
ORDER BY started_at_ns, call_id
