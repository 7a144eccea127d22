"""What does a caller's connection do with the bytes that come next?"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """Where a connection stands."""

    IDLE = "nothing of the next head is here"
    HEAD = "part of a head is here"
    BODY = "a request was handed on, part of its body is missing"
    ANSWER = "a whole request was handed on; what comes is held until its answer is written"
    TUNNEL = "a request for a WebSocket was handed on, and so is everything after it"
    BROKEN = "the body cannot be understood; what comes is dropped, the answer is still to be written"
    LINGER = "the last answer is written; what comes is dropped"
    CLOSING = "the transport is closed, and sends what it still holds"
    LOST = "there is no connection any more"
