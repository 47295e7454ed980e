"""Whether a snapshot is what is applied already, seen without reading a single applied record (pure).

`rosters` keeps, from the transaction that made each version, how many records of each kind there are and the sum modulo
2^128 of their digests (`services.apply.state_digest`). A snapshot that has as many of each kind and the same sum is the
same roster:

- A digest names its record whole: BLAKE2b over its canonical JSON, in which its type and its id stand.
- Take away what both have. Were anything left over, the digests of some records, each times how often it is left over
  (or minus that), would add up to 0. Of the values that one such digest can have at most one in 2^128 does that, where
  the record comes once; where it comes n times too often, at most n in 2^128.
- So a record that comes twice in place of another, one under another kind, or a district never synced (nothing, and the
  sum 0) is told apart like any other difference, by chance alone not once in 10^30 nights. Who can choose the records
  on purpose, that is the provider, could make two rosters with the same sum. It would thereby have its own change
  unseen, which not sending it does more simply.

Places are told by classes: theirs are in their records.
"""

from collections.abc import Callable, Mapping, Sequence

from schemas.records import RECORD_KINDS, RecordKind
from services.diff.applied import AppliedTotals
from services.diff.arrived import ArrivedRecords

_MODULUS = 1 << 128

WithIds = Callable[[RecordKind, Sequence[str]], dict[str, bytes]]


def is_unchanged(arrived: Mapping[RecordKind, ArrivedRecords], applied: AppliedTotals, with_ids: WithIds) -> bool:
    """Tell whether the snapshot leaves everything as it is applied.

    What is `kept` stays as it is applied: `with_ids` gives the digests that are applied under those ids. People who are
    kept and not applied take their places out of the classes that came, so then the classes must be looked at.
    """
    total = 0
    for kind in RECORD_KINDS:
        records = arrived[kind]
        if len(records) + len(records.kept) < applied.totals[kind] or len(records) > applied.totals[kind]:
            return False
        kept = with_ids(kind, records.kept)
        if kind in ("teachers", "students") and len(kept) != len(records.kept):
            return False
        if len(records) + len(kept) != applied.totals[kind]:
            return False
        total += records.digest_sum() + sum(int.from_bytes(digest) for digest in kept.values())
    return total % _MODULUS == int.from_bytes(applied.digest)
