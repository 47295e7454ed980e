"""A change set's id, made from what it does, so that the same set has the same id however its changes are ordered."""

import hashlib

_MODULUS = 1 << 256


class ChangeSetId:
    """Gathers changes in any order. Two sets agree exactly when district, base version and all changes agree."""

    def __init__(self, district: str, base_version: int) -> None:
        self._district = district
        self._base_version = base_version
        self._sum = 0

    def add(self, op: str, kind: str, id_: str, before_digest: str | None, digest: str | None) -> None:
        """Take one change into account."""
        change = "\x1f".join((op, kind, id_, before_digest or "", digest or ""))
        hashed = hashlib.blake2b(change.encode(), digest_size=32).digest()
        self._sum += int.from_bytes(hashed, "big")

    def id(self) -> str:
        """Give the id: 32 lower-case hexadecimal digits."""
        return self._hash(f"{self._district}\x1f{self._base_version}\x1f{self._sum % _MODULUS:x}")

    def content(self) -> str:
        """Give the id of the changes alone, whatever roster version they were computed against."""
        return self._hash(f"{self._district}\x1f{self._sum % _MODULUS:x}")

    @staticmethod
    def _hash(text: str) -> str:
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
