-- Apply looks at the calendar itself: a set that was let through just before a pause is not applied in it.

GRANT SELECT ON closures, summer_pauses, office_calendar TO rollcall_apply;
