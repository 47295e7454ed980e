"""Random tokens, and the digests by which the database knows them."""

import hashlib
import hmac
import secrets

_LONGEST = 512


def new_token() -> str:
    """Give 256 random bits as 43 characters that fit into a cookie and an address."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """Give the 32 bytes that are kept of a token. Tokens are random, so that a plain digest tells nothing of them."""
    return hashlib.sha256(token[:_LONGEST].encode("utf-8", errors="surrogatepass")).digest()


def form_token(browser: str) -> str:
    """Give what each form of this browser must bring back: it follows from the cookie, and nobody else knows that.

    OWASP, "Cross-Site Request Forgery Prevention": a token bound to a secret that the browser alone holds.
    """
    return hashlib.sha256(f"form {browser}".encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare without telling by the time it takes how much agrees."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
