"""Sixty-four bits that stand for a text, tonight and in any other night."""

from blake3 import blake3


def fingerprint(text: str) -> int:
    """Give the text's: equal texts have equal ones. It is a signed number of 64 bits."""
    return int.from_bytes(blake3(text.encode("utf-8", "surrogatepass")).digest(8), "little", signed=True)
