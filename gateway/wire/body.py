"""What does the caller send with a request?"""

from __future__ import annotations

from aiohttp.web import BaseRequest, RequestPayloadError

from gateway.core.faults import BadRequest, TooLarge
from gateway.wire.transport import connection_of


def invite_body(request: BaseRequest) -> None:
    """Send `100 Continue` if the caller waits for it; to be called before a body is read."""
    connection_of(request).invite_body()


async def read_body(request: BaseRequest, limit: int) -> bytes:
    """The whole body, as it was sent: no Content-Encoding is undone.

    Raises `TooLarge` beyond `limit` bytes, without reading on, and `BadRequest` for a body that stops half way or
    whose chunks are broken; a ConnectionError if the caller has gone meanwhile. The connection closes after an answer given to a body that was not read to its end.
    """
    connection = connection_of(request)
    if connection.head.length > limit:
        raise _too_large(limit)
    connection.invite_body()
    content = request.content
    try:
        if content.is_eof():
            data = content.read_nowait()
            if len(data) > limit:
                raise _too_large(limit)
            return data
        pieces: list[bytes] = []
        size = 0
        while piece := await content.readany():
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            pieces.append(piece)
    except RequestPayloadError as exc:
        raise BadRequest("The body of the request is broken.") from exc
    return b"".join(pieces)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes: send less at once.", limit=limit)
