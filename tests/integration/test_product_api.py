"""The HTTP interface of the product: who is let in, what an account sees and does, and how refusals are told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from services.activation.api.app import product_pool
from services.activation.classes.reading import Action
from tests.product import TOKEN, Product, problem, product_of


@pytest.fixture
def product(database: str, tmp_path: Path) -> Iterator[Product]:
    with product_pool(database) as pool:
        yield product_of(pool, database, tmp_path / "token")


@pytest.fixture
def without_database(tmp_path: Path) -> Product:
    """The interface with nothing behind it, for what is answered before the database is asked."""
    return product_of(product_pool("postgresql://127.0.0.1:9/nothing"), "", tmp_path / "token")


def test_a_teacher_is_told_the_synced_class_with_its_label_and_how_many_students_have_activated(
    product: Product,
) -> None:
    room = product.classroom
    club, math = product("GET", room.teacher, "/classes").json()
    assert (math["class_id"], math["label"], math["students_activated"], math["students"]) == (
        str(room.math),
        "District Synced",
        2,
        3,
    )
    assert (math["district"], math["id"], math["school_name"]) == ("springfield", "math/5", "Lincoln Elementary")
    assert (club["synced"], club["label"], club["students"]) == (False, None, 2)


def test_a_class_says_of_every_action_whether_it_may_be_done_and_the_refusal_is_the_one_that_acting_gets(
    product: Product,
) -> None:
    room = product.classroom
    person = room.person_id("students", "p3")
    teacher = room.person_id("teachers", "t1")
    acts: dict[Action, tuple[str, str, Any]] = {
        "add-student": ("POST", "/students", {"account_id": str(room.stranger)}),
        "remove-student": ("DELETE", f"/students/{person}", None),
        "rename-student": ("PATCH", f"/students/{person}", {"display_name": "Zed"}),
        "rename-class": ("PATCH", "", {"name": "Mine"}),
        "attach-google-classroom": ("PUT", "/google-classroom", {"course": "77"}),
        "remove-teacher": ("DELETE", f"/teachers/{teacher}", None),
        "leave-class": ("POST", "/leave", None),
        "delete-class": ("DELETE", "", None),
    }
    assert set(acts) == set(get_args(Action))
    for account in (room.teacher, room.ada):
        before = product("GET", account, f"/classes/{room.math}").json()
        assert set(before["may"]) == set(acts)
        for action, (method, path, json) in acts.items():
            told = before["may"][action]
            refused = problem(product(method, account, f"/classes/{room.math}{path}", json), 403)
            assert (refused["rule"], refused["detail"], refused["instead"]) == (
                told["rule"],
                told["text"],
                told["instead"],
            ), action
            assert not told["allowed"]
        assert product("GET", account, f"/classes/{room.math}").json() == before


def test_the_teacher_of_a_personal_class_does_all_of_it_there(product: Product) -> None:
    room = product.classroom
    made = product("POST", room.teacher, "/classes", {"name": "  Book \n club "}).json()
    assert made["summary"]["name"] == "Book club"
    here = f"/classes/{made['summary']['class_id']}"
    allowed = {action for action, one in made["may"].items() if one["allowed"]}
    assert allowed == set(get_args(Action)) - {"leave-class", "remove-teacher"}

    for _ in range(2):
        added = product("POST", room.teacher, f"{here}/students", {"account_id": str(room.fay)})
        assert (added.status_code, [one["display_name"] for one in added.json()["students"]]) == (201, ["Fay"])
    renamed = product("PATCH", room.teacher, f"{here}/students/{room.fay}", {"display_name": "Fay from 5b"})
    assert [one["display_name"] for one in renamed.json()["students"]] == ["Fay from 5b"]
    assert product("GET", room.fay).json()["display_name"] == "Fay"
    assert product("PATCH", room.teacher, here, {"name": "Readers"}).json()["summary"]["name"] == "Readers"
    for course in ("77", None):
        attached = product("PUT", room.teacher, f"{here}/google-classroom", {"course": course})
        assert attached.json()["summary"]["google_classroom"] == course
    assert product("DELETE", room.teacher, f"{here}/students/{room.fay}").status_code == 204
    assert product("GET", room.teacher, here).json()["students"] == []
    assert product("DELETE", room.teacher, here).status_code == 204
    problem(product("GET", room.teacher, here), 404)


def test_a_student_leaves_a_personal_class_or_removes_its_teacher(product: Product) -> None:
    room = product.classroom
    other = product("POST", room.teacher, "/classes", {"name": "Go club"}).json()["summary"]["class_id"]
    product("POST", room.teacher, f"/classes/{other}/students", {"account_id": str(room.ada)})
    assert product("POST", room.fay, f"/classes/{room.club}/leave").status_code == 204
    assert product("GET", room.fay, "/classes").json() == []
    assert product("DELETE", room.ada, f"/classes/{room.club}/teachers/{room.teacher}").status_code == 204
    assert [one["class_id"] for one in product("GET", room.ada, "/classes").json()] == [str(room.math)]


def test_a_class_of_others_is_as_unknown_as_one_that_does_not_exist_whatever_is_tried(product: Product) -> None:
    room = product.classroom
    person = room.person_id("students", "p1")
    tries = [
        ("GET", "", None),
        ("PATCH", "", {"name": "Mine"}),
        ("DELETE", "", None),
        ("PUT", "/google-classroom", {"course": "77"}),
        ("POST", "/students", {"account_id": str(room.stranger)}),
        ("DELETE", f"/students/{person}", None),
        ("PATCH", f"/students/{person}", {"display_name": "Zed"}),
        ("DELETE", f"/teachers/{room.teacher}", None),
        ("POST", "/leave", None),
    ]
    for method, path, json in tries:
        answers = [
            problem(product(method, room.stranger, f"/classes/{class_id}{path}", json), 404)
            for class_id in (room.math, room.club, uuid4())
        ]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0]["rule"] == "unknown-class"
    assert product("GET", room.stranger, "/classes").json() == []


def test_an_account_that_there_is_not_is_a_problem_404_on_every_path(product: Product) -> None:
    nobody = uuid4()
    for path in ("", "/classes", "/work", f"/classes/{product.classroom.club}"):
        assert problem(product("GET", nobody, path), 404)["rule"] == "unknown-account"
    club = f"/classes/{product.classroom.club}"
    unknown = product("POST", product.classroom.teacher, f"{club}/students", {"account_id": str(nobody)})
    assert problem(unknown, 404)["rule"] == "unknown-account"
    gone = product("DELETE", product.classroom.teacher, f"{club}/students/{nobody}")
    assert problem(gone, 404)["rule"] == "unknown-person"


def test_a_display_name_is_its_accounts_to_change_unless_the_roster_gives_it(product: Product) -> None:
    room = product.classroom
    assert product("PATCH", room.fay, "", {"display_name": "Fay F."}).json()["display_name"] == "Fay F."
    assert product("GET", room.ada).json() == {
        "account_id": str(room.ada),
        "display_name": "Ada L.",
        "synced_student": True,
        "limited": False,
    }
    assert problem(product("PATCH", room.ada, "", {"display_name": "Zed"}), 403)["rule"] == "synced-student-name"
    assert product("GET", room.ada).json()["display_name"] == "Ada L."


def test_work_is_written_down_once_and_belongs_to_its_account(product: Product) -> None:
    room = product.classroom
    done = product("POST", room.fay, "/work", {"title": "Fractions, exercise 3"})
    assert done.status_code == 201
    assert product("GET", room.fay, "/work").json() == [done.json()]
    assert product("GET", room.ada, "/work").json() == []


def test_a_name_that_is_none_is_refused(product: Product) -> None:
    room = product.classroom
    for name in ("", "\0", "  \n ", "x" * 201):
        answer = product("PATCH", room.teacher, f"/classes/{room.club}", {"name": name})
        assert problem(answer, 422)["rule"] == "name-length"
        for path, body in (("/classes", {"name": name}), ("/work", {"title": name})):
            problem(product("POST", room.teacher, path, body), 422)
    assert product("GET", room.teacher, f"/classes/{room.club}").json()["summary"]["name"] == "Chess club"
    assert len(product("GET", room.teacher, "/classes").json()) == 2


def test_a_request_that_does_not_fit_is_told_where_without_what_was_in_it(product: Product) -> None:
    room = product.classroom
    told = problem(product("POST", room.teacher, "/classes", {"name": "x", "secret": "Ada Lane"}), 422)
    assert [one["location"] for one in told["errors"]] == ["body/secret"]
    assert "Ada Lane" not in str(told)
    problem(product.ask("GET", "/accounts/not-an-id"), 422)
    problem(product.ask("GET", "/nowhere"), 404)
    problem(product("PUT", room.teacher, "/classes", {}), 405)


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN])
def test_nobody_without_the_token_is_let_in(without_database: Product, sent: str) -> None:
    without_database.headers["Authorization"] = sent
    answer = without_database("GET", uuid4(), "/classes")
    problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_that_is_exchanged_in_its_file_counts_at_once(product: Product) -> None:
    product.token_file.write_text("f" * 40, encoding="utf-8")
    problem(product("GET", product.classroom.teacher), 401)
    product.headers["Authorization"] = f"Bearer {'f' * 40}"
    assert product("GET", product.classroom.teacher).status_code == 200


@pytest.mark.parametrize("token", [None, "", "   \n", "short"])
def test_without_a_fit_token_of_its_own_the_interface_lets_nobody_in_and_says_what_to_set(
    without_database: Product, token: str | None
) -> None:
    if token is None:
        without_database.token_file.unlink()
    else:
        without_database.token_file.write_text(token, encoding="utf-8")
    without_database.headers["Authorization"] = f"Bearer {token or ''}"
    told = problem(without_database("GET", uuid4()), 503)
    assert "ROLLCALL_PRODUCT_TOKEN_FILE" in told["detail"]


def test_a_database_that_does_not_answer_is_a_problem_503(tmp_path: Path) -> None:
    with ConnectionPool[Any]("postgresql://127.0.0.1:9/nothing", timeout=0.2) as pool:
        answer = product_of(pool, "", tmp_path / "token")("GET", uuid4())
    assert problem(answer, 503)["type"] == "urn:rollcall:problem:database"


def test_a_mistake_of_ours_is_a_problem_500_and_its_text_which_may_quote_a_row_goes_nowhere(product: Product) -> None:
    room = product.classroom
    with psycopg.connect(product.database) as connection:
        connection.execute("ALTER TABLE personal_classes ADD CHECK (name = 'Chess club')")
    told = problem(product("POST", room.teacher, "/classes", {"name": "Ada Lane's class"}), 500)
    assert "Ada Lane" not in str(told)  # and the server has nothing to log: it got an answer, not an error
