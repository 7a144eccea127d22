"""What can be set about keeping who uses what?"""

from typing import Any

from pydantic import field_validator

from gateway.settings.sections import Section
from gateway.settings.values import Timeout, refusal


class Usage(Section):
    """Who used what is kept for `keep` seconds, by hour, in the `state_dir`."""

    keep: Timeout = 90 * 86400.0

    @field_validator("keep")
    @classmethod
    def _hours_are_kept(cls, value: float) -> float:
        if value < 3600:
            raise refusal("less than the hour by which it is kept", "write at least 1h")
        return value


def used(value: Any) -> Any:
    """`on` keeps it for as long as usual, a time alone for so long; `off` is not at all."""
    if value is False or value == "off":
        return None
    if value is True or value == "on":
        return {}
    return value if isinstance(value, dict) or value is None else {"keep": value}
