"""Whose account a rostered person has: found or asked for, never guessed, never made."""

from hypothesis import given
from hypothesis import strategies as st

from services.activation.matching import match
from services.activation.worker import email_key

accounts = st.lists(st.sampled_from(["a1", "a2", "a3"]), unique=True)


def test_an_account_with_the_rostered_email_is_activated_by_itself() -> None:
    found = match(None, ["a1"], 1, account_taken=False)
    assert (found.state, found.account_id) == ("activated", "a1")


def test_a_person_without_a_matching_account_is_to_be_asked() -> None:
    assert match(None, [], 1, account_taken=False).state == "required"


@given(linked=st.none(), by_email=accounts.filter(bool), sharing=st.integers(2, 9), taken=st.booleans())
def test_an_email_that_several_people_share_is_a_conflict_for_each(
    linked: None, by_email: list[str], sharing: int, taken: bool
) -> None:
    found = match(linked, by_email, sharing, taken)
    assert (found.state, found.account_id) == ("conflict", None)


@given(by_email=st.lists(st.sampled_from(["a1", "a2", "a3"]), unique=True, min_size=2), taken=st.booleans())
def test_several_accounts_with_one_email_are_a_conflict_and_none_is_taken(by_email: list[str], taken: bool) -> None:
    assert match(None, by_email, 1, taken).account_id is None
    assert match(None, by_email, 1, taken).state == "conflict"


def test_an_account_that_belongs_to_somebody_else_of_the_district_is_a_conflict() -> None:
    assert match(None, ["a1"], 1, account_taken=True).state == "conflict"


@given(by_email=accounts, sharing=st.integers(0, 3), taken=st.booleans())
def test_a_new_email_never_takes_a_matched_account_away(by_email: list[str], sharing: int, taken: bool) -> None:
    assert match("a9", by_email, sharing, taken).account_id == "a9"


@given(email=st.text(alphabet="aAbB@. ", max_size=12))
def test_emails_compare_without_case_and_surrounding_space(email: str) -> None:
    assert email_key(f"  {email.upper()} ") == email_key(email)


def test_no_email_matches_nothing() -> None:
    assert email_key(None) is None
    assert email_key("   ") is None
