"""The people's pages over HTTP, with the real worker and database: each class rule by page, and what no page tells."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import psycopg
import pytest

from services.activation.classes.changing import add_student, make_class
from services.activation.classes.reading import class_of, classes_of
from services.database.connect import connect
from tests.people import ACTIVATED, DISTRICT, IN_CLASS, SmallSchool, open_school, pending_session_of, session_of
from tests.pipeline import Pipeline, pipeline
from tests.rosters import activate_as, add_account

TOO_LATE = "it shows up after the next night."


@dataclass(frozen=True)
class Place:
    """A running worker, its school, the school's synced class, and a class of the teacher's own with one student."""

    running: Pipeline
    school: SmallSchool
    synced: UUID
    own: UUID

    @property
    def dsn(self) -> str:
        return self.running.database

    def person(self, who: UUID, class_id: UUID, part: str, number: int = 0) -> UUID:
        """Give the id of a person of a class as that account sees it."""
        with connect(self.dsn, "rollcall_product") as connection:
            found = class_of(connection, who, class_id)
        return (found.students if part == "student" else found.teachers)[number].person_id


@pytest.fixture(scope="module")
def place(kafka: str, shared_database: str, shared_topic_prefix: str) -> Iterator[Place]:
    school = open_school(shared_database)
    with connect(shared_database, "rollcall_product") as connection:
        own = make_class(connection, school.teacher, "Chess club")
        add_student(connection, school.teacher, own, school.students[0])
        [synced] = [c.class_id for c in classes_of(connection, school.teacher) if c.name == "Math 5 - Period 3"]
    with pipeline(kafka, shared_database, shared_topic_prefix, "activation-web") as running:
        yield Place(running, school, synced, own)


class Browser:
    """A browser without scripts: it keeps cookies and sends back the forms it was shown."""

    def __init__(self, address: str, session: str | None = None) -> None:
        self.http = httpx.Client(base_url=address, follow_redirects=True, timeout=30)
        if session is not None:
            self.http.cookies.set("rollcall_session", session, domain="127.0.0.1")

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path)

    def post(self, page: str, path: str, **fields: str) -> httpx.Response:
        """Open a page and send a form of it, filled in."""
        token = re.search(r'name="form_token" value="([^"]+)"', self.get(page).text)
        assert token is not None, f"{page} has a form"
        return self.http.post(path, data={"form_token": token[1], **fields})


@pytest.fixture
def teacher(place: Place) -> Browser:
    return Browser(place.running.pages, session_of(place.dsn, place.school.teacher))


@pytest.fixture
def student(place: Place) -> Browser:
    return Browser(place.running.pages, session_of(place.dsn, place.school.students[0]))


def text_of(answer: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def test_a_teacher_sees_the_label_how_many_have_activated_and_who_has_not(place: Place, teacher: Browser) -> None:
    listed = text_of(teacher.get("/"))
    assert f"District Synced {ACTIVATED} of {IN_CLASS} students activated" in listed
    page = teacher.get(f"/classes/{place.synced}")
    assert f"{ACTIVATED} of {IN_CLASS} students activated" in text_of(page)
    assert f"Not yet activated: {IN_CLASS - ACTIVATED} · how they activate" in text_of(page)
    assert text_of(page).count("not yet") == IN_CLASS - ACTIVATED
    assert "Students come from your district. Ask your school office to change the roster" in text_of(page)
    assert f"/sign-in?district={DISTRICT}" in page.text


@pytest.mark.parametrize(
    ("action", "refusal"),
    [
        ("add-student", "Students come from your district."),
        ("remove-student", "Students come from your district."),
        ("rename-student", "This name comes from the district."),
        ("rename-class", "The name of this class comes from your district."),
        ("attach-google-classroom", "Google Classroom cannot be attached to a class that comes from your district."),
        ("delete-class", "This class comes from your district and cannot be deleted."),
    ],
)
def test_what_a_teacher_cannot_do_in_a_synced_class_is_answered_in_the_databases_words(
    place: Place, teacher: Browser, action: str, refusal: str
) -> None:
    page = f"/classes/{place.synced}"
    kid = place.person(place.school.teacher, place.synced, "student")
    if action.endswith("-student") and action != "add-student":
        page = f"{page}/students/{kid}"
    form = re.search(rf'<form[^>]+/{action}">(.*?)</form>', teacher.get(page).text, re.DOTALL)
    assert form is not None  # there is a button for it, and it is not dead
    as_shown = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[1]))
    as_shown.pop("form_token")
    assert f'id="{action}"' in form[1]
    filled = {"name": "Another", "student": str(place.school.students[3]), "course": "77", "person": str(kid)}
    for fields in (as_shown, filled):
        answer = teacher.post(page, f"/classes/{place.synced}/{action}", **fields)
        assert answer.status_code == 409
        assert refusal in text_of(answer)
        assert "Another" not in answer.text
    with connect(place.dsn, "rollcall_product") as connection:
        still = class_of(connection, place.school.teacher, place.synced)
    assert (still.summary.name, still.summary.students) == ("Math 5 - Period 3", IN_CLASS)
    assert still.summary.google_classroom is None


@pytest.mark.parametrize(
    ("action", "refusal"),
    [
        ("leave-class", "You are in this class because your district says so, and cannot leave it."),
        ("remove-teacher", "The teachers of this class come from your district."),
    ],
)
def test_what_a_student_cannot_do_in_a_synced_class_is_answered_in_the_databases_words(
    place: Place, student: Browser, action: str, refusal: str
) -> None:
    page = f"/classes/{place.synced}"
    assert f"/{action}" in student.get(page).text
    person = str(place.person(place.school.students[0], place.synced, "teacher"))
    answer = student.post(page, f"{page}/{action}", person=person)
    assert answer.status_code == 409
    assert refusal in text_of(answer)
    assert TOO_LATE in text_of(answer)
    assert "Math 5 - Period 3" in student.get("/").text


def test_a_synced_student_keeps_the_rosters_name_and_a_teacher_may_choose_their_own(
    student: Browser, teacher: Browser
) -> None:
    answer = student.post("/me", "/me", name="Superkid")
    assert answer.status_code == 409
    assert "This name comes from the district." in text_of(answer)
    assert "Superkid" not in student.get("/me").text
    assert "Saved." in text_of(teacher.post("/me", "/me", name="Ms K."))
    assert "Ms K." in teacher.get("/").text
    assert teacher.post("/me", "/me", name="  ").status_code == 409


def test_a_personal_class_is_made_filled_renamed_connected_and_deleted_by_its_teacher(
    place: Place, teacher: Browser
) -> None:
    made = teacher.post("/", "/classes", name="Homework club")
    found = re.search(r'href="(/classes/[0-9a-f-]+)">Homework club', made.text)
    assert found is not None
    page = found[1]
    assert "District Synced" not in teacher.get(page).text
    chosen = re.findall(r'<option value="([0-9a-f-]+)">Kim Ortega0[1-9]</option>', teacher.get(page).text)
    assert str(place.school.students[1]) in chosen
    added = teacher.post(page, f"{page}/add-student", student=str(place.school.students[1]))
    assert "Kim Ortega01" in text_of(added)
    assert "Evening club" in teacher.post(page, f"{page}/rename-class", name="Evening club").text
    assert "Attached: course 77." in text_of(teacher.post(page, f"{page}/attach-google-classroom", course="77"))
    off = teacher.post(page, f"{page}/attach-google-classroom", detach="yes")
    assert "Attached" not in text_of(off)
    for action, needs in (
        ("rename-class", "A name has 1 to 200 characters."),
        ("attach-google-classroom", "Type the number of the course first."),
        ("add-student", "Choose a student first."),
    ):
        answer = teacher.post(page, f"{page}/{action}")
        assert answer.status_code == 409
        assert needs in text_of(answer)
    kid = str(place.person(place.school.teacher, UUID(page.removeprefix("/classes/")), "student"))
    removed = teacher.post(page, f"{page}/remove-student", person=kid)
    assert "Nobody is in this class yet." in text_of(removed)
    assert "Evening club" not in teacher.post(page, f"{page}/delete-class").text
    assert teacher.get(page).status_code == 404


def test_a_student_leaves_a_personal_class_and_removes_a_teacher_of_one(place: Place) -> None:
    kid = add_account(place.dsn, "Kim at home")
    browser = Browser(place.running.pages, session_of(place.dsn, kid))
    for action in ("leave-class", "remove-teacher"):
        with connect(place.dsn, "rollcall_product") as connection:
            add_student(connection, place.school.teacher, place.own, kid)
        page = f"/classes/{place.own}"
        assert "Chess club" in browser.get("/").text
        person = str(place.person(kid, place.own, "teacher"))
        assert "Chess club" not in browser.post(page, f"{page}/{action}", person=person).text
        assert browser.get(page).status_code == 404


def test_nobody_is_shown_a_class_or_a_student_of_others(place: Place, student: Browser) -> None:
    stranger = Browser(place.running.pages, session_of(place.dsn, add_account(place.dsn, "A stranger")))
    kid = place.person(place.school.teacher, place.synced, "student")
    for page in (f"/classes/{place.synced}", f"/classes/{place.own}", f"/classes/{place.synced}/students/{kid}"):
        assert stranger.get(page).status_code == 404
    answer = stranger.post("/me", f"/classes/{place.own}/rename-class", name="Mine now")
    assert answer.status_code == 404
    assert "Ortega" not in answer.text
    page = student.get(f"/classes/{place.synced}").text
    assert "Kim Ortega00" in page
    assert "Kim Ortega01" not in page  # a student sees no other student
    assert student.get(f"/classes/{place.synced}/students/{kid}").status_code == 404


def test_an_open_page_is_told_again_only_when_something_has_changed(place: Place, teacher: Browser) -> None:
    refresh = {"HX-Request": "true"}
    for page in ("/", f"/classes/{place.synced}"):
        again = re.search(r'hx-get="([^"]+)"', teacher.get(page).text)
        assert again is not None
        assert teacher.http.get(again[1].replace("&amp;", "&"), headers=refresh).status_code == 204
    late = add_account(place.dsn)
    activate_as(place.dsn, late, DISTRICT, "students", "s23")
    told = teacher.http.get(f"/classes/{place.synced}?seen=before", headers=refresh)
    assert "<html" not in told.text
    assert f"{ACTIVATED + 1} of {IN_CLASS} students activated" in text_of(told)
    with psycopg.connect(place.dsn) as connection:
        connection.execute(
            "UPDATE activations SET state = 'required', account_id = NULL WHERE account_id = %s", (late,)
        )


def test_a_page_that_is_left_open_does_not_keep_its_person_signed_in(place: Place) -> None:
    browser = Browser(place.running.pages, session_of(place.dsn, add_account(place.dsn, "Left for lunch")))
    browser.get("/")
    newest = "FROM sign_in.sessions ORDER BY begun_at DESC LIMIT 1"
    place.running.query("UPDATE sign_in.sessions SET seen_at = seen_at - interval '119 minutes' RETURNING 1")
    [(before,)] = place.running.query(f"SELECT seen_at {newest}")
    assert browser.http.get("/?seen=x", headers={"HX-Request": "true"}).status_code == 200
    assert place.running.query(f"SELECT seen_at {newest}") == [(before,)]
    browser.get("/")
    assert place.running.query(f"SELECT seen_at {newest}") != [(before,)]


def test_a_form_that_no_page_of_ours_showed_does_nothing(place: Place, teacher: Browser) -> None:
    teacher.get("/")
    for fields in ({}, {"form_token": "guessed"}):
        answer = teacher.http.post(f"/classes/{place.own}/rename-class", data={"name": "Stolen", **fields})
        assert answer.status_code == 403
        assert teacher.http.post("/classes", data={"name": "Stolen", **fields}).status_code == 403
        assert teacher.http.post("/sign-out", data=fields).status_code == 403
    assert "Stolen" not in teacher.get("/").text
    assert "Chess club" in teacher.get("/").text


def test_every_page_leads_to_sign_in_who_is_not_signed_in_and_to_activation_who_has_no_account(place: Place) -> None:
    nobody = Browser(place.running.pages)
    pending = Browser(place.running.pages, pending_session_of(place.dsn, "s20"))
    for page in ("/", "/me", f"/classes/{place.synced}", "/activate/done"):
        assert nobody.get(page).url.path == "/sign-in"
        assert pending.get(page).url.path == "/activate"
    for page in ("/activate", "/activate/new", "/activate/log-in"):
        assert nobody.get(page).url.path == "/sign-in"
    assert nobody.http.post("/me", data={"name": "x"}).status_code in {401, 403}
    assert nobody.http.get("/?seen=x", headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"


def test_activation_shows_what_will_be_joined_and_says_no_word_of_matching(place: Place) -> None:
    pending = Browser(place.running.pages, pending_session_of(place.dsn, "s20"))
    asked = text_of(pending.get("/activate"))
    assert "We don’t have an account for you yet. Have you used this site before?" in asked
    for page in ("/activate/new", "/activate/log-in"):
        shown = text_of(pending.get(page))
        for joined in ("kid20@springfield.example", "Art 5", "Math 5 - Period 3"):
            assert joined in shown, page
    for page in ("/activate", "/activate/new", "/activate/log-in"):
        answer = pending.get(page)
        assert not re.search(r"match|conflict|candidate|somebody else|already has", text_of(answer), re.IGNORECASE)
        assert "That’s not me" in text_of(answer)
        assert "For grown-ups" in text_of(answer)


@pytest.mark.parametrize(
    ("student_id", "state", "told"),
    [
        ("s90", "required", "You are not in a class yet."),
        ("s21", "conflict", "We need your school's help to get you in."),
        ("s22", "deactivated", "Your school has just added you, and we are still getting ready."),
    ],
)
def test_who_cannot_activate_is_told_what_to_do_and_not_more(
    place: Place, student_id: str, state: str, told: str
) -> None:
    pending = Browser(place.running.pages, pending_session_of(place.dsn, student_id))
    with psycopg.connect(place.dsn) as connection:
        connection.execute("UPDATE activations SET state = %s WHERE id = %s", (state, student_id))
    answer = pending.get("/activate")
    assert answer.status_code == 403
    assert told in text_of(answer).replace("&#39;", "'")
    assert "That’s not me" in text_of(answer)
    assert not re.search(r"match|conflict|candidate", text_of(answer), re.IGNORECASE)


def test_that_is_not_me_ends_everything_in_this_browser(place: Place) -> None:
    pending = Browser(place.running.pages, pending_session_of(place.dsn, "s20"))
    answer = pending.post("/activate/log-in", "/not-me")
    assert answer.url.path == "/sign-in"
    assert "nobody is signed in here now" in text_of(answer)
    assert "rollcall_session" not in pending.http.cookies
    assert pending.get("/activate").url.path == "/sign-in"


def test_errors_are_pages_in_plain_words(place: Place, teacher: Browser) -> None:
    for address in (
        "/nowhere",
        "/classes/nothing",
        f"/classes/{uuid.uuid4()}",
        f"/classes/{place.synced}/students/{uuid.uuid4()}",
        f"/classes/{place.synced}/burn",
        "/sign-in?district=unheard-of",
        "/sign-in?district=%00",
        "/sign-in?search=%00",
        "/sign-in/myspace",
    ):
        answer = teacher.get(address)
        assert answer.status_code in {400, 403, 404}, address
        assert "<h1>" in answer.text, address
        assert "Traceback" not in answer.text, address


def test_every_answer_forbids_other_hosts_frames_and_keeping_and_no_address_holds_a_name(
    place: Place, teacher: Browser
) -> None:
    pages = ("/", f"/classes/{place.synced}", f"/classes/{place.own}", "/me", "/nowhere", "/sign-in")
    for address in pages:
        answer = teacher.get(address)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?![^>]*src=)|\bstyle=|\bon\w+=\"", answer.text)
        addresses = re.findall(r'(?:href|action|hx-get|src)="([^"]*)"', answer.text)
        assert not [one for one in addresses if "Ortega" in one or "kid" in one or "@" in one]
        hosts = {urlsplit(one).netloc for one in addresses} - {""}
        assert hosts <= {urlsplit(place.running.pages).netloc}


def test_the_products_interface_is_below_api_and_closed_without_its_token(place: Place) -> None:
    nobody = Browser(place.running.pages)
    assert nobody.get("/api/openapi.json").json()["info"]["title"] == "Rollcall for the product"
    answer = nobody.get(f"/api/accounts/{place.school.teacher}/classes")
    assert answer.status_code in {401, 503}
    assert "Math 5" not in answer.text
