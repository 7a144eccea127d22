"""What does requests get?"""

import requests
from story import Answer, Body, base, credential, tell


class Requests:
    """One session."""

    follows = True

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.headers.update(credential())

    def ask(self, verb: str, path: str, fields: dict[str, str] | None = None, body: Body = None) -> Answer:
        """One exchange, redirects followed."""
        got = self.session.request(verb, base() + path, headers=fields, data=body, timeout=60)
        return Answer(got.status_code, got.reason, list(got.raw.headers.iteritems()), got.content, got.url)

    def leave(self, path: str) -> bytes:
        """By closing the response."""
        with self.session.get(base() + path, stream=True, timeout=60) as response:
            return bytes(next(response.iter_content(100)))

    def many(self, paths: list[str]) -> tuple[list[bytes], int | None]:
        """On connections that a pool counts."""
        with requests.Session() as session:
            session.headers.update(credential())
            bodies = [session.get(base() + path, timeout=60).content for path in paths]
            pools = session.get_adapter(base()).poolmanager.pools
            return bodies, sum(pools[key].num_connections for key in pools.keys())  # noqa: SIM118 - no mapping

    def cookie_paths(self) -> list[str]:
        """From the session's jar."""
        return sorted(cookie.path for cookie in self.session.cookies)


if __name__ == "__main__":
    tell(Requests())
