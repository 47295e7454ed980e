-- name: add_closure
SELECT desk.add_closure(%(reviewer)s::uuid, %(district)s, %(name)s, %(first_day)s, %(last_day)s, %(at)s);

-- name: add_expected_changes
SELECT desk.add_expected_changes(%(reviewer)s::uuid, %(district)s, %(kinds)s, %(percent)s, %(first_day)s, %(last_day)s,
                                 %(reason)s, %(at)s);

-- name: put_summer
SELECT desk.put_summer(%(reviewer)s::uuid, %(district)s, %(first_day)s, %(last_day)s, %(at)s);

-- name: remove_pause
SELECT desk.remove_closure(%(reviewer)s::uuid, %(key)s::bigint, %(at)s);

-- name: remove_expected
SELECT desk.remove_expected_change(%(reviewer)s::uuid, %(key)s::bigint, %(at)s);

-- name: remove_summer
SELECT desk.remove_summer(%(reviewer)s::uuid, %(key)s, %(at)s);
