"""The defects of real districts' data, put into a sandbox district: which rows have which, always the same ones.

Who has a defect depends on the seed and on a number that stays (a student's local number, a class's id), so that an
unchanged night is unchanged, defects included. The codes are those that Rollcall reports.
"""

import zlib

import numpy as np
import numpy.typing as npt

from deploy.sandbox.district import DistrictDefinition, Ints
from services.ingest.defects import DefectCode

Mask = npt.NDArray[np.bool_]

CLEVER_DEFECTS: tuple[DefectCode, ...] = (
    "place-of-unknown-person",
    "class-without-teacher",
    "class-without-term",
    "class-term-unknown",
    "person-school-unknown",
    "email-missing",
    "email-malformed",
    "email-shared",
)
"""What clever.md section 12 lists, as far as a defect can be told from ordinary data."""

ONEROSTER_DEFECTS: tuple[DefectCode, ...] = (
    *CLEVER_DEFECTS,
    "place-in-unknown-class",
    "place-of-removed-person",
    "place-not-yet-begun",
    "place-already-ended",
    "place-twice",
    "place-school-differs",
    "place-role-unknown",
    "class-without-school",
    "several-primary-teachers",
    "name-missing",
    "date-unreadable",
    "term-dates-reversed",
    "boolean-unreadable",
)
"""What oneroster.md section 13 lists and a whole pull survives; every OneRoster form can have them."""

EXTRA_DEFECTS: tuple[DefectCode, ...] = ("id-twice", "null-written-out")
"""Only for CSV packages, or where asked for: a row sent twice makes a REST collection look as if it had moved."""

_ONE_IN: dict[DefectCode, int] = {"class-without-school": 499, "several-primary-teachers": 3}
_USUAL_ONE_IN = 199


def usual_defects(provider: str) -> tuple[DefectCode, ...]:
    """Give the defects that a sandbox district of this provider has unless it is asked to be clean."""
    if provider == "clever":
        return CLEVER_DEFECTS
    return (*ONEROSTER_DEFECTS, *EXTRA_DEFECTS) if provider == "oneroster-csv" else ONEROSTER_DEFECTS


def check_defects(definition: DistrictDefinition) -> None:
    """Raise ValueError where a definition asks for a defect that its provider's data cannot have."""
    possible = CLEVER_DEFECTS if definition.provider == "clever" else (*ONEROSTER_DEFECTS, *EXTRA_DEFECTS)
    if wrong := sorted(set(definition.defects) - set(possible)):
        raise ValueError(
            f"a sandbox district on {definition.provider} cannot have the defects {', '.join(wrong)}; "
            f"choose from {', '.join(possible)}"
        )


def picked(definition: DistrictDefinition, code: DefectCode, numbers: Ints) -> Mask:
    """Tell which of these rows have the defect: about one in 200, none where the definition leaves it out."""
    if code not in definition.defects:
        return np.zeros(len(numbers), dtype=np.bool_)
    one_in = _ONE_IN.get(code, _USUAL_ONE_IN)
    residue = (definition.seed * 7 + zlib.crc32(code.encode())) % one_in
    mask: Mask = numbers % one_in == residue
    return mask


def pairs_sharing(definition: DistrictDefinition, numbers: Ints) -> Ints:
    """Give each student's shared mailbox, or -1: two neighbours by number share one."""
    one_in = _USUAL_ONE_IN
    first = (definition.seed * 7 + zlib.crc32(b"email-shared")) % (one_in - 1)
    mine = (numbers % one_in == first) | (numbers % one_in == first + 1)
    if "email-shared" not in definition.defects:
        mine = np.zeros(len(numbers), dtype=np.bool_)
    return np.where(mine, numbers // one_in, -1).astype(np.int32)
