"""The mails to people who have just activated: written with the activation, sent by the notifier, once each.

A mail is named by its number, so that one that is sent again after a crash has the same Message-ID.
"""

import asyncio
import threading
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import psycopg
import structlog

from services.database.connect import with_role
from services.database.queries import Queries
from services.guard.notices.carriers import NotDeliveredError
from services.guard.notices.smtp import SmtpServer, is_address, new_message

log = structlog.get_logger()

QUERIES = Queries("services.activation.sign_in", "mails.sql")

_LONGEST_WAIT = 3600
_LOOK_SECONDS = 2.0

_WORDS = {
    "welcome": (
        "Your new account",
        "You have an account here now, with the email that {district} has for you.\n\n"
        "You sign in through your school's start page, as you have just done. There is nothing else to do.\n\n"
        "If this was not you, please tell your school office.\n",
    ),
    "linked": (
        "Your account now belongs to your school district",
        "Your account is connected with {district} now. The classes that your school keeps are in it; your own "
        "classes and your work stay as they were.\n\n"
        "If this was not you, please tell your school office, and change your password.\n",
    ),
}


class AccountMails:
    """Sends the mails that are due, one after the other, until told to stop."""

    def __init__(self, dsn: str, server: SmtpServer, sender: str, stop: threading.Event) -> None:
        self._dsn = with_role(dsn, "rollcall_notifier")
        self._server = server
        self._sender = sender
        self._stop = stop

    def session(self, progress: threading.Event) -> None:
        """Send until stopped; see `services.sessions.keep_running`. Raises psycopg.Error where the database is lost."""
        asyncio.run(self._session(progress.set))

    async def _session(self, progressed: Callable[[], None]) -> None:
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            while not self._stop.is_set():
                if await self._one(connection):
                    progressed()
                else:
                    await asyncio.to_thread(self._stop.wait, _LOOK_SECONDS)

    async def _one(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        """Send the next mail; say whether one went out. Its row is locked meanwhile."""
        await connection.execute(QUERIES["give_up_children"])
        async with connection.transaction():
            row = await (await connection.execute(QUERIES["next"])).fetchone()
            if row is None:
                return False
            mail, code, recipient, attempts, district = row
            if not is_address(recipient):
                about = {"mail": mail, "seconds": 0, "hopeless": True}
                await connection.execute(QUERIES["put_off"], about)
                log.warning("mail-given-up", mail=mail, error="the address is none")
                return False
            try:
                await self._server.send(self._message(mail, code, recipient, district))
            except NotDeliveredError as error:
                wait = min(2 ** min(attempts, 12), _LONGEST_WAIT)
                await connection.execute(QUERIES["put_off"], {"mail": mail, "seconds": wait, "hopeless": False})
                log.warning("mail-not-sent-yet", mail=mail, attempt=attempts + 1, again_in=wait, error=str(error))
                return False
            await connection.execute(QUERIES["sent"], {"mail": mail})
            log.info("mail-sent", mail=mail, code=code)
            return True

    def _message(self, mail: int, code: str, recipient: str, district: str) -> EmailMessage:
        subject, text = _WORDS[code]
        message = new_message(self._sender, recipient, subject, f"account-{mail}")
        message.set_content(text.format(district=" ".join(district.split())))
        return message
