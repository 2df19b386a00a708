-- What one unit of each kind costs, by price card: for each band and slot the rates of input, cache read, cache write of five
-- minutes and of an hour, output and reasoning, in femto-USD (1e-15 US dollars), null where there is no price. `bands` and
-- `slots` say where each begins.
SELECT
    p.card_id AS card_id,
    any(p.bands) AS bands,
    any(p.slots) AS slots,
    groupUniqArray((
        r.band, r.slot, [r.input, r.cache_read, r.cache_write_5m, r.cache_write_1h, r.output, r.reasoning]
    )) AS rates
FROM price_card AS p
INNER JOIN (SELECT * FROM price_rate FINAL) AS r ON p.card_id = r.card_id
GROUP BY card_id
