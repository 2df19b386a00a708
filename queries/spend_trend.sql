-- title: Course of spend
-- purpose: How does spend move from hour to hour, day to day or week to week, and what moved it?
-- grain: one row a period (UTC, weeks start on Monday) that has calls or follows one that has; oldest first
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
--   step   Enum8('hour', 'day', 'week')  day                   how long a period is
-- columns:
--   period                time    start of the period; ISO 8601, UTC
--   calls                 calls   all calls, tool executions included
--   priced_calls          calls   billable calls with a known cost: what the changes are worked out from
--   change_usd            USD     total_cost_usd less that of the period before; the next four add up to it; null in the first period
--   change_by_volume_usd  USD     more or fewer calls, at the mean cost of a call before
--   change_by_mix_usd     USD     a dearer or cheaper mix of models, each at its mean cost before; models new here included
--   change_by_tokens_usd  USD     more or fewer tokens a call, cache hits included, at the rates before
--   change_by_price_usd   USD     other rates for a kind of token of the same model, where the price cards tell them
--   total_cost_usd        USD     cost of the priced calls; null when none is priced
--   unpriced_calls        calls   billable calls without a known cost, which total_cost_usd leaves out
--   unpriced_tokens       tokens  input and output of those calls, as far as known; null when none told
-- chart: bar of total_cost_usd by period
-- table:
--   period calls change_usd change_by_volume_usd change_by_mix_usd change_by_tokens_usd change_by_price_usd
--   total_cost_usd unpriced_calls
WITH
    toString({step:Enum8('hour', 'day', 'week')}) AS step_name,
    multiIf(step_name = 'hour', 3600, step_name = 'day', 86400, 604800) AS step_s,
    if(step_name = 'week', 3 * 86400, 0) AS monday_s,
    g.kind != 'tool' AND NOT g.is_priced AS is_unpriced,
    g.kind != 'tool' AND g.is_priced AS is_charged,
    charged AS (
        SELECT
            intDiv(toUnixTimestamp(g.hour) + monday_s, step_s) * step_s - monday_s AS period_s,
            g.provider AS provider_name,
            if(g.response_model = '', g.request_model, g.response_model) AS model_name,
            g.price_card_id AS card_id,
            g.price_band AS band,
            g.price_slot AS slot,
            sum(g.calls) AS group_calls,
            sumIf(g.calls, is_charged) AS group_priced_calls,
            sum(g.cost_usd) AS group_cost_usd,
            sumIf(g.calls, is_unpriced) AS group_unpriced_calls,
            sumIf(g.known_tokens, is_unpriced) AS group_unpriced_tokens,
            [
                sumIf(toInt64(coalesce(g.input_tokens, 0)) - toInt64(coalesce(g.cache_read_tokens, 0))
                    - toInt64(coalesce(g.cache_write_tokens, 0)), is_charged),
                sumIf(toInt64(coalesce(g.cache_read_tokens, 0)), is_charged),
                sumIf(toInt64(coalesce(g.cache_write_tokens, 0)) - toInt64(coalesce(g.cache_write_1h_tokens, 0)), is_charged),
                sumIf(toInt64(coalesce(g.cache_write_1h_tokens, 0)), is_charged),
                sumIf(toInt64(coalesce(g.output_tokens, 0)) - toInt64(coalesce(g.reasoning_tokens, 0)), is_charged),
                sumIf(toInt64(coalesce(g.reasoning_tokens, 0)), is_charged)
            ] AS units
        FROM call_groups(if({user:String} = '' AND {task:String} = '' AND step_name != 'hour', 'day', 'run')) AS g
        WHERE ({team:String} = '' OR g.team = {team:String})
          AND ({agent:String} = '' OR g.agent = {agent:String})
          AND ({user:String} = '' OR g.user = {user:String})
          AND ({task:String} = '' OR g.task = {task:String})
          AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
        GROUP BY period_s, provider_name, model_name, card_id, band, slot
    ),
    costed AS (
        SELECT
            h.*,
            arrayResize(r.rate, 6, NULL) AS prices,
            arrayMap((unit, price) -> if(price IS NULL, 0, toInt256(unit)), units, prices) AS known,
            arrayMap((unit, price) -> unit * toInt256(coalesce(price, 0)), known, prices) AS femto_usd
        FROM charged AS h
        LEFT JOIN (
            SELECT card_id, band, slot, [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning] AS rate
            FROM price_rate FINAL
        ) AS r ON h.card_id = r.card_id AND h.band = r.band AND h.slot = r.slot
    ),
    -- Each figure counts for its own period, and as the former one for the period that follows.
    compared AS (
        SELECT
            g.period_s + after * step_s AS at_s,
            g.provider_name,
            g.model_name,
            sumIf(g.group_calls, after = 0) AS now_calls,
            sumIf(g.group_priced_calls, after = 0) AS now_priced_calls,
            sumIf(g.group_priced_calls, after = 1) AS former_priced_calls,
            sumIf(g.group_cost_usd, after = 0) AS now_cost_usd,
            toDecimal256(coalesce(now_cost_usd, 0), 12) AS now_usd,
            toDecimal256(coalesce(sumIf(g.group_cost_usd, after = 1), 0), 12) AS former_usd,
            sumIf(g.group_unpriced_calls, after = 0) AS now_unpriced_calls,
            sumIf(g.group_unpriced_tokens, after = 0) AS now_unpriced_tokens,
            sumForEach(arrayMap(unit -> if(after = 0, unit, 0), known)) AS now_units,
            sumForEach(arrayMap(unit -> if(after = 1, unit, 0), known)) AS former_units,
            sumForEach(arrayMap(part -> if(after = 0, part, 0), femto_usd)) AS now_femto_usd,
            sumForEach(arrayMap(part -> if(after = 1, part, 0), femto_usd)) AS former_femto_usd,
            arraySum(arrayMap(
                (unit, part, former_unit, former_part) ->
                    if(unit = 0 OR former_unit = 0, 0, part - intDiv(unit * former_part, former_unit)),
                now_units, now_femto_usd, former_units, former_femto_usd
            )) AS price_femto_usd
        FROM costed AS g
        ARRAY JOIN [0, 1] AS after
        GROUP BY at_s, g.provider_name, g.model_name
    ),
    totals AS (
        SELECT
            at_s,
            sum(now_calls) AS period_calls,
            sum(now_priced_calls) AS period_priced_calls,
            sum(former_priced_calls) AS before_priced_calls,
            sum(now_cost_usd) AS period_cost_usd,
            sum(now_usd) AS period_usd,
            sum(former_usd) AS before_usd,
            sum(now_unpriced_calls) AS period_unpriced_calls,
            sum(now_unpriced_tokens) AS period_unpriced_tokens,
            sum(if(former_priced_calls = 0, now_usd, former_usd * now_priced_calls / former_priced_calls)) AS at_former_means_usd,
            if(before_priced_calls = 0, at_former_means_usd, before_usd * period_priced_calls / before_priced_calls)
                AS at_former_mean_usd,
            toDecimal256(intDiv(sum(price_femto_usd), 1000), 0) * toDecimal256('0.000000000001', 12) AS by_price_usd
        FROM compared
        GROUP BY at_s
    )
SELECT
    concat(replaceOne(toString(toDateTime(at_s, 'UTC')), ' ', 'T'), 'Z') AS period,
    period_calls AS calls,
    period_priced_calls AS priced_calls,
    if(is_first, NULL, toDecimal128(period_usd - before_usd, 12)) AS change_usd,
    if(is_first, NULL, toDecimal128(at_former_mean_usd - before_usd, 12)) AS change_by_volume_usd,
    if(is_first, NULL, toDecimal128(at_former_means_usd - at_former_mean_usd, 12)) AS change_by_mix_usd,
    if(is_first, NULL, toDecimal128(period_usd - at_former_means_usd - by_price_usd, 12)) AS change_by_tokens_usd,
    if(is_first, NULL, toDecimal128(by_price_usd, 12)) AS change_by_price_usd,
    period_cost_usd AS total_cost_usd,
    period_unpriced_calls AS unpriced_calls,
    if(unpriced_calls = 0, 0, period_unpriced_tokens) AS unpriced_tokens
FROM (
    SELECT *, maxIf(at_s, period_calls > 0) OVER () AS last_s, min(at_s) OVER () = at_s AS is_first
    FROM totals
)
WHERE at_s <= last_s
ORDER BY period
