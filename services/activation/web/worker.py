"""The process of the people's pages and of the product's API: served until the worker is told to stop."""

import threading

from services.activation.web.app import people_app
from services.pages.serving import listener, serve
from services.settings import Settings

USUAL_PORT = 8720


def run(settings: Settings, stop: threading.Event) -> None:
    """Serve until `stop` is set. Raises AddressError where it cannot listen."""
    listening = listener(
        "activation-web", "ACTIVATION", settings.activation_host, settings.activation_port or USUAL_PORT
    )
    serve(people_app(), listening, stop)
