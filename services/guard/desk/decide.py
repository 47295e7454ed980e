"""A reviewer's decision: written down, then published on `roster.decisions`; guard follows it or says why not."""

from datetime import datetime
from typing import Any, Literal

import psycopg

from services.messages import Publisher


def decide(
    connection: psycopg.Connection[Any],
    publisher: Publisher,
    *,
    district: str,
    change_set: str,
    decision: Literal["approve", "reject"],
    reviewer: str,
    reason: str,
    decided_at: datetime,
) -> str:
    """Publish the decision durably and give its event id, by which `read_model.decisions` tells guard's answer.

    Whether the set can still be decided is for guard to say (promise 5). Given again with the same `decided_at`, it is
    the same decision. Raises ValueError without a reviewer or a reason, PublishError where Kafka does not take it: the
    decision is then on record as unpublished, and may be given again.
    """
    raise NotImplementedError
