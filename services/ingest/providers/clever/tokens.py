"""Looks up a district's current token with Clever's client id and secret (clever.md section 2)."""

import httpx
import msgspec

from services.districts import CleverClientCredentials
from services.ingest.providers.answers import UnauthorizedError, json_of
from services.ingest.providers.clever.rows import NOT_READABLE, TokenList
from services.ingest.providers.http import BearerAuth, ProviderHttp
from services.ingest.source import PullFailedError

_tokens = msgspec.json.Decoder(TokenList)


async def current_token(http: ProviderHttp, credentials: CleverClientCredentials) -> BearerAuth:
    """Give the token with which the district's data can be read now.

    Raises PullFailedError: 'wrong-credentials' where Clever does not know the client, 'disconnected' where it has no
    token for the district, and whatever `ProviderHttp.get` raises.
    """
    client = httpx.BasicAuth(credentials.clever_client_id, credentials.clever_client_secret.get_secret_value())
    district = credentials.clever_district_id
    try:
        response = await http.get(
            str(credentials.tokens_url), [("owner_type", "district"), ("district", district)], auth=client
        )
    except UnauthorizedError as error:
        raise PullFailedError(
            "wrong-credentials",
            f"{credentials.tokens_url.host} does not accept Rollcall's Clever client id and secret; put the current "
            "ones into the credentials file",
        ) from error
    try:
        tokens = _tokens.decode(json_of(response)).data if response.status_code == 200 else []
    except NOT_READABLE as error:
        raise PullFailedError(
            "not-a-roster",
            f"{credentials.tokens_url.host} answered with something other than a list of tokens; check `tokens_url` "
            "in the credentials file",
        ) from error
    for token in tokens:
        if token.owner.id == district:
            return BearerAuth(token.access_token)
    raise PullFailedError(
        "disconnected",
        f"Clever has no token for district {district}: it has disconnected, or has not yet authorized our application; "
        "ask the district to reconnect",
    )
