-- name: labels
SELECT district, name, timezone, has_nights, registered_at FROM desk.district_labels;

-- name: expected_changes
SELECT id, district, kind, percent, first_day, last_day, reason, added_by FROM desk.expected_changes
WHERE %(year)s::integer IS NULL
    OR (first_day <= make_date(%(year)s, 12, 31) AND last_day >= make_date(%(year)s, 1, 1))
ORDER BY first_day, district, kind;

-- name: closures
SELECT id, district, name, first_day, last_day, added_by FROM desk.closures ORDER BY first_day, id;

-- name: summers
SELECT district, first_day, last_day FROM desk.summer_pauses ORDER BY district;

-- name: office_calendar
SELECT observed FROM desk.office_calendar;
