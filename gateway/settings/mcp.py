"""What can be set about agents: which methods are their tools, and how much one result may hold?"""

import re
from typing import Annotated

from pydantic import BeforeValidator, field_validator

from gateway.settings.sections import Section
from gateway.settings.service_words import PageOrigin
from gateway.settings.values import HIDDEN, Flag, Size, each, refusal, several

_GLOB = re.compile(r"(?:[A-Za-z0-9*][A-Za-z0-9_.*-]*/)?[a-z*][^\s/]*")


def _what(written: str) -> str | None:
    return None if _GLOB.fullmatch(written) else "is no method glob"


MethodGlobs = Annotated[
    tuple[Annotated[str, each(_what, 'write a method glob like "info.*" or "jobs.get_job"'), HIDDEN], ...],
    BeforeValidator(several),
]


class Mcp(Section):
    """What agents find at `/mcp`, within what their policies let them call.

    `expose` is everything that is safe where nothing is written; what may change something is a tool only where it stands
    there by its whole name. What `hide` names is none. `max_result` is how many bytes of one result they are told; pages of
    these `origins` may ask, and read the answers. With `enabled: false` there is no such address.
    """

    enabled: Flag = True
    expose: MethodGlobs = ()
    hide: MethodGlobs = ()
    max_result: Size = 64 << 10
    origins: Annotated[tuple[PageOrigin, ...], BeforeValidator(several)] = ()

    @field_validator("expose")
    @classmethod
    def _an_empty_list_would_be_everything(cls, exposed: tuple[str, ...]) -> tuple[str, ...]:
        if not exposed:
            text = "an empty list would not be nothing: without `expose` everything that is safe is a tool"
            raise refusal(text, "write `enabled: false` for no tools at all, or remove `expose`")
        return exposed
