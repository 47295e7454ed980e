"""What is told of newcomers, packed for the outbox and made again by the relay."""

import hashlib
import json
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import ActivationChanged
from schemas.topics import ACTIVATIONS
from services.activation.newcomers import unpack_newcomers
from services.outbox import OutboxEvent

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
people = st.dictionaries(texts.filter(bool), st.none() | st.uuids(), max_size=12)


def _told(told_of: dict[str, UUID | None], state: str = "activated", version: int = 1) -> list[OutboxEvent]:
    packed = {
        "district": "springfield",
        "kind": "students",
        "state": state,
        "roster_version": version,
        "reason": "same-email",
        "text": "The account has “the” email.",
        "ids": [*told_of],
        "accounts": [account and str(account) for account in told_of.values()],
    }
    return list(unpack_newcomers(json.dumps(packed)))


@given(told_of=people, state=st.sampled_from(["activated", "required"]), version=st.integers(1, 2**40))
def test_every_newcomer_is_told_of_with_the_account_beside_their_id(
    told_of: dict[str, UUID | None], state: str, version: int
) -> None:
    events = _told(told_of, state, version)
    assert len(events) == len(told_of)
    for event, (id_, account) in zip(events, told_of.items(), strict=True):
        assert event.entity == f"springfield/students/{id_}"
        assert event.type == f"dev.rollcall.activation.{state}.v1"
        assert ACTIVATIONS.types[event.type] is ActivationChanged
        assert ActivationChanged.model_validate_json(event.payload) == ActivationChanged.model_validate(
            {
                "district": "springfield",
                "kind": "students",
                "id": id_,
                "state": state,
                "account_id": account and str(account),
                "roster_version": version,
                "reason": "same-email",
                "text": "The account has “the” email.",
            }
        )


def test_an_event_has_the_id_of_the_first_that_is_told_of_its_person_whenever_it_is_made() -> None:
    (event,) = _told({"p7": None}, "required")
    assert event.id == hashlib.md5(b"springfield/students/p7\x1f1", usedforsecurity=False).hexdigest()
    assert event in _told({"p6": None, "p7": None}, "required")
