"""A change set's id, made from what it does, so that the same set has the same id however its changes are ordered."""

import hashlib

_MODULUS = 1 << 256


class ChangeSetId:
    """Gathers changes in any order. Two sets agree exactly when district, base version and all changes agree."""

    def __init__(self, district: str, base_version: int) -> None:
        self._head = f"{district}\x1f{base_version}"
        self._sum = 0

    def add(self, op: str, kind: str, id_: str, before_digest: str | None, digest: str | None) -> None:
        """Take one change into account."""
        change = "\x1f".join((op, kind, id_, before_digest or "", digest or ""))
        hashed = hashlib.blake2b(change.encode(), digest_size=32).digest()
        self._sum = (self._sum + int.from_bytes(hashed, "big")) % _MODULUS

    def id(self) -> str:
        """Give the id: 32 lower-case hexadecimal digits."""
        return hashlib.blake2b(f"{self._head}\x1f{self._sum:x}".encode(), digest_size=16).hexdigest()
