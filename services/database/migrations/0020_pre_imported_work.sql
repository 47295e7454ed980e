-- Accounts come in with the classes and the work that they have already.

GRANT INSERT ON personal_classes, personal_students, account_work TO rollcall_operator;
