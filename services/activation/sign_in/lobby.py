"""The lobby: everything that can be asked of sign-in, in one place, for pages and interfaces to call."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import structlog
from psycopg_pool import ConnectionPool

from services.activation.sign_in import sessions, visits
from services.activation.sign_in.activating import arrive, create_account, use_account
from services.activation.sign_in.classlink import ClassLink
from services.activation.sign_in.clever import Clever
from services.activation.sign_in.cookies import Cookies
from services.activation.sign_in.identity_provider import IdentityProvider
from services.activation.sign_in.log_in import account_of_login, account_of_password
from services.activation.sign_in.outcomes import REFUSALS, ActivationPending, Outcome, Refused, RefusedError, SignedIn
from services.activation.sign_in.provider_settings import SignInSettings, load_sign_in_settings
from services.activation.sign_in.providers import AccountClaim, Provider, Returned
from services.activation.sign_in.rostered import classes_of, find_person, follow_age, usable_email
from services.activation.sign_in.sessions import Session
from services.activation.sign_in.sign_in_http import ProviderAnswerError, SignInHttp
from services.activation.sign_in.tokens import digest
from services.database.connect import with_role

log = structlog.get_logger()

ROSTERING = ("clever", "classlink")
"""The providers by which people come through their district; all others open accounts that people have."""


_NOBODY_KNOWN = {"provider-answer", "provider-away", "code-refused"}
"""Refusals that come before the provider has said who it is."""


@dataclass(frozen=True, slots=True)
class PendingPerson:
    """Whom an activation is about, and what would be joined: shown before it happens.

    `email` is the district's, where a new account would get it; `classes` are names.
    """

    given: str
    display_name: str
    district_name: str
    is_student: bool
    email: str | None
    classes: tuple[str, ...]


class Lobby:
    """Sign-in and activation. Its connections may do what the role rollcall_sign_in may do."""

    def __init__(
        self,
        pool: ConnectionPool[psycopg.Connection[Any]],
        url: str,
        settings: SignInSettings,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`url` is where people reach our pages: the providers send them back to it, and over https cookies need it."""
        self._pool = pool
        self._url = url.rstrip("/")
        self.cookies = Cookies(secure=urlsplit(url).scheme == "https")
        self.identity_providers = {name: each.name for name, each in settings.identity_providers.items()}
        self._providers: dict[str, Provider] = {}
        if settings.clever is not None:
            self._providers["clever"] = Clever(settings.clever, SignInHttp(transport))
        if settings.classlink is not None:
            self._providers["classlink"] = ClassLink(settings.classlink, SignInHttp(transport))
        for name, each in settings.identity_providers.items():
            self._providers[name] = IdentityProvider(each, SignInHttp(transport))

    def close(self) -> None:
        """Close the connections to the providers; the pool is its owner's."""
        for provider in self._providers.values():
            provider.close()

    @property
    def rostering(self) -> tuple[str, ...]:
        """Which of Clever and ClassLink people can sign in by here."""
        return tuple(name for name in ROSTERING if name in self._providers)

    def sign_out_url(self, provider: str) -> str | None:
        """Give where people sign out of the provider itself, where the installation says."""
        found = self._providers.get(provider)
        return found.sign_out_url if found is not None else None

    def begin(
        self,
        provider: str,
        browser: str,
        *,
        district: str | None = None,
        pending: Session | None = None,
        restarted: bool = False,
    ) -> str:
        """Begin a round for this browser; give the provider's address. Raises RefusedError.

        With `pending`, a session whose activation goes on with the account that the identity provider opens.
        """
        found = self._provider(provider)
        session = digest(pending.token) if pending is not None else None
        began = visits.begin(self._pool, provider, browser, district, session, restarted=restarted)
        try:
            return found.authorize_url(began, self._redirect_uri(provider))
        except ProviderAnswerError as error:
            log.warning("provider-answer", provider=provider, error=str(error))
            raise RefusedError(error.code) from None

    def come_back(self, provider: str, browser: str, state: str, code: str, had: str | None) -> Session:
        """Finish a round, once; give the new session, signed in or pending. Raises RefusedError.

        `had` is the token of the session that this browser had before: that one is over, as computers are shared,
        even where who comes now is refused; unless it is the activation that this round was to go on with.
        """
        found = self._provider(provider)
        claimed = visits.claim(self._pool, provider, browser, state, code)
        outcome = self._finish(provider, found, claimed, code) if isinstance(claimed, visits.Claimed) else claimed
        is_somebody_new = isinstance(claimed, visits.Claimed) and claimed.session is None
        if isinstance(outcome, Refused):
            if is_somebody_new and outcome.code not in _NOBODY_KNOWN:
                self.sign_out(had)
            raise RefusedError(outcome.code)
        with self._pool.connection() as connection, connection.transaction():
            if isinstance(claimed, visits.Claimed):
                sessions.end(connection, had)
            return sessions.open_session(connection, outcome, provider, sessions.family_of(state))

    def current(self, token: str | None, *, by_person: bool = True) -> Session | None:
        """Give the session of a cookie's token, or None; see `sessions.current`."""
        with self._pool.connection() as connection:
            return sessions.current(connection, token, by_person=by_person)

    def pending_person(self, session: Session) -> PendingPerson:
        """Give whom a pending session is about. Raises RefusedError where they can no longer activate."""
        person = _pending(session).person
        with self._pool.connection() as connection:
            found = find_person(connection, person.district, person.id, person.kind)
            if found is None:
                raise RefusedError("left")
            if refusal := found.refusal():
                raise RefusedError(refusal)
            name = connection.execute("SELECT name FROM districts WHERE district = %s", (person.district,)).fetchone()
            return PendingPerson(
                given=found.given,
                display_name=found.display_name,
                district_name=name[0] if name else person.district,
                is_student=person.kind == "students",
                email=usable_email(connection, found),
                classes=tuple(class_name for _, class_name in classes_of(connection, person)),
            )

    def create_account(self, session: Session) -> Session:
        """Make an account for the person of a pending session; give the session signed in. Raises RefusedError."""
        with self._pool.connection() as connection:
            outcome = create_account(connection, _pending(session))
            return self._go_on(connection, session, outcome, session.provider)

    def log_in(self, session: Session | None, email: str, password: str, address: str) -> Session:
        """Log in to an account by password; in a pending activation it becomes the district's. Raises RefusedError."""
        if "\0" in email or "\0" in password:
            raise RefusedError("wrong-password")
        with self._pool.connection() as connection:
            account_id = account_of_password(connection, email, password, address)
            if session is not None and session.is_pending:
                return self._go_on(
                    connection, session, use_account(connection, _pending(session), account_id), session.provider
                )
            with connection.transaction():
                follow_age(connection, account_id)
                sessions.end(connection, session.token if session else None)
                return sessions.open_session(connection, SignedIn(account_id), "password")

    def sign_out(self, token: str | None) -> None:
        """End the session, and all that came of the same sign-in."""
        with self._pool.connection() as connection:
            sessions.end(connection, token)

    def not_me(self, token: str | None, browser: str) -> None:
        """End the session and everything else that this browser has under way."""
        self.sign_out(token)
        visits.forget(self._pool, browser)

    def _finish(self, name: str, provider: Provider, claimed: visits.Claimed, code: str) -> Outcome:
        try:
            who = provider.who(Returned(code, claimed.code_verifier, claimed.nonce_digest), self._redirect_uri(name))
        except ProviderAnswerError as error:
            log.warning("provider-answer", provider=name, error=str(error))
            outcome: Outcome = REFUSALS[error.code]
        else:
            with self._pool.connection() as connection:
                if isinstance(who, AccountClaim):
                    outcome = self._own_account(connection, who, claimed)
                else:
                    outcome = arrive(connection, name, who, claimed.district)
        visits.settle(self._pool, claimed, outcome)
        return outcome

    def _own_account(self, connection: psycopg.Connection[Any], who: AccountClaim, claimed: visits.Claimed) -> Outcome:
        try:
            account_id = account_of_login(connection, who)
        except RefusedError as error:
            return error.refused
        if claimed.session is None:
            follow_age(connection, account_id)
            return SignedIn(account_id)
        session = sessions.current_by_digest(connection, claimed.session)
        if session is None or not session.is_pending:
            return REFUSALS["session-ended"]
        return use_account(connection, _pending(session), account_id)

    def _go_on(self, connection: psycopg.Connection[Any], session: Session, outcome: Outcome, provider: str) -> Session:
        if isinstance(outcome, Refused):
            raise RefusedError(outcome.code)
        with connection.transaction():
            return sessions.open_session(connection, outcome, provider, session.family)

    def _provider(self, name: str) -> Provider:
        try:
            return self._providers[name]
        except KeyError:
            raise RefusedError("unknown-provider") from None

    def _redirect_uri(self, provider: str) -> str:
        return f"{self._url}/sign-in/{provider}/callback"


@contextmanager
def open_lobby(dsn: str, url: str, file: Path | None) -> Iterator[Lobby]:
    """Open the lobby of an installation: its database, where people reach it, its file of sign-in servers.

    Raises SignInFileError.
    """
    settings = load_sign_in_settings(file) if file is not None else SignInSettings()
    pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
        with_role(dsn, "rollcall_sign_in"), kwargs={"autocommit": True}, min_size=1, max_size=20, open=False
    )
    with pool:
        lobby = Lobby(pool, url, settings)
        try:
            yield lobby
        finally:
            lobby.close()


def _pending(session: Session) -> ActivationPending:
    if not session.is_pending or session.person is None:
        raise RefusedError("session-ended")
    return ActivationPending(session.person, session.provider_user)
