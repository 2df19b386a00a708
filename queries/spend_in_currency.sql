-- title: Spend in another currency
-- purpose: What was spent a day in the currency of display, at that day's rate?
-- grain: one row a day (UTC) and currency
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
-- columns:
--   day                      time    the day
--   currency                 name    as the price file names it
--   units_per_usd            amount  units of it for one US dollar that day
--   total_cost_in_currency   amount  cost of the priced calls, converted; null when none is priced
--   total_cost_usd           USD     the same in US dollars, as it is booked
--   unpriced_calls           calls   billable calls without a known cost, which both leave out
--   unpriced_tokens          tokens  input and output of those calls, as far as known; null when none told
-- chart: bar of total_cost_usd by day
SELECT
    toString(d.day) AS day,
    r.currency AS currency,
    toString(r.rate) AS units_per_usd,
    toString(round(d.total_cost_usd * toDecimal256(r.rate, 9), 12)) AS total_cost_in_currency,
    d.total_cost_usd AS total_cost_usd,
    d.unpriced_calls AS unpriced_calls,
    d.unpriced_tokens AS unpriced_tokens
FROM (
    WITH g.kind != 'tool' AND NOT g.is_priced AS is_unpriced
    SELECT
        g.day AS day,
        toDateTime64(day, 0, 'UTC') AS day_start,
        1 AS every,
        sum(g.cost_usd) AS total_cost_usd,
        sumIf(g.calls, is_unpriced) AS unpriced_calls,
        if(
            unpriced_calls = 0,
            0,
            sumIf(g.known_tokens, is_unpriced)
        ) AS unpriced_tokens
    FROM call_groups('day') AS g
    WHERE ({team:String} = '' OR g.team = {team:String})
      AND ({agent:String} = '' OR g.agent = {agent:String})
    GROUP BY day, day_start
) AS d
ASOF JOIN (
    SELECT 1 AS every, currency, valid_from, rate
    FROM display_rate
    WHERE catalogue_version = (SELECT argMax(catalogue_version, recorded_at) FROM display_rate)
) AS r ON d.every = r.every AND d.day_start >= r.valid_from
ORDER BY day, currency
