"""What does an operator want forgotten, and which generations end by that?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from gateway.core.catalog import Catalog
from gateway.core.faults import BadRequest
from gateway.core.invalidation import uri_name
from gateway.core.listing import UNDESCRIBED
from gateway.core.naming import alike, shown
from gateway.core.paths import steps
from gateway.core.policy import pattern
from gateway.core.told_key import ToldKey, told

_KINDS: Final = ("key", "method", "service", "tag", "all")
_FORMS: Final = '{"key": HEX}, {"method": GLOB}, {"service": NAME}, {"tag": NAME} or {"all": true}'
_NAMED: Final = 20


class Purge(Struct, frozen=True):
    """What is to be forgotten: everything, the entry under a key, or what was stored by now under some generations' names.

    `asked` is how it was said.
    """

    asked: tuple[str, str]
    names: tuple[str, ...] = ()
    key: bytes | None = None
    everything: bool = False


def purge_of(said: object, catalog: Catalog) -> Purge:
    """What a request's decoded body asks for. Raises `BadRequest` with what is wrong, and what there is."""
    if not isinstance(said, dict) or len(said) != 1 or next(iter(said)) not in _KINDS:
        what = " and ".join(map(shown, map(str, said))) if isinstance(said, dict) and said else "nothing"
        raise BadRequest(f"Nothing was purged: say exactly one of {_FORMS}, not {what}.")
    (kind, value), *_ = said.items()
    if kind == "all":
        if value is not True:
            raise BadRequest('Nothing was purged: say {"all": true} to forget everything.')
        return Purge(("all", ""), everything=True)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"Nothing was purged: {kind} is a text, not {shown(repr(value))}.")
    asked = (kind, value)
    if kind == "key":
        return Purge(asked, key=key_of(value))
    if kind == "method":
        return Purge(asked, tuple(f"method:{one}" for one in matching(value, catalog)))
    known = sorted(catalog.listings) if kind == "service" else tags(catalog)
    is_part = kind == "tag" and value.partition(":")[0] in catalog.listings
    if value not in known and not is_part:
        raise BadRequest(
            f"Nothing was purged: no {kind} is called {shown(value)}; {_there_are(value, known)}."
        )
    return Purge(asked, (f"{kind}:{value}",))


def key_of(written: str) -> bytes:
    """The key that is written in hexadecimal digits. Raises `BadRequest`."""
    try:
        key = bytes.fromhex(written)
    except ValueError:
        key = b""
    if told(key) is None:
        raise BadRequest(
            f"{shown(written)} is no key: one is written in hexadecimal digits, as /-/cache/entries and explanations have it."
        )
    return key


def address_of(key: ToldKey) -> tuple[str, ...]:
    """The generation of the address whose reply lies under a key, where it is that of a request through a mount."""
    target = key.part(b"t") if key.target is None else None
    if target is None:
        return ()
    path, mark, query = target.partition(b"?")
    try:
        return (uri_name(key.service, steps(path, encoded_slash=True), mark + query),)
    except BadRequest:
        return ()


def matching(glob: str, catalog: Catalog) -> tuple[str, ...]:
    """The qualified names of the methods that a glob means, as in policies. Raises `BadRequest` where there are none."""
    means = re.compile(pattern(glob)).fullmatch
    known = sorted(method_names(catalog))
    found = tuple(name for name in known if means(name))
    if not found:
        raise BadRequest(f"No method's name is {shown(glob)}; {_there_are(glob, known)}.")
    return found


def method_names(catalog: Catalog) -> Iterable[str]:
    """The qualified names of all methods, and of what stands for all that no document describes."""
    for qualified, listing in catalog.listings.items():
        service = listing.service
        if service.mount is not None or service.has_port:
            yield f"{qualified}.{UNDESCRIBED}"
        yield from (item.method.qualified for item in listing.items.values())


def tags(catalog: Catalog) -> list[str]:
    """Every tag that a rule names, sorted.

    Dialects have further ones, for parts of a service, which begin with its name and a colon.
    """
    found: set[str] = set()
    for listing in catalog.listings.values():
        for rule in listing.service.rules.values():
            found.update(rule.invalidates, rule.cache.tags if rule.cache else ())
    return sorted(found)


def _there_are(name: str, known: list[str]) -> str:
    if not known:
        return "there are none"
    near = alike(name, known)
    if near:
        return f"did you mean {' or '.join(near)}?"
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return f"there are {', '.join(known[:_NAMED])}{more}"
