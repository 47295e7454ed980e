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

-- name: closures_that_hold
-- For a district: the whole organisation's and its own.
SELECT name, first_day, last_day FROM closures
WHERE district IS NULL OR district = %(district)s
ORDER BY first_day, last_day, name;

-- name: summer
SELECT first_day, last_day FROM summer_pauses WHERE district = %(district)s;

-- name: calendars
-- Of every district: its time zone, what holds for it, its summer.
SELECT districts.district, districts.timezone, summer_pauses.first_day, summer_pauses.last_day,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(name, closures.first_day, closures.last_day)
                                  ORDER BY closures.first_day, closures.last_day, name), '[]')
        FROM closures WHERE closures.district IS NULL OR closures.district = districts.district)
FROM districts LEFT JOIN summer_pauses USING (district)
ORDER BY districts.district;

-- name: all_closures
SELECT id, district, name, first_day, last_day, added_by, added_at FROM closures ORDER BY first_day, id;

-- name: add_closure
INSERT INTO closures (district, name, first_day, last_day, added_by)
VALUES (%(district)s, %(name)s, %(first_day)s, %(last_day)s, %(by)s)
RETURNING id, district, name, first_day, last_day, added_by, added_at;

-- name: remove_closure
DELETE FROM closures WHERE id = %(id)s;

-- name: all_summers
SELECT district, first_day, last_day FROM summer_pauses ORDER BY district;

-- name: put_summer
INSERT INTO summer_pauses (district, first_day, last_day) VALUES (%(district)s, %(first_day)s, %(last_day)s)
ON CONFLICT (district) DO UPDATE SET first_day = excluded.first_day, last_day = excluded.last_day;

-- name: remove_summer
DELETE FROM summer_pauses WHERE district = %(district)s;

-- name: all_expected
SELECT id, district, kind, percent, first_day, last_day, reason, added_by, added_at
FROM expected_changes ORDER BY first_day, id;

-- name: add_expected
INSERT INTO expected_changes (district, kind, percent, first_day, last_day, reason, added_by)
VALUES (%(district)s, %(kind)s, %(percent)s, %(first_day)s, %(last_day)s, %(reason)s, %(by)s)
RETURNING id, district, kind, percent, first_day, last_day, reason, added_by, added_at;

-- name: remove_expected
DELETE FROM expected_changes WHERE id = %(id)s;

-- name: all_limits
SELECT district, kind, percent, floor, set_by, set_at FROM limits ORDER BY district, kind;

-- name: put_limit
INSERT INTO limits (district, kind, percent, floor, set_by)
VALUES (%(district)s, %(kind)s, %(percent)s, %(floor)s, %(by)s)
ON CONFLICT (district, kind) DO UPDATE
SET percent = excluded.percent, floor = excluded.floor, set_by = excluded.set_by, set_at = now()
RETURNING district, kind, percent, floor, set_by, set_at;

-- name: remove_limit
DELETE FROM limits WHERE district = %(district)s AND kind = %(kind)s;

-- name: all_look_first
SELECT district, asked_by, reason, asked_at FROM look_first ORDER BY district;

-- name: ask_to_look_first
INSERT INTO look_first (district, asked_by, reason) VALUES (%(district)s, %(by)s, %(reason)s)
ON CONFLICT (district) DO UPDATE SET asked_by = excluded.asked_by, reason = excluded.reason, asked_at = now()
RETURNING district, asked_by, reason, asked_at;

-- name: remove_look_first
DELETE FROM look_first WHERE district = %(district)s;

-- name: past_judgements
-- Since the beginning of a day in each district's time zone, with the floors that its limits have now.
SELECT judgements.district, judgements.change_set, judgements.judged_at, judgements.reasons, judgements.counts,
       (SELECT coalesce(jsonb_object_agg(kind, floor), '{}') FROM limits WHERE limits.district = judgements.district)
           AS floors
FROM judgements JOIN districts USING (district)
WHERE judged_at >= %(since)s::date::timestamp AT TIME ZONE districts.timezone
ORDER BY judged_at, change_set;
