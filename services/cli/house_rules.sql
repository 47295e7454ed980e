-- name: closures_of_a_year
SELECT id, district, name, first_day, last_day, added_by, added_at FROM closures
WHERE first_day <= make_date(%(year)s, 12, 31) AND last_day >= make_date(%(year)s, 1, 1)
    AND (%(district)s::text IS NULL OR district IS NULL OR district = %(district)s)
ORDER BY first_day, id;

-- name: add_closure
INSERT INTO closures (district, name, first_day, last_day, added_by)
VALUES (%(district)s, %(name)s, %(first_day)s, %(last_day)s, %(by)s)
RETURNING id, district, name, first_day, last_day, added_by, added_at;

-- name: remove_closure
DELETE FROM closures WHERE id = %(id)s;

-- name: office_calendar
SELECT observed FROM office_calendar;

-- name: put_office_calendar
UPDATE office_calendar SET observed = %(observed)s RETURNING observed;

-- name: summers
SELECT district, first_day, last_day, added_by, added_at FROM summer_pauses
WHERE %(district)s::text IS NULL OR district = %(district)s
ORDER BY district;

-- name: put_summer
INSERT INTO summer_pauses (district, first_day, last_day, added_by, added_at)
VALUES (%(district)s, %(first_day)s, %(last_day)s, %(by)s, %(at)s)
ON CONFLICT (district) DO UPDATE
SET first_day = excluded.first_day, last_day = excluded.last_day, added_by = excluded.added_by,
    added_at = excluded.added_at
RETURNING district, first_day, last_day, added_by, added_at;

-- name: remove_summer
DELETE FROM summer_pauses WHERE district = %(district)s;

-- name: expected
SELECT id, district, kind, percent, first_day, last_day, reason, added_by, added_at
FROM expected_changes ORDER BY first_day, id;

-- name: add_expected
INSERT INTO expected_changes (district, kind, percent, first_day, last_day, reason, added_by)
VALUES (%(district)s, %(kind)s, %(percent)s, %(first_day)s, %(last_day)s, %(reason)s, %(by)s)
RETURNING id, district, kind, percent, first_day, last_day, reason, added_by, added_at;

-- name: remove_expected
DELETE FROM expected_changes WHERE id = %(id)s;

-- name: limits
SELECT district, kind, percent, floor, set_by, set_at FROM limits ORDER BY district, kind;

-- name: put_limit
INSERT INTO limits (district, kind, percent, floor, set_by)
VALUES (%(district)s, %(kind)s, %(percent)s, %(floor)s, %(by)s)
ON CONFLICT (district, kind) DO UPDATE
SET percent = excluded.percent, floor = excluded.floor, set_by = excluded.set_by, set_at = now()
RETURNING district, kind, percent, floor, set_by, set_at;

-- name: remove_limit
DELETE FROM limits WHERE district = %(district)s AND kind = %(kind)s RETURNING kind;

-- name: look_first
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
