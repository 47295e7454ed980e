"""The account's classes: what it sees and does there. What a rule forbids is answered 403 with the rule's words."""

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from services.activation.api.access import Connection
from services.activation.api.account_routes import NewDisplayName
from services.activation.api.problems import described
from services.activation.classes import changing, reading

router = APIRouter(prefix="/accounts/{account_id}/classes", tags=["classes"])

ONE = "/{class_id}"
STUDENT = ONE + "/students/{person_id}"
REFUSABLE = described(403, 404)


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClassName(_Asked):
    """A class's name."""

    name: str


class NewStudent(_Asked):
    """Who is to come into the class."""

    account_id: UUID


class GoogleClassroom(_Asked):
    """A Google Classroom course, by its id there; null detaches it."""

    course: str | None


@router.get("", operation_id="listClasses", responses=described(404))
def list_classes(connection: Connection, account_id: UUID) -> list[reading.AccountClass]:
    """Give the account's classes, synced and personal, by name."""
    return reading.classes_of(connection, account_id)


@router.post("", operation_id="makeClass", status_code=201, responses=described(404))
def make(connection: Connection, account_id: UUID, wanted: ClassName) -> reading.WholeClass:
    """Make a personal class that the account teaches."""
    return reading.class_of(connection, account_id, changing.make_class(connection, account_id, wanted.name))


@router.get(ONE, operation_id="getClass", responses=described(404))
def whole(connection: Connection, account_id: UUID, class_id: UUID) -> reading.WholeClass:
    """Give a class with its people, and with what the account may do there: `may` explains what is refused."""
    return reading.class_of(connection, account_id, class_id)


@router.patch(ONE, operation_id="renameClass", responses=REFUSABLE)
def rename(connection: Connection, account_id: UUID, class_id: UUID, wanted: ClassName) -> reading.WholeClass:
    """Rename a personal class."""
    changing.rename_class(connection, account_id, class_id, wanted.name)
    return reading.class_of(connection, account_id, class_id)


@router.delete(ONE, operation_id="deleteClass", status_code=204, responses=REFUSABLE)
def delete(connection: Connection, account_id: UUID, class_id: UUID) -> None:
    """Delete a personal class; its students' accounts and work stay."""
    changing.delete_class(connection, account_id, class_id)


@router.put(ONE + "/google-classroom", operation_id="attachGoogleClassroom", responses=REFUSABLE)
def attach(connection: Connection, account_id: UUID, class_id: UUID, wanted: GoogleClassroom) -> reading.WholeClass:
    """Attach a Google Classroom course to a personal class, or detach it."""
    changing.attach_google_classroom(connection, account_id, class_id, wanted.course)
    return reading.class_of(connection, account_id, class_id)


@router.post(ONE + "/students", operation_id="addStudent", status_code=201, responses=REFUSABLE)
def add_student(connection: Connection, account_id: UUID, class_id: UUID, wanted: NewStudent) -> reading.WholeClass:
    """Put an account into a personal class as a student; one who is in it already stays."""
    changing.add_student(connection, account_id, class_id, wanted.account_id)
    return reading.class_of(connection, account_id, class_id)


@router.delete(STUDENT, operation_id="removeStudent", status_code=204, responses=REFUSABLE)
def remove_student(connection: Connection, account_id: UUID, class_id: UUID, person_id: UUID) -> None:
    """Take a student out of a personal class."""
    changing.remove_student(connection, account_id, class_id, person_id)


@router.patch(STUDENT, operation_id="renameStudent", responses=REFUSABLE)
def rename_student(
    connection: Connection, account_id: UUID, class_id: UUID, person_id: UUID, wanted: NewDisplayName
) -> reading.WholeClass:
    """Call a student something else in this personal class alone."""
    changing.rename_student(connection, account_id, class_id, person_id, wanted.display_name)
    return reading.class_of(connection, account_id, class_id)


@router.delete(ONE + "/teachers/{person_id}", operation_id="removeTeacher", status_code=204, responses=REFUSABLE)
def remove_teacher(connection: Connection, account_id: UUID, class_id: UUID, person_id: UUID) -> None:
    """As a student, remove the teacher of a personal class: leaves every personal class of that teacher."""
    changing.remove_teacher(connection, account_id, class_id, person_id)


@router.post(ONE + "/leave", operation_id="leaveClass", status_code=204, responses=REFUSABLE)
def leave(connection: Connection, account_id: UUID, class_id: UUID) -> None:
    """As a student, leave a personal class."""
    changing.leave_class(connection, account_id, class_id)
