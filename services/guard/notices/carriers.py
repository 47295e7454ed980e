"""What takes parcels to people: mail by SMTP, posts to a webhook. Each delivers one parcel, or says why it did not."""

from typing import Protocol

from services.guard.notices.parcels import Parcel


class NotDeliveredError(Exception):
    """A parcel may not have arrived; it is to be tried again later. The text has no address and no secret in it.

    `away` says that whoever takes parcels does not answer at all, so that it is no use trying the others now.
    """

    def __init__(self, text: str, *, away: bool) -> None:
        super().__init__(text)
        self.away = away


class Carrier(Protocol):
    """One way to people."""

    by_webhook: bool

    async def deliver(self, parcel: Parcel) -> None:
        """Deliver the parcel. Returns once it has been taken over for good; raises NotDeliveredError otherwise."""


class MisconfiguredError(Exception):
    """A setting of the notifier cannot be used; the text names it and says what to do, and never quotes a secret."""
