-- name: all
SELECT district, name, provider, url, api_path, credentials_file, ca_file, tenant_id, page_size, timezone, plan, contact,
       setting_up
FROM districts ORDER BY district;

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
-- Every district has a roster, which is empty at first.
INSERT INTO rosters (district) VALUES (%(district)s) ON CONFLICT (district) DO NOTHING;

-- name: remove
-- With everything that was rostered for it.
DELETE FROM districts WHERE district = %(district)s;
