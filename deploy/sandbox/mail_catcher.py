"""A mail server that delivers to nobody: it keeps the last 200 mails in memory and shows them at /mail."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

KEPT = 200

_templates = Environment(loader=PackageLoader("deploy.sandbox", "mail_templates"), autoescape=select_autoescape())
_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'"}


@dataclass(frozen=True, slots=True)
class CaughtMail:
    """A mail as it came; mails count from 1."""

    number: int
    received_at: str
    recipients: list[str]
    sender: str
    subject: str
    message_id: str
    text: str
    html: str


class MailCatcher:
    """The mails, the SMTP server that takes them, and the pages that show them."""

    def __init__(self) -> None:
        self._mails: tuple[CaughtMail, ...] = ()

    @contextmanager
    def listening(self, host: str, port: int) -> Iterator[None]:
        """Take mail at this address for the length of a `with` block. Raises OSError where the port is taken."""
        server = Controller(self, hostname=host, port=port)
        server.start()
        try:
            yield
        finally:
            server.stop()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Keep a mail; aiosmtpd calls this in a thread of its own, for one mail after the other."""
        mail = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        last = self._mails[-1].number if self._mails else 0
        caught = CaughtMail(
            number=last + 1,
            received_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S %Z}",
            recipients=list(envelope.rcpt_tos),
            sender=envelope.mail_from or "",
            subject=str(mail["Subject"] or ""),
            message_id=str(mail["Message-ID"] or ""),
            text=_part(mail, "plain"),
            html=_part(mail, "html"),
        )
        self._mails = (*self._mails, caught)[-KEPT:]
        return "250 OK, kept and not delivered"

    def routes(self) -> list[Route]:
        """Give the routes below /mail: the list, each mail as text and HTML; and all of them as JSON."""
        return [
            Route("/mail", self._list),
            Route("/mail.json", self._json),
            Route("/mail/{number:int}", self._one),
            Route("/mail/{number:int}/html", self._html),
        ]

    async def _list(self, _request: Request) -> Response:
        return _page("list.html", mails=self._mails[::-1], kept=KEPT)

    async def _json(self, _request: Request) -> Response:
        return JSONResponse({"mails": [asdict(mail) for mail in self._mails]})

    async def _one(self, request: Request) -> Response:
        mail = self._find(request)
        return _page("mail.html", mail=mail) if mail else _page("list.html", status=404, mails=(), kept=KEPT)

    async def _html(self, request: Request) -> Response:
        mail = self._find(request)
        return HTMLResponse(mail.html if mail else "", status_code=200 if mail else 404, headers=_HEADERS)

    def _find(self, request: Request) -> CaughtMail | None:
        number = request.path_params["number"]
        return next((mail for mail in self._mails if mail.number == number), None)


def _part(mail: EmailMessage, subtype: str) -> str:
    part = mail.get_body((subtype,))
    return str(part.get_content()) if part is not None else ""


def _page(template: str, status: int = 200, **seen: object) -> Response:
    return HTMLResponse(_templates.get_template(template).render(seen), status_code=status, headers=_HEADERS)
