-- name: limits
SELECT kind, percent, floor FROM limits WHERE district = %(district)s;

-- name: expected
-- The changes expected on a day; where there are several of a kind, the highest limit comes last.
SELECT kind, percent, first_day, last_day, reason FROM expected_changes
WHERE district = %(district)s AND %(today)s BETWEEN first_day AND last_day
ORDER BY percent;

-- name: week
-- What was applied in the seven days before an instant. A first load is not what later removals are measured against,
-- so the start is the first total that is not 0.
SELECT of_kind.key,
       coalesce((array_agg((of_kind.value ->> 'existing')::bigint ORDER BY ledger.roster_version)
                 FILTER (WHERE (of_kind.value ->> 'existing')::bigint > 0))[1], 0),
       sum((of_kind.value ->> 'removed')::bigint)::bigint
FROM ledger CROSS JOIN LATERAL jsonb_each(ledger.counts) AS of_kind
WHERE ledger.district = %(district)s AND ledger.applied_at > %(now)s - interval '7 days'
GROUP BY of_kind.key;

-- name: look_first
SELECT asked_by, reason, asked_at FROM look_first WHERE district = %(district)s;

-- name: calendar
-- Of one district: what holds for it, the whole organisation's and its own; its summer; and whether the offices close at
-- Thanksgiving and over the winter.
SELECT (SELECT coalesce(jsonb_agg(jsonb_build_array(name, closures.first_day, closures.last_day)
                                  ORDER BY closures.first_day, closures.last_day, name), '[]')
        FROM closures WHERE closures.district IS NULL OR closures.district = one.district),
       summer_pauses.first_day, summer_pauses.last_day,
       (SELECT observed FROM office_calendar)
FROM (SELECT %(district)s::text AS district) AS one LEFT JOIN summer_pauses USING (district);

-- name: calendars
-- Of every district: its time zone, what holds for it, its summer.
SELECT districts.district, districts.timezone,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(name, closures.first_day, closures.last_day)
                                  ORDER BY closures.first_day, closures.last_day, name), '[]')
        FROM closures WHERE closures.district IS NULL OR closures.district = districts.district),
       summer_pauses.first_day, summer_pauses.last_day,
       (SELECT observed FROM office_calendar)
FROM districts LEFT JOIN summer_pauses USING (district)
ORDER BY districts.district;
