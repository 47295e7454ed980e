"""OneRoster 1.1 and 1.2 over REST, on servers with the quirks that real ones have (oneroster.md sections 4 to 9)."""

import json
import random
import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from schemas.records import Class, School, Student, Teacher
from services.ingest.providers.oneroster.paging import CollectionReading
from services.ingest.source import PullFailedError, RecordPage, RosterMovedError
from tests.unit.oneroster_server import (
    HOST,
    V1P1,
    OneRosterServer,
    base,
    collection_of,
    district,
    pull,
    ref,
    small_district,
)

V1P2 = "/ims/oneroster/rostering/v1p2"


def test_a_district_is_read_whole_and_every_collection_is_proved(tmp_path: Path) -> None:
    server = OneRosterServer(small_district(students=2))
    result = pull(district(tmp_path), server)
    student = Student(
        "u000", "u000@x.example.org", "Givenu000", "Familyu000", "Givenu000 Familyu000", ("s1",), grade="05"
    )
    assert result.records["s1"] == School("s1", "Oak School")
    assert result.records["t1"] == Teacher("t1", "t1@x.example.org", "Givent1", "Familyt1", "Givent1 Familyt1", ("s1",))
    assert result.records["u000"] == student
    assert result.records["c1"] == Class("c1", "Algebra", "s1", ("t1",), ("u000", "u001"), course="Algebra I")
    assert "v1" not in result.records, "guardians are dropped"
    proofs = {proof.collection: proof for proof in result.report.proofs}
    assert list(proofs) == ["orgs", "academicSessions", "courses", "users", "classes", "enrollments"]
    assert (proofs["users"].rows, proofs["users"].distinct, proofs["users"].total) == (4, 4, 4)
    assert proofs["users"].end == "total reached"
    assert not result.report.defects


def test_every_page_is_asked_for_in_the_order_of_the_ids_and_no_href_or_link_is_followed(tmp_path: Path) -> None:
    server = OneRosterServer(headers={"Link": f'<https://elsewhere.example.net{V1P1}/users?offset=5>; rel="next"'})
    pull(district(tmp_path, page_size=3), server)
    assert {request.url.host for request in server.requests} == {"roster.example.org"}
    for request in server.requests:
        assert request.method == "GET"
        assert request.url.params["sort"] == "sourcedId"
        assert request.url.params["orderBy"] == "asc"
    assert [request.url.params["offset"] for request in server.asked("users")] == ["0", "3", "6", "9"]


def test_host_path_and_version_come_from_the_settings(tmp_path: Path) -> None:
    server = OneRosterServer(path="/sis/api/oneroster/v1p1")
    assert "c1" in pull(district(tmp_path, api_path="/sis/api/oneroster/v1p1/"), server).records
    full = OneRosterServer(path=f"/tenant{V1P1}")
    assert "c1" in pull(district(tmp_path, url=f"{HOST}/tenant{V1P1}/"), full).records


def test_a_bearer_is_sent_as_it_is(tmp_path: Path) -> None:
    server = OneRosterServer()
    pull(district(tmp_path, {"bearer": "static"}), server)
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer static"}


def test_offset_moves_by_the_rows_received_where_the_limit_is_clamped(tmp_path: Path) -> None:
    server = OneRosterServer(clamp=4)
    result = pull(district(tmp_path, page_size=100), server)
    assert [request.url.params["offset"] for request in server.asked("users")] == ["0", "4", "8", "9"]
    assert sum(isinstance(record, Student) for record in result.records.values()) == 7


def test_without_totals_a_collection_ends_at_an_empty_page(tmp_path: Path) -> None:
    server = OneRosterServer(clamp=4, says_total=False)
    result = pull(district(tmp_path), server)
    assert len(result.records["c1"].students) == 7  # type: ignore[union-attr]
    assert {proof.end for proof in result.report.proofs} == {"empty page"}
    assert [request.url.params["offset"] for request in server.asked("orgs")] == ["0", "1"]


def test_no_content_is_an_empty_collection(tmp_path: Path) -> None:
    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        return httpx.Response(204) if collection_of(request) in {"enrollments", "courses"} else ordinary

    result = pull(district(tmp_path), OneRosterServer(twist=twist))
    assert result.records["c1"] == Class("c1", "Algebra", "s1")


def test_an_empty_page_before_the_total_fails_the_pull(tmp_path: Path) -> None:
    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if collection_of(request) == "users" and request.url.params["offset"] == "6":
            return httpx.Response(200, json={"users": []}, headers={"X-Total-Count": "9"})
        return ordinary

    with pytest.raises(PullFailedError, match="users ends after 6 of 9 records") as failed:
        pull(district(tmp_path, page_size=3), OneRosterServer(twist=twist))
    assert failed.value.code == "incomplete"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"[]", "a bare list"),
        (b'{"orgs": []}', "without 'users'"),
        (b'{"users": {}}', "not an array"),
        (b'{"users": null}', "not an array"),
        (b'{"users": [{"givenName": "Secret"}]}', "row 1 has no sourcedId"),
        (b'{"users": [{"sourcedId": "a"}, {"sourcedId": ""}]}', "row 2 has no sourcedId"),
        (b'{"users": ["a"]}', "row 1 is not an object"),
        (b'{"users": [{"sourcedId": "\xff"}]}', "not JSON"),
        (b'{"imsx_codeMajor": "failure"}', "without 'users'"),
    ],
)
def test_a_page_that_is_not_what_it_must_be_fails_the_pull_and_is_never_empty(
    tmp_path: Path, body: bytes, what: str
) -> None:
    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if collection_of(request) != "users":
            return ordinary
        return httpx.Response(200, content=body, headers={"Content-Type": "application/json"})

    with pytest.raises(PullFailedError, match=what) as failed:
        pull(district(tmp_path), OneRosterServer(twist=twist))
    assert failed.value.code == "not-a-roster"
    assert "/users" in failed.value.text
    assert "Secret" not in failed.value.text


def test_a_web_page_under_200_fails_the_pull(tmp_path: Path) -> None:
    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        return httpx.Response(200, html="<html>Welcome</html>")

    with pytest.raises(PullFailedError, match="not JSON") as failed:
        pull(district(tmp_path), OneRosterServer(twist=twist))
    assert failed.value.code == "not-a-roster"


@pytest.mark.parametrize("collection", ["orgs", "academicSessions", "users", "classes", "enrollments"])
def test_a_collection_that_is_not_there_is_a_wrong_path_and_never_no_rows(tmp_path: Path, collection: str) -> None:
    rows = small_district()
    del rows[collection]
    with pytest.raises(PullFailedError, match="API path, which names the version") as failed:
        pull(district(tmp_path), OneRosterServer(rows))
    assert failed.value.code == "not-found"
    assert collection in failed.value.text


def test_a_server_without_courses_is_read_without_them(tmp_path: Path) -> None:
    rows = small_district()
    del rows["courses"]
    assert pull(district(tmp_path), OneRosterServer(rows)).records["c1"].course is None  # type: ignore[union-attr]


def test_a_list_whose_order_changes_with_every_answer_is_read_in_one_page(tmp_path: Path) -> None:
    shuffle = random.Random(3)

    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        collection = collection_of(request)
        rows = list(server.rows[collection])
        shuffle.shuffle(rows)
        limit, offset = int(request.url.params["limit"]), int(request.url.params["offset"])
        return httpx.Response(
            200, json={collection: rows[offset : offset + limit]}, headers={"X-Total-Count": str(len(rows))}
        )

    server = OneRosterServer(small_district(students=60), twist=twist)
    result = pull(district(tmp_path, page_size=10), server)
    assert len(result.records["c1"].students) == 60  # type: ignore[union-attr]
    assert not result.report.defects
    assert len(result.report.proofs) == 6, "the readings that failed leave nothing in the report"


def test_a_list_that_cannot_be_proved_whole_fails_after_three_readings(tmp_path: Path) -> None:
    shuffle = random.Random(3)

    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if collection_of(request) != "users":
            return ordinary
        rows = list(server.rows["users"])
        shuffle.shuffle(rows)
        offset = int(request.url.params["offset"])
        return httpx.Response(
            200, json={"users": rows[offset : offset + 10]}, headers={"X-Total-Count": str(len(rows))}
        )

    server = OneRosterServer(small_district(students=60), twist=twist)
    with pytest.raises(
        PullFailedError, match=r"users shifts while it is read: a record came on two pages.*3 times"
    ) as failed:
        pull(district(tmp_path, page_size=10), server)
    assert failed.value.code == "incomplete"
    assert len([request for request in server.asked("users") if request.url.params["offset"] == "0"]) == 3


def test_a_record_that_really_comes_twice_on_a_page_border_is_read_with_other_pages(tmp_path: Path) -> None:
    rows = small_district()
    rows["users"].insert(4, dict(rows["users"][3]))
    server = OneRosterServer(rows, clamp=4)
    result = pull(district(tmp_path, page_size=4), server)
    assert result.report.defects == {"id-twice": 1}
    assert len(result.records["c1"].students) == 7  # type: ignore[union-attr]


def test_a_server_that_ignores_the_offset_fails_the_pull(tmp_path: Path) -> None:
    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        collection = collection_of(request)
        return httpx.Response(200, json={collection: server.rows[collection]})

    server = OneRosterServer(twist=twist)
    with pytest.raises(PullFailedError, match="repeats its pages") as failed:
        pull(district(tmp_path), server)
    assert failed.value.code == "incomplete"


def test_a_page_that_is_too_heavy_is_asked_for_in_halves_from_the_same_offset(tmp_path: Path) -> None:
    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        heavy = collection_of(request) == "users" and int(request.url.params["limit"]) > 3
        return httpx.Response(502) if heavy else ordinary

    server = OneRosterServer(twist=twist)
    result = pull(district(tmp_path, page_size=8), server)
    asked = [(request.url.params["limit"], request.url.params["offset"]) for request in server.asked("users")]
    assert asked == [("8", "0"), ("4", "0"), ("2", "0"), ("2", "2"), ("2", "4"), ("2", "6"), ("2", "8"), ("2", "9")]
    assert len(result.records["c1"].students) == 7  # type: ignore[union-attr]


def test_a_revision_that_changes_under_way_voids_the_whole_pull(tmp_path: Path) -> None:
    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        ordinary.headers["x-perm-rev"] = "8" if collection_of(request) == "enrollments" else "7"
        return ordinary

    with pytest.raises(RosterMovedError, match="x-perm-rev"):
        pull(district(tmp_path), OneRosterServer(twist=twist))


def test_a_revision_that_stays_or_is_missing_is_fine(tmp_path: Path) -> None:
    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if collection_of(request) != "orgs":
            ordinary.headers["x-perm-rev"] = "7"
        return ordinary

    assert "c1" in pull(district(tmp_path), OneRosterServer(twist=twist)).records


def test_fields_that_the_provider_masks_are_logged_and_flagged(tmp_path: Path) -> None:
    server = OneRosterServer(headers={"x-obfuscated": "familyName"})
    with structlog.testing.capture_logs() as logs:
        result = pull(district(tmp_path), server)
    assert result.report.defects == {"names-obfuscated": 1}
    assert [entry["x_obfuscated"] for entry in logs if entry["event"] == "names_obfuscated"] == ["familyName"]
    assert (
        "names-obfuscated" not in pull(district(tmp_path), OneRosterServer(headers={"x-obfuscated": ""})).report.defects
    )


def test_a_roster_in_which_nothing_has_changed_for_weeks_is_reported_and_not_failed(tmp_path: Path) -> None:
    result = pull(district(tmp_path), OneRosterServer(), today=date(2026, 10, 20))
    assert result.report.defects == {"provider-stale": 1}
    assert "c1" in result.records


def test_passwords_telephones_and_guardians_never_get_past_the_boundary(tmp_path: Path) -> None:
    server = OneRosterServer()
    with structlog.testing.capture_logs() as logs:
        result = pull(district(tmp_path), server)
    everything = json.dumps(logs, default=str) + repr(result)
    for secret in ("secret-password", "555-0100", "555-0101", "v1"):
        assert secret not in everything.replace("v1p1", "")
    assert not server.asked("demographics")


def test_nothing_is_given_on_before_every_collection_is_whole(tmp_path: Path) -> None:
    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        return httpx.Response(200, json={}) if collection_of(request) == "enrollments" else ordinary

    pages: list[RecordPage] = []
    with pytest.raises(PullFailedError):
        pull(district(tmp_path), OneRosterServer(twist=twist), pages=pages)
    assert pages == []


def as_1_2(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    for user in rows["users"]:
        role = user.pop("role")
        user["roles"] = [{"roleType": "primary", "role": role, "org": org} for org in user.pop("orgs")]
    return rows


def test_1_2_has_a_list_of_roles_preferred_names_and_exclusive_end_dates(tmp_path: Path) -> None:
    rows = as_1_2(small_district(students=2))
    rows["users"][1]["roles"].append({"roleType": "secondary", "role": "Teacher", "org": ref("s1", "org")})
    rows["users"][1]["preferredFirstName"] = "Bo"
    rows["enrollments"][2]["endDate"] = "2026-10-01"
    result = pull(district(tmp_path, api_path=V1P2), OneRosterServer(rows, path=V1P2))
    both = result.records["u000"]
    assert result.report.defects == {"person-in-two-kinds": 1, "place-already-ended": 1}
    assert isinstance(both, Teacher | Student)
    assert both.display_name == "Bo Familyu000"
    assert result.records["c1"] == Class("c1", "Algebra", "s1", ("t1",), ("u000",), course="Algebra I")


def test_shapes_that_no_specification_has_are_read_all_the_same_and_lists_counted(tmp_path: Path) -> None:
    rows = small_district(students=2)
    rows["users"][1] |= {
        "enabledUser": 1,
        "orgs": {"sourcedId": "s1"},
        "grades": "05,06",
        "identifier": 4711,
        "email": None,
        "role": "STUDENT",
    }
    rows["users"][2] |= {"orgs": "s1", "grades": None, "role": ["student"]}
    rows["classes"][0] |= {"school": "s1", "terms": {"sourcedId": "fall"}, "course": None, "subjects": "Math"}
    rows["enrollments"][0] |= {"primary": True, "status": None}
    rows["enrollments"][1] |= {"primary": 1, "class": {"sourcedId": "c1"}, "school": None}
    rows["academicSessions"][0] |= {"schoolYear": 2027, "children": []}
    result = pull(district(tmp_path), OneRosterServer(rows))
    assert result.records["c1"] == Class("c1", "Algebra", "s1", ("t1",), ("u000", "u001"), subject="Math")
    first = result.records["u000"]
    assert isinstance(first, Student)
    assert (first.number, first.grade, first.schools, first.email) == ("4711", "05", ("s1",), None)
    assert result.report.defects == {"list-unusual": 6, "boolean-unusual": 1, "email-missing": 1}


def test_sourced_ids_that_are_numbers_still_find_each_other(tmp_path: Path) -> None:
    rows = small_district(students=1)
    rows["users"][1]["sourcedId"] = 17
    rows["enrollments"][1]["user"] = {"sourcedId": 17}
    result = pull(district(tmp_path), OneRosterServer(rows))
    assert result.records["c1"].students == ("17",)  # type: ignore[union-attr]


def test_extra_keys_beside_the_collection_are_no_trouble(tmp_path: Path) -> None:
    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        body = ordinary.json() | {"statusInfoSet": [{"imsx_codeMajor": "success"}]}
        return httpx.Response(200, json=body, headers={"X-Total-Count": ordinary.headers["X-Total-Count"]})

    assert "c1" in pull(district(tmp_path), OneRosterServer(twist=twist)).records


def test_the_requests_of_one_pull_are_capped(tmp_path: Path) -> None:
    with pytest.raises(PullFailedError, match="5 requests"):
        pull(district(tmp_path, page_size=1), OneRosterServer(), requests_per_pull=5)


def test_a_refused_credential_says_so(tmp_path: Path) -> None:
    with pytest.raises(PullFailedError, match="credentials file") as failed:
        pull(district(tmp_path), lambda request: httpx.Response(401))
    assert failed.value.code == "wrong-credentials"


def test_a_class_whose_school_is_missing_altogether_is_counted(tmp_path: Path) -> None:
    rows = small_district()
    rows["classes"].append(base("c2") | {"title": "Art", "terms": [ref("fall", "academicSession")]})
    assert pull(district(tmp_path), OneRosterServer(rows)).report.defects == {"class-without-school": 1}


def test_the_next_page_is_asked_for_while_one_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    accept = CollectionReading.accept

    def third_page(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if collection_of(request) == "users" and request.url.params["offset"] == "6":
            asked.set()
        return ordinary

    def accept_once_asked(reading: CollectionReading, ids: Sequence[str], total: int | None) -> None:
        if reading.collection == "users" and reading.offset == 3:
            assert asked.wait(30), "the third page is asked for before the second one has been accepted"
        accept(reading, ids, total)

    monkeypatch.setattr(CollectionReading, "accept", accept_once_asked)
    server = OneRosterServer(twist=third_page)
    assert len(pull(district(tmp_path, page_size=3), server).records) == 10
    assert [request.url.params["offset"] for request in server.asked("users")] == ["0", "3", "6", "9"]


def test_a_page_that_was_asked_for_too_early_is_thrown_away_and_nothing_is_lost(tmp_path: Path) -> None:
    sizes = {0: 3, 3: 3, 6: 2, 8: 3}

    def uneven(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if collection_of(request) != "users":
            return ordinary
        rows = ordinary.json()["users"][: sizes.get(int(request.url.params["offset"]), 1)]
        return httpx.Response(200, json={"users": rows}, headers={"X-Total-Count": ordinary.headers["X-Total-Count"]})

    whole = pull(district(tmp_path), OneRosterServer(small_district(students=20)))
    server = OneRosterServer(small_district(students=20), twist=uneven)
    assert pull(district(tmp_path, page_size=3), server).records == whole.records


def test_a_page_asked_for_ahead_may_be_too_heavy_like_any_other(tmp_path: Path) -> None:
    def heavy(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        too_heavy = collection_of(request) == "users" and request.url.params["offset"] == "8"
        return httpx.Response(502) if too_heavy and int(request.url.params["limit"]) > 2 else ordinary

    whole = pull(district(tmp_path), OneRosterServer(small_district(students=20)))
    server = OneRosterServer(small_district(students=20), twist=heavy)
    assert pull(district(tmp_path, page_size=4), server).records == whole.records
