"""What does DVID answer when it refuses? Text, and status 400 for nearly everything."""

from http import HTTPStatus


class DvidError(Exception):
    """A refusal: its text is for the caller, who also gets to read the path that was asked for."""

    status = HTTPStatus.BAD_REQUEST

    def body(self, path: str) -> bytes:
        """The text as DVID words it."""
        return f"{self} ({path}).\n".encode()


class PlainError(DvidError):
    """A refusal with a status of its own, whose text stands alone: an absent key, no permission, too busy."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = HTTPStatus(status)

    def body(self, path: str) -> bytes:  # noqa: ARG002 - as the others are asked
        """The text alone."""
        return f"{self}\n".encode()


def unrouted() -> PlainError:
    """There is no such path."""
    return PlainError(404, "404 page not found")
