"""Sessions that are lost are begun again, but not for ever."""

import threading

import pytest

from services.messages import PublishError
from services.sessions import keep_running


class Impatient(threading.Event):
    """An event nobody waits for: what would be seconds passes at once."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


def test_a_worker_that_gets_somewhere_outlives_any_number_of_lost_sessions() -> None:
    stop, lost = Impatient(), 0

    def session(progress: threading.Event) -> None:
        nonlocal lost
        progress.set()
        lost += 1
        if lost == 50:
            stop.set()
        raise PublishError("the broker is gone again")

    keep_running(session, stop)
    assert lost == 50


def test_ten_sessions_in_a_row_that_get_nowhere_end_the_worker_with_what_ended_the_last() -> None:
    lost = 0

    def session(_progress: threading.Event) -> None:
        nonlocal lost
        lost += 1
        raise PublishError(f"loss {lost}")

    with pytest.raises(PublishError, match="loss 10"):
        keep_running(session, Impatient())


def test_trouble_that_does_not_pass_ends_the_worker_at_once() -> None:
    lost = 0

    def session(_progress: threading.Event) -> None:
        nonlocal lost
        lost += 1
        raise KeyError(lost)

    with pytest.raises(KeyError, match="1"):
        keep_running(session, Impatient())
