-- title: Re-pricings
-- purpose: When was what re-priced, by which prices, and what did it change? The audit of costs.
-- grain: one row a re-pricing or its undoing, newest first
-- parameters:
--   limit  UInt64  0  at most this many rows; 0 is all
-- columns:
--   repricing_id       number  what `spanledger reprice --undo` takes
--   undoes             number  the re-pricing it took back; 0 for none
--   recorded_at        time    when
--   since              time    calls that started at or after this time
--   until              time    calls that started before this time
--   catalogue_version  name    the prices
--   changed_calls      calls   calls whose cost, status or card changed
--   old_cost_usd       USD     cost of those calls before; null when none had one
--   new_cost_usd       USD     cost of those calls after
--   complete           flag    no for one that failed on the way; what it changed can be undone
-- chart: table
SELECT
    r.repricing_id AS repricing_id,
    r.undoes AS undoes,
    concat(replaceOne(toString(r.recorded_at), ' ', 'T'), 'Z') AS recorded_at,
    concat(replaceOne(toString(r.since), ' ', 'T'), 'Z') AS since,
    concat(replaceOne(toString(r.until), ' ', 'T'), 'Z') AS until,
    r.catalogue_version AS catalogue_version,
    r.changed_calls AS changed_calls,
    r.old_cost_usd AS old_cost_usd,
    r.new_cost_usd AS new_cost_usd,
    r.complete AS complete
FROM repricing AS r FINAL
ORDER BY r.repricing_id DESC
LIMIT if({limit:UInt64} = 0, 18446744073709551615, {limit:UInt64})
