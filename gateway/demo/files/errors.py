"""Which errors does the service answer with? JSON `{"detail": …}` under the status of their class."""

from http import HTTPStatus
from typing import ClassVar


class FilesError(Exception):
    """A refusal that the caller gets to read as `detail`."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR


class NotFoundError(FilesError):
    """There is no such path, image, tile or annotation."""

    status = HTTPStatus.NOT_FOUND


class WrongVerbError(FilesError):
    """The path exists, but not with this verb; `allowed` are those that it has."""

    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, detail: str, allowed: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.allowed = allowed


class ConflictError(FilesError):
    """What the service keeps forbids it: a title that is taken, or no room."""

    status = HTTPStatus.CONFLICT


class WrongMediaTypeError(FilesError):
    """The body is of another media type than the document says."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class InvalidError(FilesError):
    """A parameter or the body does not fit its schema."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
