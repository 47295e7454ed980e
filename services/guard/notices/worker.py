"""The notifier: writes down who must be told of each notice, and tells them, once each, by mail and webhook.

It also sends the mails to people who have just activated their accounts.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import structlog

from schemas.cloudevents import UnreadableMessageError, decode, header
from schemas.events import Notice
from schemas.topics import NOTICES
from services.activation.sign_in.mails import AccountMails
from services.database.connect import connect
from services.dead_letters import DeadLetters
from services.guard.notices.carriers import Carrier, MisconfiguredError
from services.guard.notices.parcels import WEBHOOK
from services.guard.notices.sender import Sender
from services.guard.notices.sent import QUERIES, receive
from services.guard.notices.smtp import MailCarrier, SmtpServer, is_address
from services.guard.notices.webhook import WebhookCarrier
from services.installation import find_installation
from services.messages import Message, Publisher
from services.sessions import keep_running
from services.settings import Settings
from services.worker import Worker

log = structlog.get_logger()


def operators_of(settings: Settings) -> tuple[str, ...]:
    """Give the operators' addresses. Raises MisconfiguredError where one is no address."""
    found = tuple(part for text in settings.operators.split(",") if (part := text.strip()))
    for number, address in enumerate(found, 1):
        if not is_address(address):
            raise MisconfiguredError(f"address {number} in ROLLCALL_OPERATORS is no mail address; correct it")
    return found


def carriers_of(settings: Settings) -> list[Carrier]:
    """Give the ways to people that are configured. Raises MisconfiguredError where one cannot be used."""
    found: list[Carrier] = []
    if settings.smtp is not None:
        server = SmtpServer.at(settings.smtp.get_secret_value())
        found.append(MailCarrier(server, settings.mail_from, settings.desk_url))
    if settings.webhook_url is not None:
        secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else None
        found.append(WebhookCarrier(settings.webhook_url, secret, settings.desk_url))
    return found


class NoticeLane:
    """One partition's line: each notice is on record for each of its recipients before its offset is committed."""

    def __init__(
        self, dsn: str, operators: tuple[str, ...], dead_letters: DeadLetters, *, mail: bool, webhook: bool
    ) -> None:
        self._connection = connect(dsn, "rollcall_notifier")
        self._operators = operators
        self._dead_letters = dead_letters
        self._mail = mail
        self._webhook = webhook

    def take(self, batch: list[Message]) -> int | None:
        """See `services.worker.Lane`."""
        for message in batch:
            try:
                notice = decode(NOTICES, message.headers, message.value)
                notice_id = header(message.headers, "ce_id")
                if notice_id is None:
                    raise UnreadableMessageError(f"a message on {NOTICES.name} has no ce_id header")  # noqa: TRY301
            except UnreadableMessageError as error:
                self._dead_letters.put(message, str(error))
                continue
            if isinstance(notice, Notice):
                recipients = dict.fromkeys(self._recipients(notice))
                receive(self._connection, notice_id, notice, recipients)
                about = {"district": notice.district, "code": notice.code, "recipients": len(recipients)}
                log.info("notice", notice_id=notice_id, subject_id=notice.subject_id, **about)
        return batch[-1].offset

    def close(self) -> None:
        """See `services.worker.Lane`."""
        self._connection.close()

    def _recipients(self, notice: Notice) -> Iterator[str]:
        if self._webhook:
            yield WEBHOOK
        if not self._mail:
            return
        yield from self._operators
        row = self._connection.execute(QUERIES["contact"], {"district": notice.district}).fetchone()
        contact = (row[0] or "").strip() if row else ""
        if is_address(contact):
            yield contact
        else:
            log.warning("contact-missing", district=notice.district, code=notice.code)


def run(settings: Settings, stop: threading.Event) -> None:
    """Work until `stop` is set. Raises what cannot be waited out, MisconfiguredError before anything else."""
    carriers, operators = carriers_of(settings), operators_of(settings)
    installation = find_installation(settings)
    gather = timedelta(seconds=settings.notice_seconds)
    publisher = Publisher(installation.kafka, settings.topic_prefix, "rollcall-notifier")
    dead_letters = DeadLetters(publisher, "notifier")

    def open_lane(_partition: str) -> NoticeLane:
        mail, webhook = settings.smtp is not None, settings.webhook_url is not None
        return NoticeLane(installation.database, operators, dead_letters, mail=mail, webhook=webhook)

    def ended(_sending: Future[None]) -> None:
        stop.set()  # who no longer sends must not go on as if: the process ends, and is started again

    lines = [Sender(installation.database, carrier, gather, stop).session for carrier in carriers]
    if settings.smtp is not None:
        server = SmtpServer.at(settings.smtp.get_secret_value())
        lines.append(AccountMails(installation.database, server, settings.mail_from, stop).session)
    with ThreadPoolExecutor(max(1, len(lines)), thread_name_prefix="notifier-sends") as pool:
        sending = [pool.submit(keep_running, line, stop) for line in lines]
        for future in sending:
            future.add_done_callback(ended)
        try:
            Worker(
                name="notifier",
                topic=NOTICES,
                bootstrap=installation.kafka,
                prefix=settings.topic_prefix,
                open_lane=open_lane,
                lane_of=lambda message: str(message.partition),
                stop=stop,
                instance=settings.instance,
            ).run()
        finally:
            stop.set()
            publisher.close()
        for future in sending:
            future.result()
