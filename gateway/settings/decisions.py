"""What can be set about who else decides whether a call may be?"""

from typing import Annotated, Literal

from pydantic import field_validator

from gateway.settings.addresses import UpstreamUrl, Url
from gateway.settings.sections import Section
from gateway.settings.values import Seconds, Timeout, Word, refusal


class Decisions(Section):
    """A service that is asked about each call that the policies allow, as Open Policy Agent is: `url` is its whole address.

    It is waited for `timeout` seconds and believed for `cache`. While it does not answer, `fail: closed` refuses, `open` allows.
    """

    url: UpstreamUrl
    timeout: Timeout = 1.0
    cache: Seconds = 5.0
    fail: Annotated[Literal["closed", "open"], Word] = "closed"

    @field_validator("url")
    @classmethod
    def _nobody_decides_on_the_way(cls, value: Url) -> Url:
        if value.text.startswith("http:") and not value.is_loopback:
            raise refusal(
                "decisions over plain http can be replaced on the way", "use https, or run it on loopback"
            )
        return value

    @field_validator("cache")
    @classmethod
    def _verdicts_are_short(cls, value: float) -> float:
        if value > 300:
            raise refusal("what was taken back would be allowed for so long", "write at most 5m")
        if value < 1:
            raise refusal("every call would ask twice", "write at least 1s")
        return value
