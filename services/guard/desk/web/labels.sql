-- name: labels
SELECT district, name, timezone FROM desk.district_labels;

-- name: expected_changes
SELECT district, kind, percent, first_day, last_day, reason FROM desk.expected_changes
WHERE first_day <= make_date(%(year)s, 12, 31) AND last_day >= make_date(%(year)s, 1, 1)
ORDER BY first_day, district, kind;

-- name: closures
SELECT district, name, first_day, last_day FROM desk.closures ORDER BY first_day;

-- name: summers
SELECT district, first_day, last_day FROM desk.summer_pauses;

-- name: office_calendar
SELECT observed FROM desk.office_calendar;
