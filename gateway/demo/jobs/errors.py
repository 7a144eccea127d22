"""Which errors does the service answer with, and how do they look on the wire?"""

from typing import Any, ClassVar


class ServiceError(Exception):
    """A refusal that the caller gets to read; the class gives the code, its name goes along as `name`."""

    code: ClassVar[int] = 500

    def __init__(self, text: str, data: Any = None) -> None:
        super().__init__(text)
        self.text = text
        self.data = data

    def as_json(self) -> dict[str, Any]:
        """The error object: code, name, message ("Name: text") and data, as Flask-JSONRPC 0.3 writes it."""
        name = type(self).__name__
        return {"code": self.code, "name": name, "message": f"{name}: {self.text}", "data": self.data}


class ParseError(ServiceError):
    """The body is not JSON."""

    code = -32700


class InvalidRequestError(ServiceError):
    """The JSON is not a JSON-RPC request."""

    code = -32600


class MethodNotFoundError(ServiceError):
    """There is no such method."""

    code = -32601


class InvalidParamsError(ServiceError):
    """The parameters do not fit the method."""

    code = -32602


class NotFoundError(ServiceError):
    """There is no such project, workspace, job, image or lane."""

    code = 404


class ConflictError(ServiceError):
    """The job is in a state in which this cannot be done."""

    code = 409


class SlotError(ServiceError):
    """The job has no such input or output; `data["slots"]` lists those it has."""

    code = 422


class OtherError(ServiceError):
    """Something in the service itself went wrong."""

    code = 500
