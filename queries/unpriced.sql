-- title: Unpriced
-- purpose: Which calls have no price of ours, and why? The work list for price overrides.
-- grain: one row a set of raw names and reason, most calls first
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
-- columns:
--   provider             name    as the emitter named it
--   request_model        name    model asked for
--   response_model       name    model that answered
--   operation            name    what was asked of it
--   price_status         name    why there is no price
--   unpriced_calls       calls   calls without a known cost
--   unpriced_tokens      tokens  input and output of these calls, as far as known; null when none told
--   calls_without_usage  calls   calls among them that told no token counts
--   reported_cost_calls  calls   calls that are booked at the cost that their emitter reported
--   first_seen_at        time    start of the first of them; ISO 8601, UTC
--   last_seen_at         time    start of the last of them
-- chart: bar of unpriced_calls by request_model
SELECT
    g.provider AS provider,
    g.request_model AS request_model,
    g.response_model AS response_model,
    g.operation AS operation,
    g.price_status AS price_status,
    sumIf(g.calls, NOT g.is_priced) AS unpriced_calls,
    if(
        unpriced_calls = 0,
        0,
        sumIf(g.known_tokens, NOT g.is_priced)
    ) AS unpriced_tokens,
    sumIf(g.calls_without_tokens, NOT g.is_priced) AS calls_without_usage,
    sumIf(g.calls, g.price_card_id = 'reported') AS reported_cost_calls,
    concat(replaceOne(toString(min(g.first_started_at)), ' ', 'T'), 'Z') AS first_seen_at,
    concat(replaceOne(toString(max(g.last_started_at)), ' ', 'T'), 'Z') AS last_seen_at
FROM call_groups(if({user:String} = '' AND {task:String} = '', 'day', 'run')) AS g
WHERE ({team:String} = '' OR g.team = {team:String})
  AND ({agent:String} = '' OR g.agent = {agent:String})
  AND ({user:String} = '' OR g.user = {user:String})
  AND ({task:String} = '' OR g.task = {task:String})
  AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
  AND g.kind != 'tool' AND (NOT g.is_priced OR g.price_card_id = 'reported')
GROUP BY provider, request_model, response_model, operation, price_status
ORDER BY unpriced_calls + reported_cost_calls DESC, provider, request_model, response_model, operation, price_status
