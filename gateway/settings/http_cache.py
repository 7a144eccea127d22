"""What is stored of a service's replies where no rule speaks of them?"""

import re
from typing import Annotated

from pydantic import BeforeValidator

from gateway.settings.sections import Section
from gateway.settings.values import Flag, Timeout, each, several

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _field_name(name: str) -> str | None:
    return None if _FIELD_NAME.fullmatch(name) else "is no name of a header field"


def _cookie_name(name: str) -> str | None:
    return None if _FIELD_NAME.fullmatch(name) else "is no name of a cookie"


def _parameter_name(name: str) -> str | None:
    return None if name and name.isascii() and name.isprintable() else "is no name of a parameter"


RequestField = Annotated[str, each(_field_name, "use letters, digits and -, like Accept-Language")]

CookieName = Annotated[str, each(_cookie_name, "write a cookie's name, like csrftoken")]
QueryName = Annotated[str, each(_parameter_name, "write a parameter's name, like api_key")]


class HttpCache(Section):
    """What replies through the mount say of themselves (RFC 9111), where no `cache` rule speaks of them.

    `enabled: false` stores none of them. `heuristic` lets what says nothing be fresh for a tenth of the time since it was
    last changed, at most `heuristic_max` seconds. `vary_on` are request fields by which the replies differ though the
    service does not say so; `accept_encoding: false` says that they do not differ by that one.

    `drop_cookies` are cookies that say nothing of who asks: replies that set no others are stored, without them, and who sends
    them is nobody special. `secret_query` are parameters of addresses that are credentials for the service: they are in no key,
    and what comes for one is for no other.
    """

    enabled: Flag = True
    heuristic: Flag = False
    heuristic_max: Timeout = 86400.0
    vary_on: Annotated[tuple[RequestField, ...], BeforeValidator(several)] = ()
    accept_encoding: Flag = True
    drop_cookies: Annotated[tuple[CookieName, ...], BeforeValidator(several)] = ()
    secret_query: Annotated[tuple[QueryName, ...], BeforeValidator(several)] = ()
