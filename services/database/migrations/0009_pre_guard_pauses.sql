-- How guard remembers a judgement in a pause or after a rejection, and which reviews decided a set.

ALTER TABLE judgements
    ADD COLUMN held_by text CHECK (held_by IN ('policy', 'pause', 'operator')),
    ADD COLUMN quiet boolean NOT NULL DEFAULT false,
    ADD COLUMN paused_until date;
UPDATE judgements SET held_by = 'policy' WHERE verdict = 'hold';

-- The first of two approvals decides nothing yet.
ALTER TABLE reviews ADD COLUMN decisive boolean NOT NULL DEFAULT true;

-- What waits for the end of a pause.
CREATE INDEX holds_in_a_pause ON holds (held_partition)
    WHERE paused_until IS NOT NULL AND state IN ('held', 'approved');
