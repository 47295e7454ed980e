"""Clever's cursor: every page follows from the one before, or nothing is believed (clever.md section 5)."""

from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from services.ingest.source import PullFailedError
from tests.unit.clever_server import (
    SCHOOL,
    CleverServer,
    next_link,
    page_of,
    read,
    student,
    student_id,
    teacher,
)


def many(students: int) -> CleverServer:
    server = CleverServer()
    server.rows["users"] = [*(student(number) for number in range(1, students + 1)), teacher()]
    return server


def users(server: CleverServer, *pages: httpx.Response) -> CleverServer:
    """Answer the first requests for /users with these pages, and the later ones as a whole Clever does."""
    left = list(pages)
    server.twist = lambda request, ordinary: left.pop(0) if left and request.url.path.endswith("/users") else ordinary
    return server


def failure(server: CleverServer, tmp_path: Path, **how: Any) -> PullFailedError:
    with pytest.raises(PullFailedError) as caught:
        read(server, tmp_path, **how)
    return caught.value


def queries(server: CleverServer, collection: str) -> list[str]:
    return [request.url.query.decode() for request in server.asked(collection)]


def test_the_next_link_is_followed_as_given_until_there_is_none(tmp_path: Path) -> None:
    server = many(7)
    pull = read(server, tmp_path, page_size=3)
    assert queries(server, "users") == [
        "limit=3",
        f"limit=3&starting_after={student_id(3)}",
        f"limit=3&starting_after={student_id(6)}",
    ]
    assert [person.id for person in pull.students] == [student_id(number) for number in range(1, 8)]


def test_a_collection_is_proved_by_its_rows_pages_and_end(tmp_path: Path) -> None:
    pull = read(many(7), tmp_path, page_size=3)
    proofs = {proof.collection: proof for proof in pull.report.proofs}
    assert list(proofs) == ["districts", "schools", "terms", "courses", "users", "sections"]
    of_users = proofs["users"]
    assert (of_users.pages, of_users.rows, of_users.distinct, of_users.end) == (3, 8, 8, "no next page")


def test_the_proofs_digest_depends_on_the_rows_and_not_on_the_pages(tmp_path: Path) -> None:
    digests = [
        {proof.collection: proof.digest for proof in read(server, tmp_path, page_size=size).report.proofs}["users"]
        for server, size in [(many(7), 3), (many(7), 10_000), (many(6), 10_000)]
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_filter_that_the_next_link_leaves_out_is_added_back(tmp_path: Path) -> None:
    server = users(many(4), page_of([student(1), student(2)], next_link(f"/v3.0/users?starting_after={student_id(2)}")))
    read(server, tmp_path, page_size=2)
    assert queries(server, "users")[1] == f"starting_after={student_id(2)}&limit=2"


def test_other_parameters_of_the_next_link_are_kept(tmp_path: Path) -> None:
    link = next_link(f"/v3.0/users?limit=2&count=true&starting_after={student_id(2)}")
    server = users(many(3), page_of([student(1), student(2)], link))
    read(server, tmp_path)
    assert queries(server, "users")[1] == f"limit=2&count=true&starting_after={student_id(2)}"


def test_a_prev_link_is_not_followed(tmp_path: Path) -> None:
    server = many(5)
    read(server, tmp_path, page_size=2)
    assert all("ending_before" not in query for query in queries(server, "users"))


def test_a_cursor_is_never_sent_together_with_its_opposite(tmp_path: Path) -> None:
    server = many(5)
    read(server, tmp_path, page_size=2)
    assert not any({"starting_after", "ending_before"} <= set(request.url.params) for request in server.requests)


def test_records_created_during_a_pull_appear_on_later_pages(tmp_path: Path) -> None:
    server = many(4)

    def grow(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if request.url.path.endswith("/users") and "starting_after" not in request.url.params:
            server.rows["users"].insert(4, student(5))
        return ordinary

    server.twist = grow
    assert student_id(5) in [person.id for person in read(server, tmp_path, page_size=2).students]


def test_a_record_removed_during_a_pull_makes_no_hole(tmp_path: Path) -> None:
    server = many(6)

    def shrink(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if request.url.path.endswith("/users") and "starting_after" not in request.url.params:
            del server.rows["users"][1]
        return ordinary

    server.twist = shrink
    pull = read(server, tmp_path, page_size=2)
    assert [person.id for person in pull.students] == [student_id(number) for number in range(1, 7)]


def test_ids_that_do_not_ascend_within_a_page_fail_the_pull(tmp_path: Path) -> None:
    first = page_of([student(1), student(2)], next_link(f"/v3.0/users?starting_after={student_id(2)}"))
    error = failure(users(many(4), first, page_of([student(4), student(3)], [])), tmp_path)
    assert error.code == "incomplete"
    assert "ascending order" in error.text


def test_a_page_that_is_not_above_the_cursor_fails_the_pull(tmp_path: Path) -> None:
    first = page_of([student(1), student(2)], next_link(f"/v3.0/users?starting_after={student_id(2)}"))
    error = failure(users(many(3), first, page_of([student(2), student(3)], [])), tmp_path)
    assert error.code == "incomplete"
    assert "page 2" in error.text


def shuffled(server: CleverServer) -> CleverServer:
    """Have the server list its users in another order with every answer."""
    order = Random(1)

    def shuffle(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        order.shuffle(server.rows["users"])
        return ordinary

    order.shuffle(server.rows["users"])
    server.twist = shuffle
    return server


def test_a_server_whose_order_changes_with_every_answer_is_read_on_one_page(tmp_path: Path) -> None:
    server = shuffled(many(30))
    pull = read(server, tmp_path, page_size=10)
    assert sorted(person.id for person in pull.students) == [student_id(number) for number in range(1, 31)]
    assert queries(server, "users") == ["limit=10", "limit=10000"]
    assert pull.report.defects["id-twice"] == 0


def test_a_list_in_no_order_that_does_not_fit_on_one_page_fails_the_pull(tmp_path: Path) -> None:
    two = page_of([student(2), student(1)], next_link(f"/v3.0/users?starting_after={student_id(1)}"))
    error = failure(users(many(9), two, two), tmp_path, page_size=10)
    assert error.code == "incomplete"
    assert "in no order, and on more than one page" in error.text


@pytest.mark.parametrize("cursor", [f"starting_after={student_id(1)}", "starting_after=", "limit=2", ""])
def test_a_next_link_that_does_not_advance_fails_the_pull(tmp_path: Path, cursor: str) -> None:
    first = page_of([student(1), student(2)], next_link(f"/v3.0/users?starting_after={student_id(2)}"))
    second = page_of([student(3), student(4)], next_link(f"/v3.0/users?{cursor}"))
    error = failure(users(many(9), first, second), tmp_path)
    assert error.code == "incomplete"
    assert "does not go on from its last row" in error.text


def test_a_next_link_that_skips_rows_fails_the_pull(tmp_path: Path) -> None:
    first = page_of([student(1), student(2)], next_link(f"/v3.0/users?starting_after={student_id(5)}"))
    assert failure(users(many(9), first), tmp_path).code == "incomplete"


def test_next_links_without_end_fail_the_pull(tmp_path: Path) -> None:
    server = CleverServer()

    def endless(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if not request.url.path.endswith("/users"):
            return ordinary
        number = int(request.url.params.get("starting_after", "0"), 16) + 1
        return page_of([student(number)], next_link(f"/v3.0/users?starting_after={student_id(number)}"))

    server.twist = endless
    error = failure(server, tmp_path, settings={"requests_per_pull": 50})
    assert error.code == "incomplete"
    assert "50 requests" in error.text


def test_an_empty_page_that_names_a_next_one_fails_the_pull(tmp_path: Path) -> None:
    first = page_of([student(1)], next_link(f"/v3.0/users?starting_after={student_id(1)}"))
    empty = page_of([], next_link(f"/v3.0/users?starting_after={student_id(2)}"))
    assert failure(users(many(3), first, empty), tmp_path).code == "incomplete"


def test_an_empty_page_in_the_middle_is_never_the_end(tmp_path: Path) -> None:
    first = page_of([student(1), student(2)], next_link(f"/v3.0/users?limit=2&starting_after={student_id(2)}"))
    pull = read(users(many(5), first, page_of([], [])), tmp_path, page_size=2)
    assert [person.id for person in pull.students] == [student_id(number) for number in range(1, 6)]


def test_a_provider_that_goes_empty_in_the_middle_fails_the_pull(tmp_path: Path) -> None:
    first = page_of([student(1), student(2)], next_link(f"/v3.0/users?starting_after={student_id(2)}"))
    error = failure(users(many(5), first, page_of([], []), page_of([], [])), tmp_path)
    assert error.code == "incomplete"
    assert "is empty" in error.text


def test_an_empty_last_page_is_the_end_once_the_rows_before_it_are_confirmed(tmp_path: Path) -> None:
    server = CleverServer()
    last = server.rows["users"][-1]["id"]

    def always_next(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        rows = [item["data"] for item in ordinary.json()["data"]]
        if not request.url.path.endswith("/users") or len(rows) < 2:
            return ordinary
        return page_of(rows, next_link(f"/v3.0/users?limit=2&starting_after={rows[-1]['id']}"))

    server.twist = always_next
    pull = read(server, tmp_path, page_size=2)
    assert [person.id for person in pull.teachers] == [last]
    (proof,) = [proof for proof in pull.report.proofs if proof.collection == "users"]
    assert (proof.rows, proof.distinct, proof.end) == (6, 6, "empty page, confirmed")


def test_pages_without_links_are_walked_to_a_confirmed_end(tmp_path: Path) -> None:
    server = many(5)
    server.clamp = 2
    server.twist = lambda request, ordinary: (
        httpx.Response(200, json={"data": ordinary.json()["data"]}) if ordinary.status_code == 200 else ordinary
    )
    pull = read(server, tmp_path)
    assert [person.id for person in pull.students] == [student_id(number) for number in range(1, 6)]
    assert [school.id for school in pull.schools] == [SCHOOL]


def test_a_clamped_limit_changes_nothing(tmp_path: Path) -> None:
    server = many(8)
    server.clamp = 3
    assert len(read(server, tmp_path).students) == 8


def test_an_absolute_next_link_to_the_same_server_is_followed(tmp_path: Path) -> None:
    link = f"https://api.clever.example.org/v3.0/users?limit=2&starting_after={student_id(2)}"
    server = users(many(4), page_of([student(1), student(2)], next_link(link)))
    assert len(read(server, tmp_path, page_size=2).students) == 4


@pytest.mark.parametrize("link", ["https://evil.example.net/v3.0/users", "//evil.example.net/v3.0/users"])
def test_a_next_link_to_another_host_is_refused(tmp_path: Path, link: str) -> None:
    server = users(many(4), page_of([student(1)], next_link(f"{link}?starting_after={student_id(1)}")))
    error = failure(server, tmp_path)
    assert error.code == "incomplete"
    assert "evil.example.net" in error.text
    assert all(request.url.host == "api.clever.example.org" for request in server.requests)


def test_a_next_link_into_another_collection_is_refused(tmp_path: Path) -> None:
    server = users(many(4), page_of([student(1)], next_link(f"/v3.0/sections?starting_after={student_id(1)}")))
    assert "another collection" in failure(server, tmp_path).text


def test_a_server_below_a_path_of_its_own_is_walked_there(tmp_path: Path) -> None:
    server = many(5)
    server.path = "/proxy/clever/v3.1"
    pull = read(server, tmp_path, url="https://api.clever.example.org/proxy/clever", api_path="/v3.1", page_size=2)
    assert len(pull.students) == 5


def test_as_few_requests_as_possible_are_made(tmp_path: Path) -> None:
    server = many(30)
    read(server, tmp_path)
    assert [(request.url.path, request.url.query.decode()) for request in server.requests] == [
        ("/v3.0/districts", ""),
        ("/v3.0/schools", "limit=10000"),
        ("/v3.0/terms", "limit=10000"),
        ("/v3.0/courses", "limit=10000"),
        ("/v3.0/users", "limit=10000"),
        ("/v3.0/sections", "limit=1000"),
    ]


def test_a_record_that_comes_twice_alike_is_one(tmp_path: Path) -> None:
    server = many(3)
    server.rows["users"].insert(1, dict(reversed(student(1).items())))
    pull = read(server, tmp_path)
    assert len(pull.students) == 3
    assert pull.report.defects["id-twice"] == 1
    (proof,) = [proof for proof in pull.report.proofs if proof.collection == "users"]
    assert (proof.rows, proof.distinct) == (5, 4)


def test_two_differing_records_under_one_id_leave_what_is_applied_as_it_is(tmp_path: Path) -> None:
    server = many(3)
    server.rows["users"][1:1] = [student(1, email="other@oak.example.org"), student(1)]
    pull = read(server, tmp_path)
    assert [person.id for person in pull.students] == [student_id(2), student_id(3)]
    assert (pull.kept("students"), pull.kept("teachers")) == ([student_id(1)], [])
    assert pull.report.defects["id-twice-differing"] == 2
    assert student_id(1) in pull.classes[0].students


def test_pages_of_records_are_no_larger_than_asked(tmp_path: Path) -> None:
    pull = read(many(25), tmp_path, settings={"page_records": 10})
    assert [len(page.entries) for page in pull.pages if page.kind == "students"] == [10, 10, 5]
