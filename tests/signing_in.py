"""A lobby with real pages' addresses, a real database and the sandbox's sign-in servers; and browsers that use it."""

import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from deploy.sandbox import credentials
from deploy.sandbox.ids import clever_id
from deploy.sandbox.sign_in_settings import write_sign_in_file
from services.activation.matching import PersonKey, Rostered, match_changed_accounts, match_roster
from services.activation.sign_in.lobby import Lobby, open_lobby
from services.activation.sign_in.outcomes import RefusedError
from services.activation.sign_in.router import current_session, router
from services.activation.sign_in.tokens import form_token
from services.database.connect import connect
from services.pages.serving import listener, serve
from services.passwords import hash_password
from tests.outbox import COLUMNS, events

PASSWORD = "a long enough password"
TENANTS = {
    "springfield": clever_id("springfield", "district", 1),
    "shelbyville": clever_id("shelbyville", "district", 1),
    "riverside": credentials.tenant_id("riverside"),
}


TODAY = date.today()
GROWN = f"{TODAY.year - 16}-01-01"
CHILD = f"{TODAY.year - 9}-01-01"
PROVIDER = {"springfield": "clever", "shelbyville": "clever", "riverside": "classlink"}

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to roster. `classes` are names of classes they are in."""

    district: str
    kind: str
    id: str
    email: str | None = None
    birth_date: str | None = None
    classes: tuple[str, ...] = ("Math 5",)

    @property
    def who(self) -> str:
        return f"{self.district}/{self.kind}/{self.id}"


def student(district: str = "springfield", born: str | None = GROWN, classes: tuple[str, ...] = ("Math 5",)) -> Person:
    number = next(_numbers)
    return Person(district, "students", f"S{number:06d}", f"s{number}@{district}.example", born, classes)


def teacher(district: str = "springfield") -> Person:
    number = next(_numbers)
    return Person(district, "teachers", f"T{number:06d}", f"t{number}@{district}.example")


class Town:
    """The database of a test: its districts, rostered people and accounts."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(statement.encode(), parameters).fetchall()

    def add_districts(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for district, tenant in TENANTS.items():
                provider = "classlink" if district == "riverside" else "clever"
                connection.execute(
                    "INSERT INTO districts (district, name, provider, url, tenant_id, timezone, plan)"
                    " VALUES (%s, %s, %s, 'http://127.0.0.1:9', %s, 'America/Chicago', 'districts')",
                    (district, district.title(), provider, tenant),
                )
                connection.execute("INSERT INTO rosters (district) VALUES (%s)", (district,))

    def roster(self, *people: Person, matched: bool = True) -> None:
        """Roster people as apply does, and match them as the activation worker does."""
        with connect(self.dsn, "rollcall_apply") as connection:
            for person in people:
                self._put(connection, person)
        if matched:
            with connect(self.dsn, "rollcall_activation") as connection:
                match_roster(connection, [_update(person, removed=False) for person in people])

    def unroster(self, *people: Person) -> None:
        with connect(self.dsn, "rollcall_apply") as connection:
            for person in people:
                about = (person.district, person.id)
                for table in ("teachers", "students"):
                    connection.execute(f"DELETE FROM {table} WHERE district = %s AND id = %s".encode(), about)
                connection.execute(
                    "UPDATE classes SET teachers = array_remove(teachers, %(id)s),"
                    " students = array_remove(students, %(id)s) WHERE district = %(district)s",
                    {"district": person.district, "id": person.id},
                )
        with connect(self.dsn, "rollcall_activation") as connection:
            match_roster(connection, [_update(person, removed=True) for person in people])

    def correct_birth_date(self, person: Person, birth_date: str) -> None:
        with connect(self.dsn, "rollcall_apply") as connection:
            connection.execute(
                "UPDATE students SET birth_date = %s WHERE district = %s AND id = %s",
                (birth_date, person.district, person.id),
            )

    @staticmethod
    def _put(connection: psycopg.Connection[Any], person: Person) -> None:
        columns: dict[str, object] = {
            "district": person.district,
            "id": person.id,
            "email": person.email,
            "given": "Dana",
            "family": f"Of {person.id}",
            "display_name": f"Dana Of {person.id}",
            "schools": [],
            "classes": list(person.classes),
            "digest": bytes(16),
            "roster_version": 1,
        }
        if person.kind == "students":
            columns["birth_date"] = person.birth_date
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        connection.execute(f"INSERT INTO {person.kind} ({names}) VALUES ({marks})".encode(), list(columns.values()))
        for name in person.classes:
            connection.execute(
                "INSERT INTO classes (district, id, name, school, digest, roster_version)"
                " VALUES (%s, %s, %s, 'school', %s, 1) ON CONFLICT DO NOTHING",
                (person.district, name, name, bytes(16)),
            )
            connection.execute(
                f"UPDATE classes SET {person.kind} = {person.kind} || %s WHERE district = %s AND id = %s".encode(),
                ([person.id], person.district, name),
            )

    def add_account(self, *emails: str, password: str | None = PASSWORD) -> str:
        """Make an account as the product does, and have it matched."""
        hashed = _hashed(password) if password is not None else None
        account_id = str(
            self.query("INSERT INTO accounts (password_hash) VALUES (%s) RETURNING account_id", hashed)[0][0]
        )
        for email in emails:
            self.query("INSERT INTO account_emails (account_id, email) VALUES (%s, %s) RETURNING 1", account_id, email)
        with connect(self.dsn, "rollcall_activation") as connection:
            while match_changed_accounts(connection, 1000):
                pass
        return account_id

    def activation(self, person: Person) -> tuple[str, str | None]:
        """Give the person's state and account."""
        rows = self.query(
            "SELECT state, account_id::text FROM activations WHERE district = %s AND kind = %s AND id = %s",
            *(person.district, person.kind, person.id),
        )
        return rows[0][0], rows[0][1]

    def mails_to(self, person: Person) -> list[str]:
        rows = self.query(
            "SELECT recipient FROM sign_in.mails WHERE district = %s AND id = %s", person.district, person.id
        )
        return [row[0] for row in rows]

    def told(self, person: Person) -> list[str]:
        """Give the states that were told of the person, in order."""
        told = events(self.query(f"SELECT {COLUMNS} FROM outbox"))
        return [event.type.split(".")[3] for event in told if event.entity == person.who]

    def rostered_student(self, district: str) -> Person:
        person = student(district)
        self.roster(person)
        return person

    def everything(self) -> dict[str, int]:
        """Give how much there is of what sign-in could store."""
        tables = (
            "accounts",
            "account_emails",
            "identities",
            "outbox",
            "sign_in.sessions",
            "sign_in.mails",
            "sign_in.external_logins",
            "sign_in.classlink_users",
        )
        return {table: self.query(f"SELECT count(*) FROM {table}")[0][0] for table in tables}


@cache
def _hashed(password: str) -> str:
    return hash_password(password)  # slow, as it should be


def _update(person: Person, *, removed: bool) -> Rostered:
    key = PersonKey(person.district, person.kind, person.id)
    return Rostered(
        key,
        2 if removed else 1,
        removed,
        email=None if removed else person.email,
        birth_date=None if removed else person.birth_date,
        given="Dana",
        family=f"Of {person.id}",
    )


class Browser:
    """A browser with cookies. It follows no redirects by itself."""

    def __init__(self, pages: str, sandbox: str) -> None:
        self.pages = pages
        self.sandbox = sandbox
        self.http = httpx.Client(timeout=60, verify=False)  # loading the authorities takes longer than a test

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path if path.startswith("http") else f"{self.pages}{path}")

    def post(self, path: str, **fields: str) -> httpx.Response:
        """Send a form as one of our pages would hold it."""
        return self.http.post(f"{self.pages}{path}", data={"form_token": self.form_token, **fields})

    @property
    def form_token(self) -> str:
        return form_token(self.http.cookies.get("rollcall_browser") or "")

    def way_back(self, begin: str, who: str, **options: str) -> str:
        """Begin a round, sign in at the provider; give the address that the provider sends the browser back to."""
        away = self.get(begin)
        assert away.status_code == 303, away.text
        return self.at_provider(away.headers["location"], who, **options)

    def at_provider(self, address: str, who: str, **options: str) -> str:
        assert address.startswith(self.sandbox), address
        back = self.http.get(f"{address}&{urlencode({'as': who, **options})}")
        assert back.status_code == 302, back.text
        return str(back.headers["location"])

    def sign_in(self, provider: str, who: str, query: str = "", **options: str) -> httpx.Response:
        """Sign in through a provider, up to our answer."""
        return self.get(self.way_back(f"/sign-in/{provider}{query}", who, **options))

    def log_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        self.get("/log-in/identity")  # any visit gives the browser its cookie
        return self.post("/log-in", email=email, password=password)

    def me(self) -> dict[str, Any]:
        """Give who we take this browser for."""
        found: dict[str, Any] = self.get("/me").json()
        return found

    def command(self, **command: Any) -> dict[str, Any]:
        """Command the sandbox's sign-in servers; give how often each step was asked."""
        answer = self.http.post(f"{self.sandbox}/sign-in-control", content=json.dumps(command))
        assert answer.is_success, answer.text
        asked: dict[str, Any] = answer.json()["asked"]
        return asked


class Browsers:
    """As many browsers as a test needs."""

    def __init__(self, pages_url: str, sandbox_url: str) -> None:
        self._urls = (pages_url, sandbox_url)
        self.all: list[Browser] = []

    def new(self) -> Browser:
        self.all.append(Browser(*self._urls))
        return self.all[-1]


def query_of(address: str) -> dict[str, str]:
    """Give an address's query."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def refusal(answer: httpx.Response) -> str:
    """Give the code of a refusal; fails for any other answer."""
    assert answer.status_code >= 400, answer.headers
    return str(answer.json()["code"])


@contextmanager
def pages(town: Town, sandbox: str, folder: Path) -> Iterator[tuple[str, Lobby]]:
    """Serve the addresses of sign-in; /me tells who the browser is taken for, refusals are JSON."""
    listening = listener("test", "TEST", "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = FastAPI()
    app.include_router(router)

    def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        return JSONResponse({"code": error.refused.code, "text": error.refused.text}, error.refused.status)

    def me(request: Request) -> dict[str, Any]:
        session = current_session(request)
        if session is None:
            return {}
        return {"account_id": session.account_id, "person": session.person, "pending": session.is_pending}

    app.add_exception_handler(RefusedError, refused)
    app.add_api_route("/me", me)
    stop = threading.Event()
    with open_lobby(town.dsn, url, write_sign_in_file(sandbox, folder / "sign-in.json")) as lobby:
        app.state.lobby = lobby
        serving = threading.Thread(target=serve, args=(app, listening, stop))
        serving.start()
        try:
            yield url, lobby
        finally:
            stop.set()
            serving.join()


def in_parallel(calls: Sequence[Any]) -> list[Any]:
    """Make all calls at the same moment; give what they gave."""
    ready = threading.Barrier(len(calls))
    found: list[Any] = [None] * len(calls)

    def run(place: int) -> None:
        ready.wait()
        found[place] = calls[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
