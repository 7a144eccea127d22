"""What can be set about how much one caller may have: `rate: 100/s`, `concurrency: 8`, `bytes: 10GiB/h`?"""

import re
from typing import Annotated, Any, NamedTuple

from pydantic import PlainSerializer, PlainValidator, model_validator

from gateway.settings.sections import Section
from gateway.settings.values import Count, Flag, Size, Timeout, count, refusal, shown, size

_SECONDS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
}
_PER = re.compile(r"(?P<much>[^/]+?) ?/ ?(?P<unit>[a-z]+)", re.ASCII)
_MOST = 10**15
_LONGEST = 366 * 86400


class Per(NamedTuple):
    """So many in so many seconds."""

    much: int
    seconds: int


def _per(value: Any, much: Any, example: str) -> Per:
    if isinstance(value, Per):
        return value
    fix = f"write how much in which time, like {example}"
    found = _PER.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise refusal(f"expected a rate, found {shown(value)}", fix)
    seconds = _SECONDS.get(found["unit"])
    if seconds is None:
        raise refusal(f"`{found['unit'][:20]}` is no unit of time here", "write /s, /min, /h or /d")
    number = much(found["much"])
    if not 0 < number <= _MOST:
        raise refusal("must be more than 0", fix)
    return Per(number, seconds)


def _rate(value: Any) -> Per:
    return _per(value, count, "100/s, 6000/min or 5000/h")


def _bytes(value: Any) -> Per:
    return _per(value, size, "10GiB/h or 500MB/d")


_AS_TEXT = PlainSerializer(lambda per: f"{per[0]}/{per[1]}s", when_used="json")
CallRate = Annotated[Per, PlainValidator(_rate), _AS_TEXT]
ByteRate = Annotated[Per, PlainValidator(_bytes), _AS_TEXT]


def _takes(burst: int, rate: Per) -> float:
    return burst * rate.seconds / rate.much


class Share(Section):
    """What each principal may have. `rate` is of calls, of which `burst` may come at once (by default as many as in its time).

    `concurrency` counts calls on their way at once, `bytes` is of the bodies of answers.
    """

    rate: CallRate | None = None
    burst: Count | None = None
    concurrency: Count | None = None
    bytes: ByteRate | None = None

    @model_validator(mode="after")
    def _burst_has_a_rate(self) -> "Share":
        if self.burst is not None and self.rate is None:
            raise refusal("a burst without a rate", "add rate: 100/s, or remove burst", ("burst",))
        if self.burst is not None and self.rate is not None and _takes(self.burst, self.rate) > _LONGEST:
            raise refusal(
                "takes more than a year to come back", "write a smaller burst, or a higher rate", ("burst",)
            )
        return self


class Kept(Section):
    """What is kept for each principal of what came of calls that may come again: for so many `seconds` after their end.

    `count` outcomes at most, answers of `size` bytes in all. `promised` tells clients of it, who then send again a write whose
    answer was lost: gates that share an address and no `cache.redis` cannot promise that.
    """

    seconds: Timeout = 600.0
    count: Count = 2000
    size: Size = 16 << 20
    promised: Flag = True
