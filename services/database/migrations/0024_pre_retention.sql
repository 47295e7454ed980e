-- What is written down of every night is forgotten in the end: by the scheduler, and of the desk by the desk itself.
GRANT SELECT ON judgements, holds, ledger TO rollcall_scheduler;
GRANT DELETE ON nights, judgements, holds, ledger TO rollcall_scheduler;
GRANT DELETE ON desk.nights TO rollcall_desk;
CREATE INDEX nights_by_age ON desk.nights (began_at);
