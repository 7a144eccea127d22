"""What does http.client get? It follows no redirect and keeps no cookie."""

import http.client
from urllib.parse import urlsplit

from story import Answer, Body, base, credential, tell


class HttpClient:
    """One connection, opened anew only where one side closed it."""

    follows = False

    def __init__(self) -> None:
        self.connection = self._connection()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(urlsplit(base()).netloc, timeout=60)

    def send(self, verb: str, path: str, fields: dict[str, str] | None = None, body: Body = None) -> None:
        """One request."""
        target = urlsplit(base()).path + path or "/"
        self.connection.request(verb, target, body, credential() | (fields or {}))

    def ask(self, verb: str, path: str, fields: dict[str, str] | None = None, body: Body = None) -> Answer:
        """One exchange."""
        self.send(verb, path, fields, body)
        with self.connection.getresponse() as got:
            return Answer(got.status, got.reason, got.getheaders(), got.read(), base() + path)

    def leave(self, path: str) -> bytes:
        """By closing the connection."""
        connection = self._connection()
        connection.request("GET", urlsplit(base()).path + path, headers=credential())
        with connection.getresponse() as response:
            first = response.read1(100)
        connection.close()
        return first

    def many(self, paths: list[str]) -> tuple[list[bytes], int | None]:
        """On connections that are told apart by our end of them."""
        bodies, ends = [], set()
        for path in paths:
            bodies.append(self.ask("GET", path).body)
            ends.add(self.connection.sock and self.connection.sock.getsockname())
        return bodies, len(ends)

    def cookie_paths(self) -> None:
        """None are kept."""


if __name__ == "__main__":
    tell(HttpClient())
