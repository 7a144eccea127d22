"""What does urllib.request get? It opens a connection for each request and follows what a GET survives."""

import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from typing import Any

from story import Answer, Body, base, credential, tell


class Urllib:
    """One opener with a jar."""

    follows = True

    def __init__(self) -> None:
        self.jar = CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def _request(self, verb: str, path: str, fields: dict[str, str] | None = None, body: Body = None) -> Any:
        request = urllib.request.Request(
            base() + path, data=body, headers=credential() | (fields or {}), method=verb
        )
        return self.opener.open(request, timeout=60)

    def ask(self, verb: str, path: str, fields: dict[str, str] | None = None, body: Body = None) -> Answer:
        """One exchange."""
        try:
            response = self._request(verb, path, fields, body)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            return Answer(
                response.status, response.reason, response.headers.items(), response.read(), response.url
            )

    def leave(self, path: str) -> bytes:
        """By closing the response."""
        with self._request("GET", path) as response:
            return bytes(response.read1(100))

    def many(self, paths: list[str]) -> tuple[list[bytes], int | None]:
        """Each on a connection of its own."""
        return [self.ask("GET", path).body for path in paths], None

    def cookie_paths(self) -> list[str]:
        """From the jar."""
        return sorted(cookie.path for cookie in self.jar)


if __name__ == "__main__":
    tell(Urllib())
