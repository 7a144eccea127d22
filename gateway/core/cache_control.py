"""What do a message's fields say of caching (RFC 9111 section 5.2, RFC 9213)?

Between contradictions the more restrictive one wins, and a value that is none never makes anything fresh.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import http_sf
from msgspec import Struct

from gateway.core.call import Demand
from gateway.core.reply import Fields

MOST_SECONDS: Final = 1 << 31
"""What stands for every number of seconds that is larger (RFC 9111 section 1.2.2)."""

_directive = re.compile(rb"[ \t,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(=)?")
_quoted = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_token = re.compile(rb"[^\s,;=\"]+")
_end = re.compile(rb"[^,]*")
_names = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

Directive = tuple[bytes, bytes | None]
"""A directive's name in lower case and its value: None without one, empty for one that is none."""


class ReplyControl(Struct, frozen=True):
    """What a reply says of how it may be stored; the ages are seconds, None where nothing is said.

    `unstored` are the fields that are no part of what is stored: `no-cache="a"` and `private="a"` name them.
    """

    no_store: bool = False
    no_cache: bool = False
    private: bool = False
    public: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    max_age: int | None = None
    s_maxage: int | None = None
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    unstored: frozenset[bytes] = frozenset()
    targeted: bool = False
    """Whether CDN-Cache-Control said it, so that Expires is not looked at."""

    @property
    def strict(self) -> bool:
        """Whether it must never be used when it is stale (RFC 9111 section 4.2.4); `s-maxage` says so too."""
        return self.must_revalidate or self.proxy_revalidate or self.no_cache or self.s_maxage is not None


def directives(value: bytes) -> Iterator[Directive]:
    """The directives of a Cache-Control value; what cannot be read goes up to the next comma."""
    at = 0
    while at < len(value):
        found = _directive.match(value, at)
        if found is None:
            at = _past(value, at + 1)
            continue
        name, at = found[1].lower(), found.end()
        said: bytes | None = None
        if found[2]:
            quoted, token = _quoted.match(value, at), _token.match(value, at)
            if quoted:
                said, at = re.sub(rb"\\(.)", rb"\1", quoted[1], flags=re.DOTALL), quoted.end()
            elif token:
                said, at = token[0], token.end()
            else:
                said = b""
        past = _past(value, at)
        if value[at:past].strip(b" \t,"):
            said = b""  # something follows that belongs to no value
        at = past
        yield name, said


def _past(value: bytes, at: int) -> int:
    """Where the part that `at` stands in ends, its comma passed."""
    found = _end.match(value, at)
    return (found.end() if found else len(value)) + 1


def reply_control(fields: Fields) -> ReplyControl:
    """What a reply's fields say: CDN-Cache-Control where it can be read, else Cache-Control."""
    lines: dict[bytes, list[bytes]] = {b"cdn-cache-control": [], b"cache-control": []}
    for name, value in fields:
        found = lines.get(name.lower())
        if found is not None:
            found.append(value)
    return _reply_control(b", ".join(lines[b"cdn-cache-control"]), b", ".join(lines[b"cache-control"]))


def why_forbidden(control: ReplyControl) -> str:
    """The word by which a reply forbids a shared cache to store it, whatever its status; empty if it does not."""
    if control.must_understand:
        return ""
    return "no-store" if control.no_store else "private" if control.private else ""


@lru_cache(1024)
def _reply_control(targeted: bytes, plain: bytes) -> ReplyControl:
    members = _dictionary(targeted) if targeted else {}
    if members:
        return _made(
            [(name.encode(), _as_text(value)) for name, (value, _) in members.items()], targeted=True
        )
    return _made(list(directives(plain)), targeted=False)


def _dictionary(value: bytes) -> dict[str, Any]:
    """The members of a structured dictionary (RFC 9651 section 3.2), none where it is not one."""
    try:
        found = http_sf.parse(value, tltype="dictionary")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    # Booleans that are false say what absence does.
    return {name: item for name, item in found.items() if isinstance(item, tuple) and item[0] is not False}


def _as_text(value: object) -> bytes | None:
    """A structured value as Cache-Control would write it; one of another type is none."""
    if value is True:
        return None
    if isinstance(value, int):
        return b"%d" % value
    return str(value).encode("utf-8", "replace") if isinstance(value, str) else b""


def _made(said: list[Directive], *, targeted: bool) -> ReplyControl:
    names = {name for name, _ in said}
    ages: dict[bytes, int] = {}
    unstored: set[bytes] = set()
    whole: set[bytes] = set()
    for name, value in said:
        if name in (b"no-cache", b"private"):
            listed = _names.findall((value or b"").lower())
            unstored.update(listed)
            if not listed:
                whole.add(name)
        elif name in _AGES:
            # Of two ages the lower one holds: the more restrictive, and no server means more by saying less.
            ages[name] = min(_seconds(value), ages.get(name, MOST_SECONDS))
    return ReplyControl(
        no_store=b"no-store" in names,
        no_cache=b"no-cache" in whole,
        private=b"private" in whole,
        public=b"public" in names,
        must_revalidate=b"must-revalidate" in names,
        proxy_revalidate=b"proxy-revalidate" in names,
        must_understand=b"must-understand" in names,
        max_age=ages.get(b"max-age"),
        s_maxage=ages.get(b"s-maxage"),
        stale_while_revalidate=ages.get(b"stale-while-revalidate"),
        stale_if_error=ages.get(b"stale-if-error"),
        unstored=frozenset(unstored),
        targeted=targeted,
    )


_AGES: Final = frozenset((b"max-age", b"s-maxage", b"stale-while-revalidate", b"stale-if-error"))


def _seconds(value: bytes | None) -> int:
    """The seconds that a directive says, 0 where it says none."""
    if value is None or not value.isdigit():
        return 0
    return min(int(value), MOST_SECONDS) if len(value.lstrip(b"0")) < 11 else MOST_SECONDS


ASKING: Final = frozenset((b"cache-control", b"pragma"))
"""Fields with which a request may ask something of freshness."""


def demand_from(fields: Fields) -> Demand:
    """What a request's fields ask of freshness (RFC 9111 sections 5.2.1 and 5.4).

    Pragma counts where there is no Cache-Control. Of what is said twice the more demanding holds; a value that is none
    asks for the newest.
    """
    values = [value for name, value in fields if name.lower() == b"cache-control"]
    if not values:
        pragmas = [value for name, value in fields if name.lower() == b"pragma"]
        values = [b"no-cache"] if any(b"no-cache" in _names.findall(one.lower()) for one in pragmas) else []
    return _demand(b", ".join(values)) if values else Demand()


@lru_cache(1024)
def _demand(value: bytes) -> Demand:
    max_age: float | None = None
    max_stale: float | None = None
    min_fresh, said = 0.0, list(directives(value))
    names = {name for name, _ in said}
    for name, text in said:
        if name == b"max-age":
            max_age = min(_seconds(text), MOST_SECONDS if max_age is None else max_age)
        elif name == b"min-fresh":
            min_fresh = max(min_fresh, _seconds(text) if text and text.isdigit() else MOST_SECONDS)
        elif name == b"max-stale":
            bound = MOST_SECONDS if text is None else _seconds(text)
            max_stale = bound if max_stale is None else min(max_stale, bound)
    if names & {b"no-cache", b"no-store"}:
        max_age = -1.0
    return Demand(max_age, b"only-if-cached" in names, max_stale, min_fresh, b"no-store" in names)
