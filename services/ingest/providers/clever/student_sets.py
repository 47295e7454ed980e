"""Puts in the place of each section's list of students what is the same in whatever order they are listed (pure).

Clever does not promise that order (clever.md section 9). To sort the lists costs as much as to read them; so each id
becomes two numbers of 64 bits, and a list their sums. By chance two lists have the same sums as rarely as two things
have the same digest of 128 bits.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_Numbers: TypeAlias = npt.NDArray[np.uint64]

_BEGIN, _END = b'"students":[', b"]"
_ID_BYTES = 24
_LISTED_BYTES = _ID_BYTES + 3  # in quotes, and with a comma
_QUOTE, _COMMA = ord('"'), ord(",")
_MIXERS = np.array(
    [
        [0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93],
        [0xC2B2AE3D27D4EB4F, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53, 0x9FB21C651E98DF25],
    ],
    dtype=np.uint64,
)


def with_student_sets(sections: bytes) -> bytes:
    """Give the JSON of sections with their lists of students replaced, where each id in them has 24 characters.

    It is no JSON any more. That of two sections is the same where they differ in nothing but the order of students.
    """
    first, *rest = sections.split(_BEGIN)
    cut = [part.partition(_END) for part in rest]
    sums = _sums([listed for listed, _, _ in cut])
    if sums is None:
        return sections
    parts = [first]
    for summed, (_, _, after) in zip(sums, cut, strict=True):
        parts += (summed, after)
    return b"".join(parts)


def _sums(lists: Sequence[bytes]) -> list[bytes] | None:
    """Give each list's sums as text; None where any has something else than ids of 24 characters."""
    sizes = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    if ((sizes + 1) % _LISTED_BYTES)[sizes > 0].any():
        return None
    listed = np.frombuffer(b",".join(filter(None, lists)) + b",", dtype=np.uint8)
    listed = listed[: np.sum(sizes[sizes > 0] + 1)].reshape(-1, _LISTED_BYTES)
    is_quote = listed == _QUOTE
    if not (is_quote[:, [0, -2]].all() and is_quote.sum() == 2 * len(listed) and (listed[:, -1] == _COMMA).all()):
        return None
    words = np.ascontiguousarray(listed[:, 1:-2]).view(np.uint64)
    ends = np.cumsum((sizes + 1) // _LISTED_BYTES)
    sums = np.stack([_sum(words, mixers, ends) for mixers in _MIXERS], axis=1).tobytes().hex().encode()
    return [sums[at : at + 32] for at in range(0, len(sums), 32)]


def _sum(words: _Numbers, mixers: _Numbers, ends: npt.NDArray[np.int64]) -> _Numbers:
    mixed = words[:, 0] * mixers[0]
    for word, mixer in ((words[:, 1], mixers[1]), (words[:, 2], mixers[2])):
        mixed ^= mixed >> np.uint64(29)
        mixed += word
        mixed *= mixer
    mixed ^= mixed >> np.uint64(32)
    mixed *= mixers[3]
    mixed ^= mixed >> np.uint64(29)
    until = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(mixed, dtype=np.uint64)))
    return np.diff(until[ends], prepend=np.uint64(0))
