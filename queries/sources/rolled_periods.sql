-- Days and hours from `since` until `until` that are rolled up, and in which building; what the time cuts is none of them,
-- and an hour of a day that is there as a whole is not either. Hours are kept for a month.
SELECT
    day,
    hour,
    built
FROM (
    SELECT day, hour, built, max(hour) OVER (PARTITION BY day) AS longest
    FROM rolled_period FINAL
    WHERE subject = 'calls' AND built > toDateTime64(0, 6, 'UTC') AND usable_from <= now64(6, 'UTC')
      AND (hour = 24 OR day >= toDate(now('UTC')) - 31)
      AND (toInt64(day) * 24 + hour % 24) * 3600000000000 >= toUnixTimestamp64Nano({since:DateTime64(9, 'UTC')})
      AND (toInt64(day) * 24 + least(hour + 1, 24)) * 3600000000000 <= toUnixTimestamp64Nano({until:DateTime64(9, 'UTC')})
)
WHERE hour = 24 OR longest < 24
