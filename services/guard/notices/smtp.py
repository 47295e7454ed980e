"""Mail by SMTP: multipart text and HTML, with a Message-ID made from the notices, so that a double can be dropped."""

from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime
from urllib.parse import unquote, urlsplit

import aiosmtplib
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from services.guard.notices.carriers import MisconfiguredError, NotDeliveredError
from services.guard.notices.parcels import Parcel
from services.guard.notices.rendering import render

_SECONDS = 30
_AWAY = (
    aiosmtplib.SMTPConnectError,
    aiosmtplib.SMTPServerDisconnected,
    aiosmtplib.SMTPTimeoutError,
    aiosmtplib.SMTPAuthenticationError,
    aiosmtplib.SMTPHeloError,
)
_PASSING = (aiosmtplib.SMTPConnectError, aiosmtplib.SMTPServerDisconnected)


@dataclass(frozen=True, slots=True, repr=False)
class SmtpServer:
    """Where mail goes out. TLS is used where the server offers it; with a password it must."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: bool

    @classmethod
    def at(cls, url: str) -> "SmtpServer":
        """Read smtp://user:password@host:port or smtps://…. Raises MisconfiguredError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise MisconfiguredError(
                "ROLLCALL_SMTP is not an address such as smtp://user:password@mail.example.org:587 (characters like "
                "/ and @ in a password are written %2F and %40); correct it, or leave it out to send no mail"
            )
        tls = parts.scheme == "smtps"
        user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
        return cls(parts.hostname, port or (465 if tls else 587), user, password, tls)

    async def send(self, message: EmailMessage) -> None:
        """Send a mail and wait for the server's word that it has it. Raises NotDeliveredError."""
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(_PASSING),
                wait=wait_exponential_jitter(multiplier=0.2, max=2),
                stop=stop_after_attempt(3),
                reraise=True,
            ):
                with attempt:
                    await self._send(message)
        except aiosmtplib.SMTPResponseException as error:
            text = f"the mail server answered {error.code} ({type(error).__name__})"
            raise NotDeliveredError(text, away=isinstance(error, _AWAY)) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            text = f"the mail server did not take it ({type(error).__name__})"
            raise NotDeliveredError(text, away=isinstance(error, (*_AWAY, OSError))) from None

    async def _send(self, message: EmailMessage) -> None:
        await aiosmtplib.send(
            message,
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=self.password,
            use_tls=self.tls,
            start_tls=True if self.password and not self.tls else None,
            timeout=_SECONDS,
        )


class MailCarrier:
    """Sends parcels as mail."""

    by_webhook = False

    def __init__(self, server: SmtpServer, sender: str, desk_url: str | None) -> None:
        """Raises MisconfiguredError where the sender's address is none."""
        if not is_address(sender):
            raise MisconfiguredError(
                "ROLLCALL_MAIL_FROM is not a mail address such as rollcall@example.org; correct it"
            )
        self._server = server
        self._sender = sender
        self._desk_url = desk_url

    async def deliver(self, parcel: Parcel) -> None:
        """Send the mail and wait for the server's word that it has it. See `carriers.Carrier`."""
        await self._server.send(self._message(parcel))

    def _message(self, parcel: Parcel) -> EmailMessage:
        mail = render(parcel, self._desk_url)
        message = new_message(self._sender, parcel.recipient, mail.subject, parcel.name)
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message


def new_message(sender: str, recipient: str, subject: str, name: str) -> EmailMessage:
    """Give a mail that has yet to be filled; `name` makes its Message-ID, by which a double can be dropped."""
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = sender
    message["To"] = recipient
    message["Date"] = localtime()
    message["Message-ID"] = f"<{name}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday answer shall come back
    return message


def is_address(text: str) -> bool:
    """Say whether mail can be addressed to this: one bare address, in ASCII as most mail servers want it."""
    try:
        address = Address(addr_spec=text)
    except (HeaderParseError, ValueError, IndexError):
        return False
    return text.isascii() and bool(address.username and address.domain)
