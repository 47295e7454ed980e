"""The order-independent digest of a district's state: the sum modulo 2^128 of its records' digests (promise 10)."""

_MODULUS = 1 << 128


class StateDigest:
    """A sum of digests, or the difference between two."""

    def __init__(self, digest: bytes = bytes(16)) -> None:
        self._sum = int.from_bytes(digest, "big")

    def replace(self, before: bytes | None, after: bytes | None) -> None:
        """Take a record's old digest out and its new one in; None where there was or will be no record."""
        self._sum += int.from_bytes(after or b"", "big") - int.from_bytes(before or b"", "big")

    def plus(self, other: "StateDigest") -> "StateDigest":
        """Give the state after the difference `other`."""
        total = StateDigest()
        total._sum = self._sum + other._sum
        return total

    def value(self) -> bytes:
        """Give the 16 bytes."""
        return (self._sum % _MODULUS).to_bytes(16, "big")
