-- One role a worker, which may do what that worker is for and nothing else (promise 7).
-- Roles belong to the whole server: other databases on it may have made them already, even at this very moment.

DO $$
DECLARE
    worker text;
BEGIN
    FOREACH worker IN ARRAY ARRAY['rollcall_scheduler', 'rollcall_ingest', 'rollcall_diff', 'rollcall_guard',
                                  'rollcall_apply', 'rollcall_relay', 'rollcall_activation', 'rollcall_operator']
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', worker);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- it exists, which is all we want
        END;
    END LOOP;
END $$;

-- Everybody may see which districts there are and how the nights go; every worker says how far a night is.
GRANT SELECT ON districts, rosters, nights
    TO rollcall_scheduler, rollcall_ingest, rollcall_diff, rollcall_guard, rollcall_apply, rollcall_activation, rollcall_operator;
GRANT INSERT, UPDATE ON nights
    TO rollcall_scheduler, rollcall_ingest, rollcall_diff, rollcall_guard, rollcall_apply, rollcall_operator;

-- Whoever may ask for a sync does it through the outbox.
GRANT INSERT ON outbox TO rollcall_scheduler, rollcall_guard, rollcall_apply, rollcall_activation, rollcall_operator;
GRANT SELECT, DELETE ON outbox TO rollcall_relay;

GRANT SELECT ON schools, teachers, students, classes, places TO rollcall_diff, rollcall_activation, rollcall_operator;

GRANT SELECT, INSERT, UPDATE ON judgements, holds TO rollcall_guard;
GRANT SELECT ON ledger TO rollcall_guard, rollcall_operator;
GRANT SELECT ON judgements, holds TO rollcall_operator;

GRANT SELECT, INSERT, UPDATE, DELETE ON schools, teachers, students, classes, places TO rollcall_apply;
GRANT UPDATE ON rosters TO rollcall_apply;
GRANT UPDATE (setting_up) ON districts TO rollcall_apply;
GRANT SELECT, INSERT ON ledger TO rollcall_apply;

GRANT SELECT ON accounts, account_emails TO rollcall_activation;
GRANT SELECT, INSERT, UPDATE, DELETE ON activations TO rollcall_activation;

GRANT INSERT, UPDATE, DELETE ON districts TO rollcall_operator;
GRANT INSERT, DELETE ON rosters TO rollcall_operator;
GRANT SELECT, INSERT, UPDATE ON accounts, account_emails TO rollcall_operator;
GRANT SELECT ON activations TO rollcall_operator;
