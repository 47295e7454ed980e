-- Which dead letters have been dealt with. Kafka cannot delete a single record, so this is what keeps them off the list.
CREATE TABLE dead_letters_handled (
    partition integer NOT NULL CHECK (partition >= 0),
    offset_in_partition bigint NOT NULL CHECK (offset_in_partition >= 0),
    handled text NOT NULL CHECK (handled IN ('replayed', 'dropped')),
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, offset_in_partition)
);

GRANT SELECT, INSERT, UPDATE ON dead_letters_handled TO rollcall_operator;
