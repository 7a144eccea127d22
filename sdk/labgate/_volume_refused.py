"""What does a refusal look like to a program that was written for dvidclient?"""

from __future__ import annotations

from contextlib import contextmanager

from labgate import errors
from labgate.errors import Error, ErrorResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_STATUS: dict[type[Error], int] = {
    errors.Conflict: 409,
    errors.NotFound: 404,
    errors.InvalidParams: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.TooLarge: 413,
    errors.RateLimited: 429,
    errors.Unreachable: 502,
    errors.UpstreamBroken: 502,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 504,
}


@contextmanager
def doing(action: str) -> Iterator[None]:
    """Raise what was refused as an `ErrorResponse`."""
    try:
        yield
    except Error as error:
        if error.http_status is None and not isinstance(error, errors.Locked):
            raise
        raise _response(action, error) from error


def _response(action: str, error: Error) -> ErrorResponse:
    from http import HTTPStatus

    facts = error.data if isinstance(error.data, dict) else {}
    given = (facts.get("upstream_status"), facts.get("status"), error.http_status)
    own = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    status = next((one for one in given if type(one) is int and 400 <= one < 600), own)
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = type(error).__name__
    return ErrorResponse(
        action,
        status,
        reason,
        error.message,
        code=error.code,
        data=error.data,
        http_status=error.http_status,
        method=error.method,
        request_id=error.request_id,
        maybe_executed=error.maybe_executed,
        retry_after=error.retry_after,
        hint=error.hint,
    )
