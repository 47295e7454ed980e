-- name: signing_in
-- Districts whose people sign in through their provider.
SELECT district, name, provider FROM districts
WHERE provider = ANY(%(ways)s) AND position(lower(%(search)s) IN lower(name)) > 0
ORDER BY name, district LIMIT %(most)s;

-- name: district
SELECT district, name, provider FROM districts WHERE district = %(district)s;
