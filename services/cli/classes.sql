-- name: class
SELECT district, id, class_id, name, label, school, school_name, students, students_activated
FROM synced_classes WHERE district = %(district)s AND id = %(class)s;

-- name: people
-- Whom activation has not looked at yet has no row there.
SELECT p.part, p.person AS id, p.is_primary, coalesce(a.state, 'required') AS state
FROM places p
LEFT JOIN activations a ON a.district = p.district AND a.id = p.person AND a.kind = p.part || 's'
WHERE p.district = %(district)s AND p.class = %(class)s
ORDER BY p.part DESC, p.is_primary DESC, p.person;
