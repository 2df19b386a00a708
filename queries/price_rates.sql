-- title: Price cards
-- purpose: What does a model cost, since when, and how long have we known?
-- grain: one row a card, long-context band, time of day and kind of unit; only kinds with a price
-- parameters:
--   card_id     String  ''  only this card; '' is all
--   card_model  String  ''  only this model, by its name in the catalogue; '' is all
-- columns:
--   card_id             name    identity of a set of rates, as on the rows of the ledger
--   provider            name    who sells it
--   model               name    what is sold
--   tier                name    service tier; '' is standard
--   valid_from          time    first moment it holds
--   valid_to            time    first moment it does not; 2299-12-31 for one that is open
--   above_input_tokens  tokens  the rate is for calls with more input than this; -1 is any
--   from_utc_second     s       the rate holds from this second of the UTC day on
--   kind                name    what is counted
--   usd_per_million     USD     price of a million units
--   source              name    genai-prices, or override
--   source_version      name    its release, or the price file
--   first_recorded_at   time    since when the ledger has known this card
-- chart: table
-- table:
--   provider model tier valid_from valid_to above_input_tokens from_utc_second kind usd_per_million source_version
SELECT
    k.card_id AS card_id,
    k.provider AS provider,
    k.model AS model,
    k.tier AS tier,
    concat(replaceOne(toString(k.valid_from), ' ', 'T'), 'Z') AS valid_from,
    concat(replaceOne(toString(k.valid_to), ' ', 'T'), 'Z') AS valid_to,
    if(r.band = 0, -1, toInt64(k.bands[r.band])) AS above_input_tokens,
    if(r.slot = 0, 0, k.slots[r.slot]) AS from_utc_second,
    rate.1 AS kind,
    toDecimal128(assumeNotNull(rate.2), 9) * toDecimal128('0.000000001', 9) AS usd_per_million,
    k.source AS source,
    k.source_version AS source_version,
    concat(replaceOne(toString(k.first_recorded_at), ' ', 'T'), 'Z') AS first_recorded_at
FROM (
    SELECT card_id, provider, model, tier, valid_from, bands, slots, source, source_version,
        argMax(valid_to, recorded_at) AS valid_to, min(recorded_at) AS first_recorded_at
    FROM price_card
    WHERE ({card_id:String} = '' OR card_id = {card_id:String})
      AND ({card_model:String} = '' OR model = {card_model:String})
    GROUP BY card_id, provider, model, tier, valid_from, bands, slots, source, source_version
) AS k
INNER JOIN (SELECT * FROM price_rate FINAL) AS r ON k.card_id = r.card_id
ARRAY JOIN [
    ('input', r.input), ('cache_read', r.cache_read), ('cache_write_5m', r.cache_write_5m),
    ('cache_write_1h', r.cache_write_1h), ('input_audio', r.input_audio), ('input_image', r.input_image),
    ('output', r.output), ('reasoning', r.reasoning), ('output_audio', r.output_audio),
    ('output_image', r.output_image), ('web_search', r.web_search), ('request', r.request)
] AS rate
WHERE isNotNull(rate.2)
ORDER BY provider, model, tier, valid_from, above_input_tokens, from_utc_second, kind, card_id
