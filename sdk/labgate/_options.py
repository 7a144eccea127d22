"""What do a client's calls go by?"""

from __future__ import annotations

import re

from labgate._defaults import checked_defaults, merged
from labgate._keys import checked_key
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
# What this client itself decides about a request.
_OWN_FIELDS = frozenset(
    (
        *(
            "host",
            "user-agent",
            "accept",
            "accept-encoding",
            "cache-control",
            "labgate-token",
        ),
        *("content-length", "content-type", "transfer-encoding", "te", "trailer", "labgate-timeout"),
        *("connection", "expect", "upgrade"),
    )
)


class Options:
    """What a client's calls go by; see `labgate.connect` and the client's call."""

    __slots__ = (
        "auth_token_key",
        "default",
        "defaults",
        "fresh",
        "headers",
        "idempotency_key",
        "max_age",
        "remember",
        "retries",
        "timeout",
    )

    def __init__(
        self,
        *,
        timeout: float | None = 300.0,
        retries: int = 2,
        headers: Mapping[str, str] | None = None,
        default: Callable[[Any], Any] | None = None,
        fresh: bool = False,
        max_age: float | None = None,
        defaults: Mapping[str, Any] | None = None,
        remember: bool = True,
        auth_token_key: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        if timeout is not None and not (_is_number(timeout) and 0 < timeout < 1e9):
            raise SetupError("timeout is a number of seconds above 0, or None")
        if type(retries) is not int or retries < 0:
            raise SetupError("retries is a whole number from 0 on")
        if max_age is not None and not (_is_number(max_age) and 0 <= max_age < 1e12):
            raise SetupError("max_age is a number of seconds from 0 on, or None")
        if default is not None and not callable(default):
            raise SetupError(
                "default is a function that makes a simpler value of one that JSON does not know"
            )
        self.timeout = timeout
        self.retries = retries
        self.headers = checked_fields(headers or {})
        for name, value in self.headers.items():
            if name.lower() == "authorization" and value[:7].lower() == "bearer ":
                raise SetupError(
                    "a Bearer token is this client's own to send", hint="Give token=... instead."
                )
        self.default = default
        self.fresh = bool(fresh)
        self.max_age = max_age
        self.defaults: Mapping[str, Any] = checked_defaults(defaults) if defaults else {}
        self.remember = bool(remember)
        self.auth_token_key = auth_token_key
        self.idempotency_key = None if idempotency_key is None else checked_key(idempotency_key)

    def fields(self) -> bytes:
        """The request fields that these options mean."""
        lines = [f"{name}: {value}\r\n" for name, value in self.headers.items()]
        if freshness := self.freshness():
            lines.append(f"Cache-Control: {freshness}\r\n")
        return "".join(lines).encode("latin-1")

    def freshness(self) -> str | None:
        """What `Cache-Control` says of these options, None for nothing."""
        if self.fresh:
            return "no-cache"
        return None if self.max_age is None else f"max-age={int(self.max_age)}"

    def replaced(self, changes: dict[str, Any]) -> Options:
        """These options with changes; new headers and defaults join the old ones."""
        if "headers" in changes:
            new = checked_fields(changes["headers"] or {})
            lower = {name.lower() for name in new}
            kept = {name: value for name, value in self.headers.items() if name.lower() not in lower}
            changes = {**changes, "headers": {**kept, **new}}
        if "defaults" in changes:
            changes = {**changes, "defaults": merged(self.defaults, changes["defaults"] or {})}
        return Options(**{**{name: getattr(self, name) for name in self.__slots__}, **changes})


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def checked_fields(headers: Mapping[str, str], own: frozenset[str] = _OWN_FIELDS) -> dict[str, str]:
    """The header fields, if HTTP can carry them and none of them is the client's `own` to set.

    Raises:
        SetupError: it is otherwise.
    """
    found = {}
    for name, value in headers.items() if hasattr(headers, "items") else ((None, None),):
        if not (
            isinstance(name, str)
            and isinstance(value, str)
            and _FIELD.fullmatch(name)
            and _VALUE.fullmatch(value)
        ):
            named = f" {name}" if isinstance(name, str) and _FIELD.fullmatch(name) else ""
            raise SetupError(
                f"the header{named} is none that HTTP can carry",
                hint="headers={'X-Name': 'value'}: names and values are texts of one line, in Latin-1.",
            )
        if name.lower() in own:
            raise SetupError(f"the header {name} is this client's own to set")
        found[name] = value
    return found
