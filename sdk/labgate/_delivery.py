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
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    Reply = TypeVar("Reply")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0
_REFUSALS = ("RateLimited", "Unavailable")
_OWN_CHALLENGE = b'realm="labgate"'
FAILURES = (NoAnswer, NotSent, OutOfTime, MalformedReply)  # what an attempt ends with that brings no reply


class Request:
    """What is to be sent, and how: `head` lacks only `Labgate-Timeout` and the empty line.

    Attributes:
        repeatable: carrying it out twice is the same as once.
        known: until when the gate knows it by its key, on the monotonic clock; 0 where it has none.
        own_key: the line of the head with the key, where that was not given by the user.
        doubt: an attempt has left, and nobody knows whether it was carried out.
        renew: is told a head whose credential was refused, and has one with another credential, None without one.
    """

    __slots__ = (
        *("body", "doubt", "head", "known", "method", "own_key", "renew", "repeatable", "retries", "timeout"),
    )

    def __init__(
        self,
        head: bytes,
        body: bytes,
        *,
        method: str | None,
        repeatable: bool,
        timeout: float | None,
        retries: int,
        known: float = 0.0,
        own_key: bytes = b"",
        renew: Callable[[bytes], bytes | None] | None = None,
    ) -> None:
        self.renew = renew
        self.head = head
        self.body = body
        self.method = method
        self.repeatable = repeatable
        self.timeout = timeout
        self.retries = retries
        self.known = known
        self.own_key = own_key
        self.doubt = False

    @property
    def again(self) -> bool:
        """Whether it may be sent again though it may have been carried out."""
        return self.repeatable or (self.known > 0 and time.monotonic() < self.known)


def deliver(pool: Pool, request: Request, gate: str) -> Response:
    """Send the request until there is a reply, within its one deadline.

    Sent again is only what did not leave as a whole, what the gate refused unread (429, 503), what is repeatable, and what
    the gate knows by its key: that is carried out once.

    Args:
        pool: the connections.
        request: what to send.
        gate: the gate's address, for error texts.

    Raises:
        GateUnreachable, DeadlineExceeded, BadReply: with `maybe_executed` where that cannot be ruled out.
    """

    def once(deadline: float | None, left: float | None, fresh: bool) -> Response:
        head, again = headed(request, left), request.again
        response = pool.exchange(head, request.body, deadline, repeatable=again, fresh=fresh)
        if response.status == 401 and may_show_another(request, response.fields):
            # It was refused unread, so that even what is not repeatable may be sent again.
            head = headed(request, left)
            response = pool.exchange(head, request.body, deadline, repeatable=again, fresh=fresh)
        if response.status == 503 and may_go_without_key(request, response):
            head = headed(request, left)
            response = pool.exchange(head, request.body, deadline, repeatable=request.again, fresh=fresh)
        return response

    response = persist(request, gate, once, may_follow)
    response.doubtful = request.doubt
    return response


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
    course = Course(request, gate, time.monotonic())
    pause: float | Error | None
    while True:
        try:
            reply = once(course.deadline, course.left, course.fresh)
        except FAILURES as broken:
            pause = course.failed(broken, time.monotonic())
        else:
            again, asked = refused(reply, request)
            if not again or (pause := course.put_off(asked, time.monotonic())) is None:
                return reply
        if isinstance(pause, Error):
            raise pause
        if pause:
            time.sleep(pause)
        course.resume(time.monotonic())


class Course:
    """The attempts of one request: whether there is another one, after which pause, and what it means that there is none.

    It decides, and does nothing: whoever makes the attempts tells it how they ended, and when.

    Attributes:
        deadline: of all of them, on the caller's clock; None waits for ever.
        left: the seconds left for the next one, None without a deadline.
        fresh: the next one is to use a new connection.
    """

    __slots__ = ("_attempt", "_gate", "_request", "deadline", "fresh", "left")

    def __init__(self, request: Request, gate: str, now: float) -> None:
        self._request = request
        self._gate = gate
        self._attempt = 0
        self.left = request.timeout
        self.deadline = None if request.timeout is None else now + request.timeout
        self.fresh = False

    def failed(self, broken: Exception, now: float) -> float | Error:
        """After one of `FAILURES`: the seconds until the next attempt, or the error that it is."""
        request, gate = self._request, self._gate
        failure: Error
        if isinstance(broken, NoAnswer):
            request.doubt = request.doubt or not request.repeatable
            if broken.untouched and request.again and not self.fresh:
                # A kept connection that the gate closed at this very moment: no failure yet.
                self.fresh = True
                return 0.0
            again, failure = request.again, unanswered(request, gate, _reason(broken, request, gate))
        elif isinstance(broken, NotSent):
            again, failure = not broken.final, _unreachable(request, gate, str(broken))
        elif isinstance(broken, OutOfTime):
            again, failure = False, _late(request, gate, sent=broken.sent)
        else:
            again, failure = False, malformed(request, gate, str(broken))
        pause = self.put_off(0.0, now) if again else None
        return failure if pause is None else pause

    def put_off(self, asked: float, now: float) -> float | None:
        """The seconds until the next attempt, at least those asked for; None when there is none."""
        if self._attempt >= self._request.retries:
            return None
        pause = max(asked, pause_before(self._attempt))
        if self.deadline is not None and pause >= self.deadline - now:
            return None
        self._attempt += 1
        return pause

    def resume(self, now: float) -> None:
        """The next attempt begins."""
        self.left = None if self.deadline is None else self.deadline - now


def headed(request: Request, left: float | None) -> bytes:
    """The whole head, with the seconds left."""
    # The first attempt says the whole timeout, unchanged from call to call: equal calls are then equal bytes.
    if left is None:
        return request.head + b"\r\n"
    seconds = b"%d" % left if left == int(left) else b"%.3f" % max(left, 0.001)
    return b"%bLabgate-Timeout: %b\r\n\r\n" % (request.head, seconds)


def may_show_another(request: Request, fields: Mapping[bytes, bytes]) -> bool:
    """Give a request that the gate has refused another credential, once; False where there is none.

    A refusal of the service behind the gate says nothing of the gate's tokens.

    Raises:
        LoginError: the login has ended.
    """
    renew, request.renew = request.renew, None
    if renew is None or _OWN_CHALLENGE not in fields.get(b"www-authenticate", b""):
        return False
    head = renew(request.head)
    if head is None:
        return False
    request.head = head
    return True


def may_go_without_key(request: Request, response: Response) -> bool:
    """Take the key off a request that several gates cannot agree on at present; False where it is the user's, or has left before.

    It was refused unread, and is sent once more: without a key nothing is ever sent again.
    """
    if not request.own_key or request.doubt or _refusal(response).get("keyed") is not False:
        return False
    request.head = request.head.replace(request.own_key, b"", 1)
    request.own_key, request.known = b"", 0.0
    return True


def pause_before(attempt: int) -> float:
    """Seconds before the next try: longer each time, and never the same for all who wait."""
    return min(_FIRST_PAUSE * (1 << min(attempt, 10)), _LONGEST_PAUSE) * (0.5 + os.urandom(1)[0] / 512)


def may_follow(response: Response, request: Request) -> tuple[bool, float]:
    """Whether the request was refused and may be sent again, and after how many seconds the gate wants it."""
    if response.status not in (429, 503):
        return False, 0.0
    text = response.text(b"retry-after") or ""
    asked = float(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0
    return request.again or _refused_unread(response), asked


def _refused_unread(response: Response) -> bool:
    """True when it is the gate itself that did not take the call: a proxy's 503 says nothing of the sort."""
    data = _refusal(response)
    return data.get("fault") in _REFUSALS and not data.get("maybe_executed")


def _refusal(response: Response) -> dict[str, Any]:
    """What the gate says of a refusal; empty where it is none of a gate's."""
    packed = b"msgpack" in response.fields.get(b"content-type", b"")
    try:
        data = (decode_msgpack if packed else decode_json)(response.body)["error"]["data"]
    except (Error, TypeError, LookupError):
        return {}
    return data if isinstance(data, dict) else {}


def _unreachable(request: Request, gate: str, reason: str) -> Error:
    return GateUnreachable(
        f"the gate at {gate} cannot be reached: {reason}", method=request.method, maybe_executed=request.doubt
    )


def unanswered(request: Request, gate: str, reason: str) -> Error:
    """The error of a reply that did not come, or not to its end."""
    message = f"the gate at {gate} did not finish its answer: {reason}"
    return GateUnreachable(message, method=request.method, maybe_executed=not request.repeatable)


def _reason(broken: NoAnswer, request: Request, gate: str) -> str:
    """Why there is no answer; a server that speaks TLS hangs up on whoever does not, before its first word."""
    first = request.method is None and broken.silent and not broken.untouched
    if first and gate.startswith("http://"):
        return f"{broken}; if what is there speaks TLS, write its address with https://"
    return str(broken)


def _late(request: Request, gate: str, *, sent: bool) -> Error:
    did = "did not answer" if sent else "could not be reached"
    return DeadlineExceeded(
        f"the gate at {gate} {did} within {request.timeout:g} s",
        method=request.method,
        maybe_executed=request.doubt or (sent and not request.repeatable),
    )


def malformed(request: Request, gate: str, reason: str) -> Error:
    """The error of a reply that is no HTTP."""
    return BadReply(
        f"the reply of {gate} cannot be read: {reason}",
        method=request.method,
        maybe_executed=not request.repeatable,
    )
