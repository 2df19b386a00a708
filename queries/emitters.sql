-- title: Emitters
-- purpose: Who reports calls, in which convention, how often twice, and what of it is not understood?
-- grain: one row a service and dialect, most calls first; dialect '' is spans that no dialect knows
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
-- columns:
--   service              name   service.name of the emitter
--   dialect              name   convention that the emitter speaks
--   calls                calls  calls and tool executions whose row follows this dialect
--   calls_without_usage  calls  calls among them that were answered and told no token counts
--   duplicates_merged    spans  spans and log records of calls beyond one a call; null when narrowed to some calls
--   wrappers_passed      spans  spans that only repeat what is below them; null when narrowed to some calls
--   unread_attributes    name   attributes that look like token counts or costs and that nobody reads
-- chart: table
WITH
    {team:String} = '' AND {agent:String} = '' AND {user:String} = '' AND {task:String} = '' AND {model:String} = ''
        AS whole
SELECT
    e.service AS service,
    e.dialect AS dialect,
    sum(e.rows_in_ledger) AS calls,
    sum(e.rows_without_usage) AS calls_without_usage,
    if(whole, greatest(toInt64(sum(e.spans_of_calls)) - toInt64(sum(e.rows_in_ledger)), 0), NULL) AS duplicates_merged,
    if(whole, sum(e.spans_of_wrappers), NULL) AS wrappers_passed,
    arrayStringConcat(arraySort(groupUniqArrayArray(20)(e.unread)), ', ') AS unread_attributes
FROM (
    SELECT
        g.service AS service,
        g.dialect AS dialect,
        sum(g.calls) AS rows_in_ledger,
        sumIf(g.calls, g.kind != 'tool' AND g.usage_status = 'missing' AND g.price_status != 'not_billed') AS rows_without_usage,
        0 AS spans_of_calls,
        0 AS spans_of_wrappers,
        emptyArrayString() AS unread
    FROM call_groups(if({user:String} = '' AND {task:String} = '', 'day', 'run')) AS g
    WHERE ({team:String} = '' OR g.team = {team:String})
      AND ({agent:String} = '' OR g.agent = {agent:String})
      AND ({user:String} = '' OR g.user = {user:String})
      AND ({task:String} = '' OR g.task = {task:String})
      AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
    GROUP BY service, dialect
    UNION ALL
    SELECT
        f.service AS service,
        f.dialect AS dialect,
        0 AS rows_in_ledger,
        0 AS rows_without_usage,
        uniqExactIf((f.trace_id, f.span_id), f.kind IN ('llm', 'embedding', 'tool')) AS spans_of_calls,
        uniqExactIf((f.trace_id, f.span_id), f.kind = 'agent') AS spans_of_wrappers,
        groupUniqArrayArray(20)(arrayFilter(name -> name != '', splitByChar(',', f.unread_usage_attributes))) AS unread
    FROM facts AS f
    WHERE f.started_at >= {since:DateTime64(9, 'UTC')} AND f.started_at < {until:DateTime64(9, 'UTC')}
      AND (f.kind != 'context' OR f.unread_usage_attributes != '')
    GROUP BY service, dialect
) AS e
GROUP BY service, dialect
HAVING whole OR sum(e.rows_in_ledger) > 0
ORDER BY calls DESC, service, dialect
