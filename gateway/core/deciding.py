"""Which policy lets this principal call this, and which rule says so of a method?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields

from msgspec import Struct

from gateway.core.paths import Steps, path_glob
from gateway.core.policy import Policy, concerns, is_path, pattern
from gateway.core.principal import Principal
from gateway.core.service import Rule


class Permit(Struct, frozen=True):
    """What lets a principal do something: the first policy that does.

    `number` counts the policies of the settings from 1; `to` and `allow` are the words of it that fit.
    """

    number: int
    policy: Policy
    to: str
    allow: str


def permit(policies: Sequence[Policy], principal: Principal, qualified: str) -> Permit | None:
    """What lets the principal call the method of this qualified name, None if nothing does."""
    return _first(
        policies,
        principal,
        lambda glob: not is_path(glob) and re.fullmatch(pattern(glob), qualified) is not None,
    )


def path_permit(policies: Sequence[Policy], principal: Principal, verb: str, path: Steps) -> Permit | None:
    """What lets the principal ask for this path below the mounts, None if nothing does."""
    return _first(policies, principal, lambda glob: is_path(glob) and path_glob(glob).matches(verb, path))


def speaking(policies: Sequence[Policy], principal: Principal) -> tuple[int, ...]:
    """The numbers of the policies that speak of the principal, whatever they allow."""
    return tuple(at for at, policy in enumerate(policies, 1) if concerns(policy, principal))


def _first(policies: Sequence[Policy], principal: Principal, fits: Callable[[str], bool]) -> Permit | None:
    for number, policy in enumerate(policies, 1):
        to = next((word for word in policy.to if concerns(Policy((word,), ()), principal)), None)
        allow = next(filter(fits, policy.allow), None) if to is not None else None
        if to is not None and allow is not None:
            return Permit(number, policy, to, allow)
    return None


def sources(rules: Mapping[str, Rule], name: str) -> dict[str, str]:
    """What is said of the upstream's method `name`, and by which glob: the last one that says it."""
    found: dict[str, str] = {}
    for glob, rule in rules.items():
        if _means(glob, name):
            found |= dict.fromkeys(_said(rule), glob)
    return found


def _means(glob: str, name: str) -> bool:
    """Whether the glob of a rule means the name: `*` is any characters, also a slash (see `listing`)."""
    parts = glob.split("*")
    return re.fullmatch(".*".join(map(re.escape, parts)), name, re.DOTALL) is not None


def _said(rule: Rule) -> Iterable[str]:
    return (one.name for one in fields(rule) if getattr(rule, one.name) not in (None, ()))
