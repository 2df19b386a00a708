-- title: What if
-- purpose: What would calls have cost at other rates?
-- grain: one row; a call is compared where its cost is known and its usage can be priced at these rates
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
--   rates  String                ''                    USD a million of input, cache read, 5m and 1h cache write, output, reasoning, request; '' is free
--   bands  String                ''                    input tokens above which other rates hold, which stand after a ';' each
-- columns:
--   calls                  calls  calls of a model
--   compared_calls         calls  those of which both costs are known: the base of the figures below
--   compared_cost_usd      USD    what they cost; null when there are none
--   swapped_cost_usd       USD    what they would have cost, likewise
--   estimated_usage_calls  calls  those of them whose token counts are estimates
-- chart: figure of swapped_cost_usd
WITH
    arrayMap(edge -> toInt64(edge), arrayFilter(edge -> edge != '', splitByChar(',', {bands:String}))) AS edges,
    -- In femto-USD a unit, which are whole numbers; null where there is no price.
    arrayMap(
        of_band -> arrayMap(
            rate -> toInt128(toDecimal128OrNull(rate, 9) * toDecimal128(1000000000, 0)), splitByChar(',', of_band)
        ),
        splitByChar(';', {rates:String})
    ) AS rates,
    used AS (
        SELECT
            c.cost_usd AS booked_usd,
            c.usage_status = 'estimated' AS is_estimated,
            isNull(c.input_tokens) AND isNull(c.output_tokens) AS tells_no_total,
            toInt64(coalesce(c.cache_read_tokens, 0)) AS cache_read,
            toInt64(coalesce(c.cache_write_1h_tokens, 0)) AS cache_write_1h,
            toInt64(coalesce(c.cache_write_tokens, c.cache_write_1h_tokens, 0)) AS cache_write,
            cache_write - cache_write_1h AS cache_write_5m,
            toInt64(coalesce(c.reasoning_tokens, 0)) AS reasoning,
            coalesce(toInt64(c.input_tokens), cache_read + cache_write) AS all_input,
            all_input - cache_read - cache_write AS input,
            coalesce(toInt64(c.output_tokens), reasoning) - reasoning AS output,
            rates[arrayCount(edge -> all_input > edge, edges) + 1] AS r
        FROM calls AS c FINAL
        WHERE c.kind != 'tool'
          AND c.started_at >= {since:DateTime64(9, 'UTC')} AND c.started_at < {until:DateTime64(9, 'UTC')}
          AND ({team:String} = '' OR c.team = {team:String})
          AND ({agent:String} = '' OR c.agent = {agent:String})
          AND ({user:String} = '' OR c.user = {user:String})
          AND ({task:String} = '' OR c.task = {task:String})
          AND ({model:String} = '' OR c.request_model = {model:String} OR c.response_model = {model:String})
    ),
    swapped AS (
        SELECT
            u.booked_usd AS booked_usd,
            u.is_estimated AS is_estimated,
            intDiv(
                u.input * coalesce(u.r[1], 0) + u.cache_read * coalesce(u.r[2], 0)
                    + u.cache_write_5m * coalesce(u.r[3], 0) + u.cache_write_1h * coalesce(u.r[4], 0) + u.output * coalesce(u.r[5], 0)
                    + u.reasoning * coalesce(u.r[6], 0) + coalesce(u.r[7], 0) + 500,
                1000
            ) AS pico_usd,
            [u.input, u.cache_read, u.cache_write_5m, u.cache_write_1h, u.output, u.reasoning] AS counts,
            arrayExists((count, n) -> count > 0 AND isNull(u.r[n]), counts, arrayEnumerate(counts)) AS lacks_a_rate,
            arrayExists((count, n) -> count > 0 AND isNotNull(u.r[n]), counts, arrayEnumerate(counts)) AS has_a_rate,
            isNotNull(u.booked_usd) AND (
                {rates:String} = '' OR (
                    least(u.input, u.cache_write_5m, u.output) >= 0
                    AND NOT (u.tells_no_total AND NOT lacks_a_rate AND NOT has_a_rate)
                    AND (NOT lacks_a_rate OR has_a_rate OR pico_usd > 0)
                    -- More than a row of the ledger holds is a mistake in the counts.
                    AND pico_usd < 1000000000000000000
                )
            ) AS is_compared
        FROM used AS u
    )
SELECT
    count() AS calls,
    countIf(s.is_compared) AS compared_calls,
    sumIf(toDecimal128(s.booked_usd, 12), s.is_compared) AS compared_cost_usd,
    toDecimal128(toDecimal256(sumOrNullIf(s.pico_usd, s.is_compared), 0) * toDecimal256('0.000000000001', 12), 12)
        AS swapped_cost_usd,
    countIf(s.is_compared AND s.is_estimated) AS estimated_usage_calls
FROM swapped AS s
