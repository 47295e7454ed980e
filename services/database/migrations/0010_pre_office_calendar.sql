-- Whether the offices close at Thanksgiving and over the winter, which pauses every district. An organisation with
-- another calendar switches that off and adds its own closures.

CREATE TABLE office_calendar (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    observed boolean NOT NULL DEFAULT true
);
INSERT INTO office_calendar DEFAULT VALUES;

CREATE VIEW desk.office_calendar AS SELECT observed FROM office_calendar;

GRANT SELECT ON office_calendar TO rollcall_guard, rollcall_scheduler, rollcall_operator;
GRANT UPDATE (observed) ON office_calendar TO rollcall_operator;
GRANT SELECT ON desk.office_calendar TO rollcall_desk;
