-- name: all
SELECT district, name, provider, url, api_path, credentials_file, ca_file, tenant_id, page_size, timezone, plan, contact,
       setting_up
FROM districts ORDER BY district;

-- name: ids
SELECT district FROM districts;

-- name: one
SELECT district, name, provider, url, api_path, credentials_file, ca_file, tenant_id, page_size, timezone, plan, contact,
       setting_up
FROM districts WHERE district = %(district)s;

-- name: scheduled
-- The districts that have nights: those on the districts plan.
SELECT district, timezone, registered_at FROM districts WHERE plan = 'districts' ORDER BY district;

-- name: put
INSERT INTO districts (district, name, provider, url, api_path, credentials_file, ca_file, tenant_id, page_size, timezone,
                       plan, contact, setting_up)
VALUES (%(district)s, %(name)s, %(provider)s, %(url)s, %(api_path)s, %(credentials_file)s, %(ca_file)s, %(tenant_id)s,
        %(page_size)s, %(timezone)s, %(plan)s, %(contact)s, %(setting_up)s)
ON CONFLICT (district) DO UPDATE
SET name = excluded.name, provider = excluded.provider, url = excluded.url, api_path = excluded.api_path,
    credentials_file = excluded.credentials_file, ca_file = excluded.ca_file, tenant_id = excluded.tenant_id,
    page_size = excluded.page_size, timezone = excluded.timezone, plan = excluded.plan, contact = excluded.contact,
    setting_up = excluded.setting_up;

-- name: put_roster
-- Every district has a roster, which is empty at first; one that was removed goes on counting versions.
INSERT INTO rosters (district, roster_version)
SELECT %(district)s, coalesce(max(roster_version), 0) FROM retired_districts WHERE district = %(district)s
ON CONFLICT (district) DO NOTHING;

-- name: retire
-- The version in which everything of the district is gone; none where nothing was ever rostered.
INSERT INTO retired_districts (district, roster_version)
SELECT district, roster_version + 1 FROM rosters WHERE district = %(district)s AND roster_version > 0
ON CONFLICT (district) DO UPDATE SET roster_version = excluded.roster_version, retired_at = now()
RETURNING roster_version;

-- name: publish_removals
-- Tell everybody who follows roster.updates that each of its records is gone.
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject, causationid)
SELECT
    md5(concat_ws(E'\x1f', %(change_set)s::text, g.position)),
    'roster.updates',
    concat_ws('/', %(district)s::text, g.kind, g.id),
    concat_ws('.', 'dev.rollcall', g.word, 'removed', 'v1'),
    json_build_object('district', %(district)s::text, 'roster_version', %(roster_version)s::bigint,
        'position', g.position, 'op', 'removed', 'kind', g.kind, 'id', g.id)::text,
    '/rollcall/command-line',
    concat_ws('/', %(district)s::text, g.kind, g.id),
    %(change_set)s
FROM (
    SELECT kind, word, id, row_number() OVER (ORDER BY word, id) AS position
    FROM (
        SELECT 'schools' AS kind, 'school' AS word, id FROM schools WHERE district = %(district)s
        UNION ALL SELECT 'teachers', 'teacher', id FROM teachers WHERE district = %(district)s
        UNION ALL SELECT 'students', 'student', id FROM students WHERE district = %(district)s
        UNION ALL SELECT 'classes', 'class', id FROM classes WHERE district = %(district)s
    ) gone
) g
ORDER BY g.position;

-- name: remove
-- With everything that was rostered for it.
DELETE FROM districts WHERE district = %(district)s;
