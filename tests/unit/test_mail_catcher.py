"""The mail catcher of the sandbox: what is sent to it can be read, and goes nowhere else."""

import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from deploy.local import ports
from deploy.sandbox.mail_catcher import KEPT


@contextmanager
def _catching(folder: Path) -> Iterator[tuple[int, httpx.Client]]:
    """Start a sandbox with a mail catcher; give the port that takes mail, and a client of its pages."""
    port, mail_port = ports.any_free(), ports.any_free()
    arguments = ["--port", str(port), "--mail-port", str(mail_port), "--state", str(folder), "--no-samples"]
    process = subprocess.Popen([sys.executable, "-m", "deploy.sandbox", *arguments], stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://{ports.HOST}:{port}", timeout=10) as browser:
            _await_answer(browser)
            yield mail_port, browser
    finally:
        process.kill()
        process.wait()


@retry(retry=retry_if_exception_type(httpx.TransportError), stop=stop_after_delay(30), wait=wait_fixed(0.05))
def _await_answer(browser: httpx.Client) -> None:
    browser.get("/mail")


def _send(port: int, *subjects: str) -> None:
    with smtplib.SMTP(ports.HOST, port, timeout=10) as client:
        for subject in subjects:
            message = EmailMessage()
            message["Subject"], message["From"], message["To"] = subject, "a@b.example", "data@springfield.example"
            message["Message-ID"] = "<m1@b.example>"
            message.set_content("in text, with an ünusual letter")
            message.add_alternative("<p>in <b>HTML</b></p>", subtype="html")
            client.send_message(message)


@pytest.mark.parametrize("subject", ["Held", "<script>alert(1)</script>"])
def test_a_mail_is_listed_and_shown_as_text_as_html_and_as_json(tmp_path: Path, subject: str) -> None:
    with _catching(tmp_path) as (port, browser):
        assert "Nothing here" in browser.get("/mail").text
        _send(port, subject)
        (caught,) = browser.get("/mail.json").json()["mails"]
        assert (caught["subject"], caught["recipients"]) == (subject, ["data@springfield.example"])
        assert caught["message_id"] == "<m1@b.example>"
        listed, shown, html = (browser.get(path) for path in ("/mail", "/mail/1", "/mail/1/html"))
        assert "data@springfield.example" in listed.text
        assert "in text, with an ünusual letter" in shown.text
        assert html.text.strip() == "<p>in <b>HTML</b></p>"
        for page in (listed, shown, html):
            assert "<script>" not in page.text
            assert "default-src 'none'" in page.headers["content-security-policy"]
        assert browser.get("/mail/2").status_code == 404


def test_the_last_mails_are_kept_and_keep_their_numbers(tmp_path: Path) -> None:
    with _catching(tmp_path) as (port, browser):
        _send(port, *(str(number) for number in range(1, KEPT + 6)))
        mails = browser.get("/mail.json").json()["mails"]
        assert [one["number"] for one in mails] == list(range(6, KEPT + 6))
        assert mails[-1]["subject"] == str(KEPT + 5)
        assert browser.get("/mail/1").status_code == 404
