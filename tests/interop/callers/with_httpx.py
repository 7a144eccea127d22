"""What does httpx get?"""

import httpx
from story import Answer, Body, base, credential, tell


class Httpx:
    """One client."""

    follows = True

    def __init__(self) -> None:
        self.client = httpx.Client(headers=credential(), follow_redirects=True, timeout=60)

    def ask(self, verb: str, path: str, fields: dict[str, str] | None = None, body: Body = None) -> Answer:
        """One exchange, redirects followed."""
        raw = {name.encode(): value.encode("latin-1") for name, value in (fields or {}).items()}
        got = self.client.request(verb, base() + path, headers=raw, content=body)
        names = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in got.headers.raw]
        return Answer(got.status_code, got.reason_phrase, names, got.content, str(got.url))

    def leave(self, path: str) -> bytes:
        """By closing the response."""
        with self.client.stream("GET", base() + path) as response:
            return next(response.iter_raw())

    def many(self, paths: list[str]) -> tuple[list[bytes], int | None]:
        """On connections that are told apart by our end of them."""
        answers = [self.client.get(base() + path) for path in paths]
        ends = {one.extensions["network_stream"].get_extra_info("client_addr") for one in answers}
        return [one.content for one in answers], len(ends)

    def cookie_paths(self) -> list[str]:
        """From the client's jar."""
        return sorted(cookie.path for cookie in self.client.cookies.jar)


if __name__ == "__main__":
    tell(Httpx())
