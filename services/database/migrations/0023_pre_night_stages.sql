-- What each stage has worked on a district's last night, so that people see which one is slow: six rows a district, and
-- nothing depends on them.
CREATE TABLE night_stages (
    district text NOT NULL REFERENCES districts ON DELETE CASCADE,
    stage text NOT NULL CHECK (stage IN ('pull', 'compare', 'route', 'merge', 'publish', 'match')),
    sync_id text NOT NULL,
    requested_at timestamptz NOT NULL,
    records bigint NOT NULL CHECK (records >= 0),
    bytes bigint NOT NULL CHECK (bytes >= 0),
    seconds double precision NOT NULL CHECK (seconds >= 0),
    PRIMARY KEY (district, stage)
);
GRANT SELECT, INSERT, UPDATE ON night_stages
    TO rollcall_ingest, rollcall_diff, rollcall_guard, rollcall_apply, rollcall_relay, rollcall_activation;
GRANT SELECT ON night_stages TO rollcall_operator;
GRANT SELECT ON nights TO rollcall_relay;
