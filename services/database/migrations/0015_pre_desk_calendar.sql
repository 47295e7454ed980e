-- What the review desk is told further: nights that were asked for, each kind's limit, approvals that wait, what would be
-- seen once a set is applied. And the calendar's entries, which operators may now add and remove from the desk.

ALTER TABLE desk.nights
    ADD COLUMN requested_at timestamptz,
    ADD COLUMN requested_for text; -- the reason on roster.sync-requests
CREATE INDEX nights_asked_for_afresh ON desk.nights (district, requested_at) WHERE requested_for = 'stale';

ALTER TABLE desk.held_sets
    ADD COLUMN limits jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN classes_without_teacher jsonb, -- {"before": …, "after": …}
    ADD COLUMN students_without_class jsonb;

-- Approvals that count and wait for something else, by the decision that was made. Of which holding they are, their
-- place in the topic tells.
CREATE TABLE desk.waiting_approvals (
    event_id text PRIMARY KEY,
    district text NOT NULL,
    change_set text NOT NULL,
    reviewer text NOT NULL,
    waits_for text NOT NULL,
    until date,
    text text NOT NULL,
    awaits_since timestamptz NOT NULL,
    partition integer NOT NULL,
    last_offset bigint NOT NULL
);
CREATE INDEX waiting_approvals_of_a_set ON desk.waiting_approvals (change_set, last_offset);

CREATE OR REPLACE VIEW desk.district_labels AS
    SELECT district, name, timezone, plan = 'districts' AS has_nights, registered_at FROM districts;
CREATE OR REPLACE VIEW desk.closures AS
    SELECT district, name, first_day, last_day, id, added_by, added_at FROM closures;
CREATE OR REPLACE VIEW desk.expected_changes AS
    SELECT district, kind, percent, first_day, last_day, reason, id, added_by, added_at FROM expected_changes;

-- What operators have done to the calendar from the desk. The functions below write it; nothing changes or removes a row.
CREATE TABLE desk.calendar_acts (
    act bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator text NOT NULL CHECK (operator <> ''),
    did text NOT NULL CHECK (did <> ''),
    district text, -- none: every district
    what text NOT NULL CHECK (what <> ''),
    acted_at timestamptz NOT NULL
);

-- The desk's role has no right on the calendar's tables. These functions do one thing each, for an operator of the desk
-- alone, check what they are given as the command line does, and keep who did it.

CREATE FUNCTION desk.operator_of(reviewer uuid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found text;
BEGIN
    SELECT email INTO found FROM desk.reviewers WHERE id = reviewer AND role = 'operator';
    IF found IS NULL THEN
        RAISE insufficient_privilege USING MESSAGE = 'the calendar is for operators of the desk';
    END IF;
    RETURN found;
END $$;

CREATE FUNCTION desk.days_in_words(begins date, ends date) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF begins < date '2000-01-01' OR ends > date '2100-12-31' OR ends < begins OR ends - begins >= 366 THEN
        RAISE check_violation USING MESSAGE = 'the days are not in order, more than a year, or not of this century';
    END IF;
    RETURN to_char(begins, 'FMDD Mon YYYY') || CASE WHEN ends > begins THEN to_char(ends, '" to "FMDD Mon YYYY') ELSE '' END;
END $$;

CREATE FUNCTION desk.add_closure(reviewer uuid, of_district text, called text, begins date, ends date, at timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := desk.operator_of(reviewer);
    days text := desk.days_in_words(begins, ends);
BEGIN
    INSERT INTO public.closures (district, name, first_day, last_day, added_by)
    VALUES (of_district, btrim(called), begins, ends, operator);
    INSERT INTO desk.calendar_acts (operator, did, district, what, acted_at)
    VALUES (operator, 'added a pause', of_district, btrim(called) || ', ' || days, at);
END $$;

CREATE FUNCTION desk.remove_closure(reviewer uuid, closure bigint, at timestamptz)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := desk.operator_of(reviewer);
    gone public.closures;
BEGIN
    DELETE FROM public.closures WHERE id = closure RETURNING * INTO gone;
    IF gone.id IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO desk.calendar_acts (operator, did, district, what, acted_at)
    VALUES (operator, 'removed a pause', gone.district,
            gone.name || ', ' || desk.days_in_words(gone.first_day, gone.last_day), at);
    RETURN true;
END $$;

CREATE FUNCTION desk.add_expected_changes(
    reviewer uuid, of_district text, kinds text[], share integer, begins date, ends date, why text, at timestamptz
)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := desk.operator_of(reviewer);
    days text := desk.days_in_words(begins, ends);
BEGIN
    IF btrim(why) = '' OR cardinality(kinds) = 0 THEN
        RAISE check_violation USING MESSAGE = 'an expected change is of some kind, for a reason';
    END IF;
    INSERT INTO public.expected_changes (district, kind, percent, first_day, last_day, reason, added_by)
    SELECT of_district, kind, share, begins, ends, btrim(why), operator FROM unnest(kinds) AS kind;
    INSERT INTO desk.calendar_acts (operator, did, district, what, acted_at)
    VALUES (operator, 'expected a change', of_district,
            format('up to %s%% of %s, %s: %s', share, array_to_string(kinds, ', '), days, btrim(why)), at);
END $$;

CREATE FUNCTION desk.remove_expected_change(reviewer uuid, expected bigint, at timestamptz)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := desk.operator_of(reviewer);
    gone public.expected_changes;
BEGIN
    DELETE FROM public.expected_changes WHERE id = expected RETURNING * INTO gone;
    IF gone.id IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO desk.calendar_acts (operator, did, district, what, acted_at)
    VALUES (operator, 'expects a change no longer', gone.district,
            format('up to %s%% of %s, %s', gone.percent, gone.kind, desk.days_in_words(gone.first_day, gone.last_day)),
            at);
    RETURN true;
END $$;

CREATE FUNCTION desk.put_summer(reviewer uuid, of_district text, begins text, ends text, at timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := desk.operator_of(reviewer);
BEGIN
    INSERT INTO public.summer_pauses (district, first_day, last_day, added_by, added_at)
    VALUES (of_district, begins, ends, operator, at)
    ON CONFLICT (district) DO UPDATE
    SET first_day = excluded.first_day, last_day = excluded.last_day, added_by = excluded.added_by,
        added_at = excluded.added_at;
    INSERT INTO desk.calendar_acts (operator, did, district, what, acted_at)
    VALUES (operator, 'set the summer', of_district, begins || ' to ' || ends || ', every year', at);
END $$;

CREATE FUNCTION desk.remove_summer(reviewer uuid, of_district text, at timestamptz)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := desk.operator_of(reviewer);
    gone public.summer_pauses;
BEGIN
    DELETE FROM public.summer_pauses WHERE district = of_district RETURNING * INTO gone;
    IF gone.district IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO desk.calendar_acts (operator, did, district, what, acted_at)
    VALUES (operator, 'removed the summer', of_district, gone.first_day || ' to ' || gone.last_day, at);
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION desk.operator_of, desk.days_in_words, desk.add_closure, desk.remove_closure,
    desk.add_expected_changes, desk.remove_expected_change, desk.put_summer, desk.remove_summer FROM PUBLIC;
GRANT EXECUTE ON FUNCTION desk.add_closure, desk.remove_closure, desk.add_expected_changes, desk.remove_expected_change,
    desk.put_summer, desk.remove_summer TO rollcall_desk;
GRANT SELECT ON desk.calendar_acts TO rollcall_desk;
GRANT SELECT, INSERT, UPDATE ON desk.waiting_approvals TO rollcall_desk;
