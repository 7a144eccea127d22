"""May this request be sent, and sent again, and what does it mean when no answer comes?"""

from __future__ import annotations

import os
import time

from labgate._codec import decode_json, decode_msgpack
from labgate._transport import NoAnswer, NotSent, OutOfTime, Pool
from labgate._wire import MalformedReply, Response
from labgate.errors import BadReply, DeadlineExceeded, Error, GateUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Reply = TypeVar("Reply")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0
_REFUSALS = ("RateLimited", "Unavailable")


class Request:
    """What is to be sent, and how: `head` lacks only `Labgate-Timeout` and the empty line."""

    __slots__ = ("body", "head", "method", "repeatable", "retries", "timeout")

    def __init__(
        self,
        head: bytes,
        body: bytes,
        *,
        method: str | None,
        repeatable: bool,
        timeout: float | None,
        retries: int,
    ) -> None:
        self.head = head
        self.body = body
        self.method = method
        self.repeatable = repeatable
        self.timeout = timeout
        self.retries = retries


def deliver(pool: Pool, request: Request, gate: str) -> Response:
    """Send the request until there is a reply, within its one deadline.

    Sent again is only what did not leave as a whole, what the gate refused unread (429, 503), and what is repeatable.

    Args:
        pool: the connections.
        request: what to send.
        gate: the gate's address, for error texts.

    Raises:
        GateUnreachable, DeadlineExceeded, BadReply: with `maybe_executed` where that cannot be ruled out.
    """

    def once(deadline: float | None, left: float | None, fresh: bool) -> Response:
        head = headed(request, left)
        return pool.exchange(head, request.body, deadline, repeatable=request.repeatable, fresh=fresh)

    return persist(request, gate, once, _may_follow)


def persist(
    request: Request,
    gate: str,
    once: Callable[[float | None, float | None, bool], Reply],
    refused: Callable[[Reply, Request], tuple[bool, float]],
) -> Reply:
    """What one of the attempts brings, within the request's one deadline.

    Args:
        request: what is sent.
        gate: the gate's address, for error texts.
        once: one attempt, given the deadline, the seconds left, and whether to use a new connection.
        refused: whether a reply only says "later", and after how many seconds.

    Raises: as `deliver` does.
    """
    deadline = None if request.timeout is None else time.monotonic() + request.timeout
    left = request.timeout
    fresh = False
    attempt = 0
    while True:
        asked = 0.0
        failure: Error | None = None
        try:
            reply = once(deadline, left, fresh)
            again, asked = refused(reply, request)
        except NoAnswer as broken:
            if broken.untouched and request.repeatable and not fresh:
                # A kept connection that the gate closed at this very moment: no failure yet.
                fresh = True
                left = None if deadline is None else deadline - time.monotonic()
                continue
            again, failure = request.repeatable, unanswered(request, gate, str(broken))
        except NotSent as broken:
            again, failure = not broken.final, _unreachable(request, gate, str(broken))
        except OutOfTime as broken:
            again, failure = False, _late(request, gate, sent=broken.sent)
        except MalformedReply as broken:
            again, failure = False, malformed(request, gate, str(broken))
        pause = max(asked, pause_before(attempt)) if again else 0.0
        left = None if deadline is None else deadline - time.monotonic()
        if not again or attempt >= request.retries or (left is not None and pause >= left):
            if failure is not None:
                raise failure
            return reply
        time.sleep(pause)
        attempt += 1
        left = None if deadline is None else deadline - time.monotonic()


def headed(request: Request, left: float | None) -> bytes:
    """The whole head, with the seconds left."""
    # The first attempt says the whole timeout, unchanged from call to call: equal calls are then equal bytes.
    if left is None:
        return request.head + b"\r\n"
    seconds = b"%d" % left if left == int(left) else b"%.3f" % max(left, 0.001)
    return b"%bLabgate-Timeout: %b\r\n\r\n" % (request.head, seconds)


def pause_before(attempt: int) -> float:
    """Seconds before the next try: longer each time, and never the same for all who wait."""
    return min(_FIRST_PAUSE * (1 << min(attempt, 10)), _LONGEST_PAUSE) * (0.5 + os.urandom(1)[0] / 512)


def _may_follow(response: Response, request: Request) -> tuple[bool, float]:
    """Whether the request was refused and may be sent again, and after how many seconds the gate wants it."""
    if response.status not in (429, 503):
        return False, 0.0
    text = response.text(b"retry-after") or ""
    asked = float(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0
    return request.repeatable or _refused_unread(response), asked


def _refused_unread(response: Response) -> bool:
    """True when it is the gate itself that did not take the call: a proxy's 503 says nothing of the sort."""
    packed = b"msgpack" in response.fields.get(b"content-type", b"")
    try:
        data = (decode_msgpack if packed else decode_json)(response.body)["error"]["data"]
        return data["fault"] in _REFUSALS and not data.get("maybe_executed")
    except (Error, TypeError, LookupError, AttributeError):
        return False


def _unreachable(request: Request, gate: str, reason: str) -> Error:
    return GateUnreachable(f"the gate at {gate} cannot be reached: {reason}", method=request.method)


def unanswered(request: Request, gate: str, reason: str) -> Error:
    """The error of a reply that did not come, or not to its end."""
    message = f"the gate at {gate} did not finish its answer: {reason}"
    return GateUnreachable(message, method=request.method, maybe_executed=not request.repeatable)


def _late(request: Request, gate: str, *, sent: bool) -> Error:
    did = "did not answer" if sent else "could not be reached"
    return DeadlineExceeded(
        f"the gate at {gate} {did} within {request.timeout:g} s",
        method=request.method,
        maybe_executed=sent and not request.repeatable,
    )


def malformed(request: Request, gate: str, reason: str) -> Error:
    """The error of a reply that is no HTTP."""
    return BadReply(
        f"the reply of {gate} cannot be read: {reason}",
        method=request.method,
        maybe_executed=not request.repeatable,
    )
