"""What does the operator say about services that fail: what is sent again, and when is a service left alone?"""

import re
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, model_validator

from gateway.settings.sections import Section
from gateway.settings.values import HIDDEN, Count, Flag, Text, Timeout, each, part, refusal, shown, timeout

_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,2})?)", re.ASCII)
_PARAM = re.compile(r"params\.[^\s{}]{1,100}")
_MOST = 5


def _attempts(value: Any) -> int:
    found = 0 if value in (0, "0") and not isinstance(value, bool) else value
    if found == 0:
        return 0
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= _MOST:
        raise refusal(
            f"expected a number from 0 to {_MOST}, found {shown(value)}", "write how often it is sent again"
        )
    return found


def _late(value: Any) -> float | str:
    if isinstance(value, str) and value.startswith("p"):
        found = _QUANTILE.fullmatch(value)
        if found is None or not 50 <= float(found[1]) < 100:
            raise refusal(
                f"{shown(value)} is no quantile from p50 on", "write one like p95, or a duration like 300ms"
            )
        return str(value)
    return timeout(value)


def _sticky(written: str) -> str | None:
    return None if _PARAM.fullmatch(written) else "names no parameter"


def off(value: Any) -> Any:
    """None for `off`, which YAML reads as false."""
    return None if value is False or value == "off" else value


Sticky = Annotated[str, each(_sticky, "write params.NAME, the parameter that calls have in common"), HIDDEN]
Part = Annotated[float, PlainValidator(part)]
Attempts = Annotated[int, PlainValidator(_attempts)]
Late = Annotated[float | str, PlainValidator(_late), PlainSerializer(str, return_type=str, when_used="json")]


class Retries(Section):
    """How often a request is sent again that changes nothing, and that got no answer.

    `budget` is the part of the recent requests that may be such; `idempotent` says that methods which are idempotent are
    called again too, though they change something.
    """

    attempts: Attempts = 1
    budget: Part = 0.2
    idempotent: Flag = False


class Breaker(Section):
    """When a service is left alone: when within `window` seconds at least `failures` requests failed, and at least the part
    `ratio` of all. It is asked again after `open` seconds.
    """

    failures: Count = 10
    ratio: Part = 0.5
    window: Timeout = 30.0
    open: Timeout = 5.0


def _health_path(path: str) -> str | None:
    return None if re.fullmatch(r"/[!-~]*", path) and "#" not in path else "is no path"


class Health(Section):
    """What each replica is asked, to see whether it is well: a GET of `path`, or the JSON-RPC method `method`.

    It is asked `every` so many seconds, and has `timeout` seconds to answer.
    """

    path: Annotated[str, each(_health_path, "write a path like /healthz"), HIDDEN] | None = None
    method: Text | None = None
    every: Timeout = 5.0
    timeout: Timeout = 2.0

    @model_validator(mode="after")
    def _something_is_asked(self) -> "Health":
        if self.path is None and self.method is None:
            raise refusal("does not say what is asked", "write `path: /healthz`, or `method: NAME`")
        return self


class Hedge(Section):
    """When a call that changes nothing is made a second time beside the first: after so many seconds, or once it takes longer
    than that part of the last calls did (p95: all but the slowest twentieth). The answer that comes first counts.
    """

    after: Late
