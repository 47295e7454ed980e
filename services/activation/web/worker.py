"""The process of the people's pages and of the product's interface: served until the worker is told to stop."""

import threading
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from services.activation.api.app import create_api, product_pool
from services.activation.sign_in.lobby import open_lobby
from services.activation.web.app import page_templates, people_app
from services.activation.web.districts import DistrictDirectory
from services.activation.web.visit import People
from services.database.connect import with_role
from services.installation import find_installation
from services.pages.serving import listener, serve
from services.settings import Settings

USUAL_PORT = 8720


def run(settings: Settings, stop: threading.Event) -> None:
    """Serve until `stop` is set. Raises AddressError where it cannot listen, SignInFileError."""
    dsn = find_installation(settings).database
    host, port = settings.activation_host, settings.activation_port or USUAL_PORT
    address = settings.activation_url or f"http://{host}:{port}"
    districts: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
        with_role(dsn, "rollcall_sign_in"), kwargs={"autocommit": True}, min_size=1, max_size=4, open=False
    )
    with open_lobby(dsn, address, settings.sign_in_file) as lobby, districts, product_pool(dsn) as product:
        people = People(lobby, product, DistrictDirectory(districts), page_templates(), address.rstrip("/"))
        app = people_app(people, create_api(product, settings.product_token_file))
        serve(app, listener("activation-web", "ACTIVATION", host, port), stop)
