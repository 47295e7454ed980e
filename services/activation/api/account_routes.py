"""The account itself and its work."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints

from services.activation.api.access import Connection
from services.activation.api.problems import described
from services.activation.classes import changing, reading, work

router = APIRouter(prefix="/accounts/{account_id}", tags=["accounts"])


class NewDisplayName(BaseModel):
    """What somebody is to be called."""

    model_config = ConfigDict(extra="forbid")
    display_name: str


class NewWork(BaseModel):
    """Work that was done."""

    model_config = ConfigDict(extra="forbid")
    title: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")
    ]


@router.get("", operation_id="getAccount", responses=described(404))
def account(connection: Connection, account_id: UUID) -> reading.Account:
    """Give the account. A synced student is called what the roster says."""
    return reading.account_of(connection, account_id)


@router.patch("", operation_id="renameAccount", responses=described(403, 404))
def rename(connection: Connection, account_id: UUID, wanted: NewDisplayName) -> reading.Account:
    """Change the account's display name; refused for a synced student (`synced-student-name`)."""
    changing.rename_account(connection, account_id, wanted.display_name)
    return reading.account_of(connection, account_id)


@router.get("/work", operation_id="listWork", responses=described(404))
def list_work(connection: Connection, account_id: UUID) -> list[work.Work]:
    """Give the newest hundred pieces of the account's work. Leaving a district takes none of it away."""
    return work.work_of(connection, account_id)


@router.post("/work", operation_id="recordWork", status_code=201, responses=described(404))
def record_work(connection: Connection, account_id: UUID, done: NewWork) -> work.Work:
    """Write down work that the account has done."""
    return work.record_work(connection, account_id, done.title)
