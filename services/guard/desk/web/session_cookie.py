"""The session of a browser: a signed cookie that says who signed in, until when, and which sets show names.

It carries no secret of its own, and nobody without the desk's secret can make or change one.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from fastapi import Request, Response
from itsdangerous import BadData, URLSafeSerializer

from services.clock import now
from services.settings import Settings

COOKIE = "rollcall_desk"
SESSION_TIME = timedelta(hours=10)
NAMES_TIME = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Session:
    """`csrf` must come back with every form. `names` are the change sets whose names are shown, until when."""

    until: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    reviewer_id: str | None = None
    names: dict[str, float] = field(default_factory=dict)

    def shows_names(self, change_set: str) -> bool:
        """Tell whether the names of this set have been asked for, and not long ago."""
        return self.names.get(change_set, 0) > now().timestamp()

    def with_names(self, change_set: str, *, shown: bool) -> "Session":
        """Give the session with this set's names shown for a while, or hidden; those that ran out are forgotten."""
        clock = now().timestamp()
        names = {one: until for one, until in self.names.items() if until > clock and one != change_set}
        if shown:
            names[change_set] = clock + NAMES_TIME.total_seconds()
        return replace(self, names=names)


class SessionCookies:
    """Reads sessions from requests and writes them to responses."""

    def __init__(self, secret: str) -> None:
        self._serializer = URLSafeSerializer(secret, salt="rollcall desk session")

    @staticmethod
    def begin(reviewer_id: str | None = None) -> Session:
        """Give a fresh session, for a visitor or for who has just signed in."""
        return Session(until=(now() + SESSION_TIME).timestamp(), reviewer_id=reviewer_id)

    def read(self, request: Request) -> Session | None:
        """Give the request's session, or None where it has none that is ours and still runs."""
        try:
            session = Session(**self._serializer.loads(request.cookies.get(COOKIE, "")))
        except (BadData, TypeError):
            return None
        return session if session.until > now().timestamp() else None

    def write(self, response: Response, session: Session, *, secure: bool) -> None:
        """Have the browser keep the session. Scripts cannot read it; other sites' forms do not send it."""
        response.set_cookie(
            COOKIE,
            self._serializer.dumps(asdict(session)),
            expires=datetime.fromtimestamp(session.until, tz=now().tzinfo),
            httponly=True,
            samesite="lax",
            secure=secure,
        )


def session_secret(settings: Settings) -> str:
    """Give what signs the sessions: as configured, else a random one that is made once and kept in the home."""
    if settings.desk_secret is not None:
        return settings.desk_secret.get_secret_value()
    path: Path = settings.home / "desk" / "secret"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"secret.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32))
    with suppress(FileExistsError):  # of several processes that start at once, the first one's secret counts
        os.link(draft, path)
    draft.unlink()
    return path.read_text(encoding="utf-8")
