-- Days from `since` until `until` that are rolled up, and in which building; a day that the time cuts is none of them.
SELECT
    day,
    built
FROM rolled_day FINAL
WHERE built > toDateTime64(0, 6, 'UTC') AND usable_from <= now64(6, 'UTC')
  AND toInt64(day) * 86400000000000 >= toUnixTimestamp64Nano({since:DateTime64(9, 'UTC')})
  AND (toInt64(day) + 1) * 86400000000000 <= toUnixTimestamp64Nano({until:DateTime64(9, 'UTC')})
