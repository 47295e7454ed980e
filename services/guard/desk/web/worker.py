"""The desk's process: the pages of `app`, served until the worker is told to stop."""

import threading

import psycopg
from psycopg_pool import ConnectionPool

from services.database.connect import with_role
from services.guard.desk.web.app import desk_app, page_templates
from services.guard.desk.web.session_cookie import SessionCookies, session_secret
from services.guard.desk.web.visit import Desk
from services.ingest.schedule import Window
from services.installation import find_installation
from services.messages import Publisher
from services.pages.serving import listener, serve
from services.settings import Settings

USUAL_PORT = 8700


def run(settings: Settings, stop: threading.Event) -> None:
    """Serve until `stop` is set. Raises AddressError where it cannot listen."""
    installation = find_installation(settings)
    pool: ConnectionPool[psycopg.Connection[object]] = ConnectionPool(
        with_role(installation.database, "rollcall_desk"), kwargs={"autocommit": True}, min_size=1, max_size=10
    )
    publisher = Publisher(installation.kafka, settings.topic_prefix, "rollcall-desk")
    cookies = SessionCookies(session_secret(settings))
    window = Window(settings.night_starts, settings.night_hours)
    desk = Desk(pool, publisher, cookies, page_templates(), settings.limit_percent, window)
    try:
        serve(desk_app(desk), listener("the desk", "DESK", settings.desk_host, settings.desk_port or USUAL_PORT), stop)
    finally:
        publisher.close()
        pool.close()
