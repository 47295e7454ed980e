"""A person's classes, and what they do there. What may not be done the database refuses, and its words are shown."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import psycopg
from fastapi import APIRouter, Form, HTTPException, Response

from services.activation.classes import changing
from services.activation.classes.acting import RefusedError, UnknownError
from services.activation.classes.reading import (
    Account,
    ClassStudent,
    WholeClass,
    account_of,
    class_of,
    classes_of,
    taught_by,
)
from services.activation.web.activation_pages import DONE_PAGE, is_to_be_welcomed
from services.activation.web.visit import SentForm, SignedIn, Visit

router = APIRouter()
NOBODY = UUID(int=0)
"""Who is meant where nobody was chosen: an account that there is not."""

NOTHING_CHANGED = "Nothing was changed."

Change: TypeAlias = Callable[[psycopg.Connection[Any]], object]
Text = Annotated[str, Form()]
Person = Annotated[UUID, Form()]


@dataclass(frozen=True, slots=True)
class Said:
    """Why something was not done, and what to do instead."""

    text: str
    instead: str


@router.get("/")
def my_classes(visit: SignedIn, seen: str = "") -> Response:
    """Show all classes of the person; a page that is open is told only what has changed."""
    if is_to_be_welcomed(visit.request):
        return visit.go_to(DONE_PAGE)
    return _my_classes(visit, seen)


@router.post("/classes")
def make_class(visit: SentForm, name: Text = "") -> Response:
    """Make a class of the person's own."""
    said = _try(visit, lambda connection: changing.make_class(connection, visit.account_id, name))
    return visit.go_to("/") if said is None else _my_classes(visit, said=said)


@router.get("/classes/{class_id}")
def one_class(visit: SignedIn, class_id: UUID, seen: str = "") -> Response:
    """Show a class as its teacher or as its student; a page that is open is told only what has changed."""
    return _one_class(visit, class_id, seen)


@router.get("/classes/{class_id}/students/{person_id}")
def one_student(visit: SignedIn, class_id: UUID, person_id: UUID) -> Response:
    """Show a teacher one student of a class."""
    return _one_student(visit, class_id, person_id)


@router.post("/classes/{class_id}/rename-class")
def rename_class(visit: SentForm, class_id: UUID, name: Text = "") -> Response:
    """Rename a class."""
    return _done(
        visit,
        class_id,
        lambda connection: changing.rename_class(connection, visit.account_id, class_id, name),
    )


@router.post("/classes/{class_id}/add-student")
def add_student(visit: SentForm, class_id: UUID, student: Text = "") -> Response:
    """Add one of the teacher's students to a class."""
    who = _uuid(student)
    return _done(
        visit,
        class_id,
        lambda connection: changing.add_student(connection, visit.account_id, class_id, who),
    )


@router.post("/classes/{class_id}/attach-google-classroom")
def attach_google_classroom(visit: SentForm, class_id: UUID, course: Text = "", detach: Text = "") -> Response:
    """Attach a course of Google Classroom to a class, or take it off."""
    if not detach and not course.strip():
        return _one_class(visit, class_id, said=Said("Type the number of the course first.", NOTHING_CHANGED))
    wanted = None if detach else course
    return _done(
        visit,
        class_id,
        lambda connection: changing.attach_google_classroom(connection, visit.account_id, class_id, wanted),
    )


@router.post("/classes/{class_id}/delete-class")
def delete_class(visit: SentForm, class_id: UUID) -> Response:
    """Delete a class."""
    return _done(
        visit, class_id, lambda connection: changing.delete_class(connection, visit.account_id, class_id), then="/"
    )


@router.post("/classes/{class_id}/leave-class")
def leave_class(visit: SentForm, class_id: UUID) -> Response:
    """Leave a class as its student."""
    return _done(
        visit, class_id, lambda connection: changing.leave_class(connection, visit.account_id, class_id), then="/"
    )


@router.post("/classes/{class_id}/remove-student")
def remove_student(visit: SentForm, class_id: UUID, person: Person) -> Response:
    """Take a student out of a class."""
    return _done(
        visit, class_id, lambda connection: changing.remove_student(connection, visit.account_id, class_id, person)
    )


@router.post("/classes/{class_id}/remove-teacher")
def remove_teacher(visit: SentForm, class_id: UUID, person: Person) -> Response:
    """Have a teacher no longer, as a student."""
    return _done(
        visit,
        class_id,
        lambda connection: changing.remove_teacher(connection, visit.account_id, class_id, person),
        then="/",
    )


@router.post("/classes/{class_id}/rename-student")
def rename_student(visit: SentForm, class_id: UUID, person: Person, name: Text = "") -> Response:
    """Give a student of a class another display name."""
    said = _try(
        visit,
        lambda connection: changing.rename_student(connection, visit.account_id, class_id, person, name),
    )
    return visit.go_to(f"/classes/{class_id}") if said is None else _one_student(visit, class_id, person, said)


@router.get("/me")
def me(visit: SignedIn, saved: bool = False) -> Response:
    """Show the person's own account."""
    return _me(visit, saved=saved)


@router.post("/me")
def rename_me(visit: SentForm, name: Text = "") -> Response:
    """Give the person another display name."""
    said = _try(
        visit,
        lambda connection: changing.rename_account(connection, visit.account_id, name),
    )
    return visit.go_to("/me?saved=true") if said is None else _me(visit, said)


def _done(visit: Visit, class_id: UUID, change: Change, *, then: str | None = None) -> Response:
    said = _try(visit, change)
    return visit.go_to(then or f"/classes/{class_id}") if said is None else _one_class(visit, class_id, said=said)


def _try(visit: Visit, change: Change) -> Said | None:
    """Make the change; give why it was not made, in the database's own words where it is a rule."""
    try:
        with visit.people.product.connection() as connection:
            change(connection)
    except UnknownError as error:
        if error.rule == "unknown-account":
            return Said("Choose a student first.", NOTHING_CHANGED)
        raise HTTPException(404) from error
    except RefusedError as error:
        return Said(error.text, error.instead)
    return None


def _my_classes(visit: Visit, seen: str = "", said: Said | None = None) -> Response:
    with visit.people.product.connection() as connection:
        account = account_of(connection, visit.account_id)
        classes = classes_of(connection, visit.account_id)
    told = _mark(classes)
    if visit.is_refresh and seen == told:
        return Response(status_code=204)
    template = "classes_list.html" if visit.is_refresh else "classes.html"
    return visit.page(
        template,
        status=409 if said else 200,
        me=account,
        classes=classes,
        teaches=not account.synced_student,
        seen=told,
        refused=said,
    )


def _one_class(visit: Visit, class_id: UUID, seen: str = "", said: Said | None = None) -> Response:
    account, shown = _read(visit, class_id)
    told = _mark((shown.summary, shown.students, shown.teachers))
    if visit.is_refresh and seen == told:
        return Response(status_code=204)
    more: dict[str, Any] = {}
    if not visit.is_refresh:
        more = {
            "addable": _addable(visit, shown) if shown.may["add-student"].allowed else [],
            "district_name": _district_name(visit, shown.summary.district),
            "address": visit.people.address,
        }
    return visit.page(
        "class_live.html" if visit.is_refresh else "class.html",
        status=409 if said else 200,
        me=account,
        **{"class": shown.summary},
        students=shown.students,
        teachers=shown.teachers,
        may=shown.may,
        seen=told,
        refused=said,
        **more,
    )


def _one_student(visit: Visit, class_id: UUID, person_id: UUID, said: Said | None = None) -> Response:
    account, shown = _read(visit, class_id)
    student = next((one for one in shown.students if one.person_id == person_id), None)
    if student is None or shown.summary.part != "teacher":
        raise HTTPException(404)
    status = 409 if said else 200
    return visit.page(
        "student.html", status=status, me=account, **{"class": shown.summary}, student=student, refused=said
    )


def _me(visit: Visit, said: Said | None = None, *, saved: bool = False) -> Response:
    with visit.people.product.connection() as connection:
        account = account_of(connection, visit.account_id)
    return visit.page("me.html", status=409 if said else 200, me=account, saved=saved, refused=said)


def _read(visit: Visit, class_id: UUID) -> tuple[Account, WholeClass]:
    try:
        with visit.people.product.connection() as connection:
            return account_of(connection, visit.account_id), class_of(connection, visit.account_id, class_id)
    except UnknownError as error:
        raise HTTPException(404) from error


def _addable(visit: Visit, shown: WholeClass) -> list[ClassStudent]:
    """Give who can be added: the teacher's students of other classes who have an account."""
    here = {student.account_id for student in shown.students}
    with visit.people.product.connection() as connection:
        found = [one for one in taught_by(connection, visit.account_id) if one.account_id not in here]
    return sorted(found, key=lambda student: (student.display_name or "").casefold())


def _district_name(visit: Visit, district: str | None) -> str | None:
    found = visit.people.districts.named(district) if district is not None else None
    return found.name if found is not None else None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return NOBODY


def _mark(shown: object) -> str:
    """Give a short mark by which an open page says what it shows."""
    return hashlib.blake2b(repr(shown).encode(), digest_size=8).hexdigest()
