"""Accounts that change, by whomever: the people whom that concerns are matched again.

Triggers note every touched email, account and id in the table `account_changes`, and this follows it.
"""

import threading

import structlog

from services.activation.matching import match_changed_accounts
from services.database.connect import connect, listen
from services.sessions import keep_running

log = structlog.get_logger()

CHANGES = 5000
"""How many changes are taken in one turn, so that others get theirs."""


def follow_account_changes(dsn: str, stop: threading.Event) -> None:
    """Work until `stop` is set. Trouble that may pass is waited out as `keep_running` promises."""

    def session(progress: threading.Event) -> None:
        with connect(dsn, "rollcall_activation") as connection:
            listen(connection, "account_changes")
            while not stop.is_set():
                while not stop.is_set() and match_changed_accounts(connection, CHANGES):
                    progress.set()
                for _ in connection.notifies(timeout=1.0, stop_after=1):
                    break

    keep_running(session, stop)
