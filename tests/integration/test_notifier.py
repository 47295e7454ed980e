"""The notifier on a real Kafka, a real PostgreSQL, a real mail server and a real webhook: everybody is told once."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from deploy.local import ports
from schemas.cloudevents import header
from schemas.events import Notice
from schemas.topics import DEAD_LETTERS, NOTICES
from services import clock
from tests.pipeline import Pipeline, pipeline, until

OPERATOR = "ops@rollcall.example"
SECRET = base64.b64encode(b"a key of twenty-four bytes and more").decode()


@dataclass
class Mailbox:
    """A real SMTP server that keeps what it takes. `on_mail` runs when it has taken a mail and not yet answered."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    on_mail: Callable[[], str | None] = lambda: None

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return self.on_mail() or "250 OK"

    @contextmanager
    def listening(self) -> Iterator[None]:
        server = Controller(self, hostname=ports.HOST, port=self.port)
        server.start()
        try:
            yield
        finally:
            server.stop()

    def ids(self) -> list[str]:
        return [mail["Message-ID"] for mail in self.mails]


@contextmanager
def notifying(kafka: str, database: str, prefix: str, **settings: str) -> Iterator[Pipeline]:
    given = {"ROLLCALL_OPERATORS": OPERATOR, "ROLLCALL_MAIL_FROM": "rollcall@rollcall.example"}
    named = {f"ROLLCALL_{name.upper()}": value for name, value in {"notice_seconds": "0", **settings}.items()}
    with pipeline(kafka, database, prefix, "notifier", settings=given | named) as running:
        yield running


def held(district: str, subject: str = "c1") -> Notice:
    return Notice(
        district=district,
        code="held",
        subject_id=subject,
        text="63% of classes would change: 2,310 of 3,667 (limit 50%).",
        noticed_at=clock.now(),
    )


def states(running: Pipeline) -> list[tuple[Any, ...]]:
    return running.query("SELECT recipient, state FROM notices_sent ORDER BY recipient, notice_id")


def all_sent(running: Pipeline, count: int) -> None:
    def look() -> bool | None:
        found = states(running)
        return True if len(found) == count and {state for _, state in found} == {"sent"} else None

    until(f"{count} notices are sent", look, 60)


def test_contact_and_operators_are_told_once_each_however_often_a_notice_is_delivered(
    kafka: str, database: str, topic_prefix: str
) -> None:
    mailbox = Mailbox(ports.any_free())
    smtp = f"smtp://{ports.HOST}:{mailbox.port}"
    with mailbox.listening(), notifying(kafka, database, topic_prefix, smtp=smtp) as running:
        running.add_district("springfield", contact="data@springfield.example", name="Springfield Unified")
        for _ in range(3):
            running.publish(NOTICES, held("springfield"), "held", "c1")
        all_sent(running, 2)
        running.kill("notifier")
        running.publish(NOTICES, held("springfield"), "held", "c1")
        running.publisher.publish_raw(NOTICES, [], b"springfield", b"{}")
        running.publish(NOTICES, held("springfield", "c2"), "held", "c2")
        running.start("notifier", "notifier")  # two of them: one sends, the other stands by
        all_sent(running, 4)
        assert sorted(mail["To"] for mail in mailbox.mails) == ["data@springfield.example"] * 2 + [OPERATOR] * 2
        assert len(set(mailbox.ids())) == 4
        assert {mail["Subject"] for mail in mailbox.mails} == {"Springfield Unified: roster change held for review"}
        for mail in mailbox.mails:
            text, html = (mail.get_body((part,)) for part in ("plain", "html"))
            assert text is not None
            assert html is not None
            assert "2,310 of 3,667" in text.get_content()
            assert "2,310 of 3,667" in html.get_content()
        # The kill and the second notifier may bring it again; it is one letter, of one place on the topic.
        places = {header(letter.headers, "rollcall_original_offset") for letter in running.messages(DEAD_LETTERS)}
        assert len(places) == 1


def test_a_notifier_killed_between_the_servers_answer_and_its_commit_sends_that_mail_again_under_the_same_id(
    kafka: str, database: str, topic_prefix: str
) -> None:
    mailbox = Mailbox(ports.any_free())
    smtp = f"smtp://{ports.HOST}:{mailbox.port}"
    with mailbox.listening(), notifying(kafka, database, topic_prefix, smtp=smtp) as running:
        killed = threading.Event()

        def kill_at_the_second() -> None:
            if len(mailbox.mails) == 2:
                running.kill("notifier")
                killed.set()

        mailbox.on_mail = kill_at_the_second
        running.add_district("springfield")
        for subject in ("c1", "c2", "c3"):
            running.publish(NOTICES, held("springfield", subject), "held", subject)
        assert killed.wait(60)
        running.start("notifier")
        all_sent(running, 3)
        ids = mailbox.ids()
        assert len(ids) == 4
        assert len(set(ids)) == 3
        assert ids.count(ids[1]) == 2


def test_a_mail_server_that_is_away_and_one_that_refuses_lose_nothing(
    kafka: str, database: str, topic_prefix: str
) -> None:
    mailbox = Mailbox(ports.any_free())
    answers = ["451 try again later", "550 not this one"]
    mailbox.on_mail = lambda: answers.pop(0) if answers else None
    smtp = f"smtp://{ports.HOST}:{mailbox.port}"
    with notifying(kafka, database, topic_prefix, smtp=smtp) as running:
        running.add_district("springfield", contact="not an address")
        running.publish(NOTICES, held("springfield"), "held", "c1")
        tried = "SELECT attempts FROM notices_sent WHERE state = 'sending' AND attempts > 0"
        until("it has been tried", lambda: running.query(tried) or None)
        with mailbox.listening():
            all_sent(running, 1)
        assert len(mailbox.mails) == 3
        assert len(set(mailbox.ids())) == 1


def test_what_cannot_be_delivered_for_a_week_is_given_up_and_delays_nothing_else(
    kafka: str, database: str, topic_prefix: str
) -> None:
    mailbox = Mailbox(ports.any_free())
    smtp = f"smtp://{ports.HOST}:{mailbox.port}"

    def refuse_the_contact() -> str | None:
        return "550 no such person" if mailbox.mails[-1]["To"] == "gone@springfield.example" else None

    mailbox.on_mail = refuse_the_contact
    with mailbox.listening(), notifying(kafka, database, topic_prefix, smtp=smtp) as running:
        running.add_district("springfield", contact="gone@springfield.example")
        running.publish(NOTICES, held("springfield"), "held", "c1")
        refused = "SELECT attempts FROM notices_sent WHERE state = 'sending' AND attempts > 0"
        until("the contact's has been refused", lambda: running.query(refused) or None)
        running.query("UPDATE notices_sent SET received_at = now() - interval '8 days' RETURNING 1")
        ended = [("gone@springfield.example", "given up"), (OPERATOR, "sent")]
        until("it is given up", lambda: True if states(running) == ended else None)


def test_who_becomes_an_operator_later_gets_no_old_news_when_a_notice_is_delivered_again(
    kafka: str, database: str, topic_prefix: str
) -> None:
    mailbox = Mailbox(ports.any_free())
    smtp = f"smtp://{ports.HOST}:{mailbox.port}"
    with mailbox.listening(), notifying(kafka, database, topic_prefix, smtp=smtp) as running:
        running.add_district("springfield")
        running.publish(NOTICES, held("springfield"), "held", "c1")
        all_sent(running, 1)
    both = f"{OPERATOR},new@rollcall.example"
    with mailbox.listening(), notifying(kafka, database, topic_prefix, smtp=smtp, operators=both) as running:
        running.publish(NOTICES, held("springfield"), "held", "c1")
        running.publish(NOTICES, held("springfield", "c2"), "held", "c2")
        all_sent(running, 3)
        assert sorted(mail["To"] for mail in mailbox.mails) == ["new@rollcall.example", OPERATOR, OPERATOR]


def test_operators_with_many_notices_at_a_time_get_one_mail_that_lists_them(
    kafka: str, database: str, topic_prefix: str
) -> None:
    mailbox = Mailbox(ports.any_free())
    smtp = f"smtp://{ports.HOST}:{mailbox.port}"
    with mailbox.listening(), notifying(kafka, database, topic_prefix, smtp=smtp, notice_seconds="5") as running:
        for number in range(9):
            running.add_district(f"district-{number}", contact=f"data@district-{number}.example")
            running.publish(NOTICES, held(f"district-{number}"), "held", str(number))
        all_sent(running, 18)
        (digest,) = [mail for mail in mailbox.mails if mail["To"] == OPERATOR]
        assert digest["Subject"] == "9 notices about 9 districts"
        body = digest.get_body(("plain",))
        assert body is not None
        assert all(f"(district-{number})" in body.get_content() for number in range(9))
        assert len(mailbox.mails) == 10


@contextmanager
def webhook(answers: list[int]) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Serve a webhook that gives these answers, and then 204; give its address and what it was posted."""
    posts: list[tuple[dict[str, str], bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(answers.pop(0) if answers else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer((ports.HOST, 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{ports.HOST}:{server.server_address[1]}/hook", posts
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_webhook_that_fails_is_posted_to_again_and_each_post_carries_a_signature_that_verifies(
    kafka: str, database: str, topic_prefix: str
) -> None:
    with (
        webhook([503, 400]) as (url, posts),
        notifying(kafka, database, topic_prefix, webhook_url=url, webhook_secret=f"whsec_{SECRET}") as running,
    ):
        running.add_district("springfield", contact="data@springfield.example")
        for _ in range(2):
            running.publish(NOTICES, held("springfield"), "held", "c1")
        all_sent(running, 1)
        assert states(running) == [("webhook", "sent")]
        assert len(posts) == 3
        assert len({headers["webhook-id"] for headers, _ in posts}) == 1
        for headers, body in posts:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            expected = hmac.new(base64.b64decode(SECRET), signed, hashlib.sha256).digest()
            assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
            assert abs(int(headers["webhook-timestamp"]) - clock.now().timestamp()) < 60
            document = json.loads(body)
            assert document["type"] == "notice.held"
            assert document["data"]["subject_id"] == "c1"
            assert "2,310 of 3,667" in document["text"]


def test_without_a_mail_server_and_a_webhook_notices_are_read_and_nobody_is_on_record_to_be_told(
    kafka: str, database: str, topic_prefix: str
) -> None:
    with notifying(kafka, database, topic_prefix) as running:
        running.add_district("springfield", contact="data@springfield.example")
        running.publisher.publish_raw(NOTICES, [], b"springfield", b"{}")
        running.publish(NOTICES, held("springfield"), "held", "c1")
        until("the letter after it is dead", lambda: running.messages(DEAD_LETTERS) or None)
        assert states(running) == []
