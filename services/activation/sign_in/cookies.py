"""Two cookies, which scripts cannot read and other sites' forms do not send: which browser this is, and its session.

Over https both are `__Host-` cookies (RFC 6265bis section 4.1.3.2): no other host of the domain can plant one.
"""

from dataclasses import dataclass

from fastapi import Request, Response

from services.activation.sign_in.sessions import SIGNED_IN_SECONDS
from services.activation.sign_in.tokens import form_token, new_token, same

_BROWSER_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser, known by the random token in its cookie; `is_new` until that has been written."""

    token: str
    is_new: bool

    @property
    def form_token(self) -> str:
        """What every form of ours must bring back from this browser."""
        return form_token(self.token)

    def sent(self, given: str) -> bool:
        """Tell whether a form came from a page that this browser was shown."""
        return not self.is_new and same(self.form_token, given)


class Cookies:
    """Reads and writes both cookies."""

    def __init__(self, *, secure: bool) -> None:
        prefix = "__Host-" if secure else ""
        self._secure = secure
        self._session = f"{prefix}rollcall_session"
        self._browser = f"{prefix}rollcall_browser"

    def browser(self, request: Request) -> Browser:
        """Give the browser of a request, a new one where it has no cookie yet: `keep_browser` then."""
        token = request.cookies.get(self._browser, "")
        return Browser(token, is_new=False) if len(token) >= 43 else Browser(new_token(), is_new=True)

    def keep_browser(self, response: Response, browser: Browser) -> None:
        """Have the browser keep its token, where that is new."""
        if browser.is_new:
            self._keep(response, self._browser, browser.token, _BROWSER_SECONDS)

    def session(self, request: Request) -> str | None:
        """Give the token of the request's session, whatever it is worth."""
        return request.cookies.get(self._session)

    def keep_session(self, response: Response, token: str) -> None:
        """Have the browser keep its session."""
        self._keep(response, self._session, token, SIGNED_IN_SECONDS)

    def forget(self, response: Response) -> None:
        """Have the browser forget who it was."""
        for name in (self._session, self._browser):
            response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="lax")

    def _keep(self, response: Response, name: str, token: str, seconds: int) -> None:
        response.set_cookie(name, token, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax")
