"""How a OneRoster server is logged in to, where the credentials are not the same for the whole pull."""

from services.ingest.providers.http import ProviderHttp


class Login:
    """Credentials that stay as they are (OAuth 1, a static bearer): nothing to do. Others override both."""

    async def prepare(self, http: ProviderHttp) -> None:
        """See to it, before each request, that `http.auth` can be used."""

    async def renew(self, http: ProviderHttp) -> bool:
        """Put new credentials into `http.auth` after a 401; False where there are none to be had."""
        return False
