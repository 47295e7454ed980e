"""HTTP to sign-in servers: short, bounded, and never talkative about what it carries."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from services.activation.sign_in.outcomes import RefusalCode

Answer = TypeVar("Answer", bound=BaseModel)

SECONDS = 10.0
_CONNECT_SECONDS = 4.0
_BODY_BYTES = 256 * 1024
_AT_ONCE = 12
"""Requests under way to one server, so that one that hangs does not keep everybody else from signing in."""


class ProviderAnswerError(Exception):
    """A sign-in server did not do what it should. The text names the step and the defect, and quotes nothing."""

    def __init__(self, code: RefusalCode, text: str) -> None:
        super().__init__(text)
        self.code: RefusalCode = code


class SignInHttp:
    """Requests to one provider's servers. Redirects are not followed, and nothing is asked twice."""

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(
            timeout=httpx.Timeout(SECONDS, connect=_CONNECT_SECONDS),
            headers={"Accept": "application/json", "User-Agent": "Rollcall"},
            transport=transport,
        )
        self._room = threading.BoundedSemaphore(_AT_ONCE)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, step: str, url: str, answer: type[Answer], *, bearer: str | None = None) -> Answer:
        """Give what the server answers to a GET. Raises ProviderAnswerError."""
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return self._ask(step, self._client.build_request("GET", url, headers=headers), answer)

    def post(
        self,
        step: str,
        url: str,
        answer: type[Answer],
        *,
        json: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Answer:
        """Give what the server answers to a POST of JSON or of a form. Raises ProviderAnswerError."""
        request = self._client.build_request("POST", url, json=json, data=form)
        return self._ask(step, request, answer, httpx.BasicAuth(*basic) if basic else None)

    def _ask(
        self, step: str, request: httpx.Request, answer: type[Answer], auth: httpx.BasicAuth | None = None
    ) -> Answer:
        status, body = self._body(step, request, auth)
        if status in {400, 401, 403} and step == "token":
            raise ProviderAnswerError("code-refused", f"{step}: the provider answered {status}")
        if status != 200:
            code: RefusalCode = "provider-away" if status >= 500 or status == 429 else "provider-answer"
            raise ProviderAnswerError(code, f"{step}: the provider answered {status}")
        try:
            return answer.model_validate_json(body)
        except ValidationError as error:
            wrong = ", ".join(
                f"{'.'.join(map(str, problem['loc'])) or 'body'} {problem['type']}"
                for problem in error.errors(include_url=False, include_input=False, include_context=False)[:5]
            )
            raise ProviderAnswerError("provider-answer", f"{step}: {wrong}") from None

    def _body(self, step: str, request: httpx.Request, auth: httpx.BasicAuth | None) -> tuple[int, bytes]:
        body = bytearray()
        with self._admitted(step):
            try:
                response = self._client.send(request, auth=auth, stream=True)
                try:
                    for piece in response.iter_bytes():
                        body += piece
                        if len(body) > _BODY_BYTES:
                            raise ProviderAnswerError("provider-answer", f"{step}: the answer is too long")
                finally:
                    response.close()
            except httpx.HTTPError as error:
                raise ProviderAnswerError("provider-away", f"{step}: {type(error).__name__}") from None
        return response.status_code, bytes(body)

    @contextmanager
    def _admitted(self, step: str) -> Iterator[None]:
        if not self._room.acquire(timeout=_CONNECT_SECONDS):
            raise ProviderAnswerError("provider-away", f"{step}: too many requests are waiting for it")
        try:
            yield
        finally:
            self._room.release()
