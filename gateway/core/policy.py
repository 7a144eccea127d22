"""May this principal call this method?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from msgspec import Struct

from gateway.core.limits import Limit
from gateway.core.path_table import PathTable
from gateway.core.paths import Steps
from gateway.core.principal import Principal

MEMO = 65536
"""How many decisions about method names are remembered for one set of policies."""

SEEN = 256
"""How many datastacks one principal may have been shown."""


class Policy(Struct, frozen=True):
    """Which principals (`to`) may call which methods (`allow`); `operate` opens the operator's door to them.

    `limit` is what each of them may have by this policy; it counts where this is the first policy that allows a call.

    `to` is any of `subject:S`, `group:G`, `scope:S`, `authenticated`, `anonymous`. `allow` is method globs: `*`
    alone is every method; else `*` stands for any characters but `/`, so that `chunkedgraph.*` is the global
    service of that name and `minnie65/chunkedgraph.*` that datastack's. Path globs (`GET /files/**`) speak of mounted
    paths and of nothing else.
    """

    to: tuple[str, ...]
    allow: tuple[str, ...]
    operate: bool = False
    limit: Limit | None = None


NONE = -1
"""In the place of a policy's number: no policy allows it."""


def concerns(policy: Policy, principal: Principal) -> bool:
    """Whether the policy speaks of this principal."""
    return any(is_meant(word, principal) for word in policy.to)


def is_meant(word: str, principal: Principal) -> bool:
    """Whether a word of a policy's `to` means this principal."""
    if word == "anonymous":
        return principal.anonymous
    if principal.anonymous:
        return False
    kind, colon, value = word.partition(":")
    match kind:
        case "authenticated":
            return not colon
        case "subject":
            return principal.subject == value
        case "group":
            return value in principal.groups
        case "scope":
            return value in principal.scopes
    return False


def is_path(glob: str) -> bool:
    """Whether an `allow` entry speaks of mounted paths (`/**`, `GET /dvid/**`) and not of methods."""
    return glob.startswith("/") or bool(re.match(r"[A-Z]+ /", glob))


def pattern(glob: str) -> str:
    """The regular expression of a method glob.

    Each part is found once, at its first place, and never again (an atomic group): trying every place would take
    time exponential in the number of stars, and the names come from callers.
    """
    if glob == "*":
        return r"(?s:.*)"
    first, *rest = map(re.escape, glob.split("*"))
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>[^/]*?{part})" for part in middle if part) + "[^/]*" + last


class Access:
    """What the principals of one set of policies may call: compiled once, each name decided once.

    `key` tells which policies these are, by their places among all; `seen` are the datastacks that the principals have been
    shown by their own servers; see `Service.hidden`.
    """

    def __init__(
        self, policies: Iterable[Policy], key: tuple[int, ...], seen: frozenset[str] = frozenset()
    ) -> None:
        chosen = tuple(zip(key, policies, strict=True))
        self.key = (key, seen)
        self.seen = seen
        self.operate = any(policy.operate for _, policy in chosen)
        globs = [(at, glob) for at, policy in chosen for glob in policy.allow if not is_path(glob)]
        self._everything = any(glob == "*" for _, glob in globs)
        self._paths = PathTable((at, glob) for at, policy in chosen for glob in policy.allow if is_path(glob))
        self._every_path = any("/**" in policy.allow for _, policy in chosen)
        self._names = _Names(globs)
        self._decided: dict[str, int] = {}
        self._chosen = chosen
        self.speaks_of_scopes = any(_scopes(policy) for _, policy in chosen)
        """Whether a scope lets them do anything."""

    def scopes(self, qualified: str) -> tuple[str, ...]:
        """The scopes that all policies speak of which let these callers call the method: a token without one of them could not,
        unless it has a group that the same policies name. None where a policy speaks of no scope.
        """
        found: dict[str, None] = {}
        for scopes, names in self._by_scopes:
            if names.first(qualified) != NONE:
                if not scopes:
                    return ()
                found |= dict.fromkeys(scopes)
        return tuple(found)

    @cached_property
    def _by_scopes(self) -> list[tuple[tuple[str, ...], _Names]]:
        """The scopes that each policy speaks of, and what it allows; those that speak of none first."""
        found = [
            (_scopes(policy), _Names((at, glob) for glob in policy.allow if not is_path(glob)))
            for at, policy in self._chosen
        ]
        return sorted(found, key=lambda one: bool(one[0]))

    def allows(self, qualified: str) -> bool:
        """Whether the method of this qualified name (`jobs.get`, `minnie65/chunkedgraph.roots`) may be called."""
        return self._everything or self.first(qualified) >= 0

    def first(self, qualified: str) -> int:
        """The place among all policies of the first that allows the method of this name; `NONE` if none does."""
        decided = self._decided.get(qualified)
        if decided is None:
            decided = self._names.first(qualified)
            if len(self._decided) >= MEMO:
                self._decided.clear()
            self._decided[qualified] = decided
        return decided

    def allows_path(self, verb: str, path: Steps) -> bool:
        """Whether a request of this verb may be made below the mounts, for the path of these steps."""
        return self._every_path or self.first_path(verb, path) >= 0

    def first_path(self, verb: str, path: Steps) -> int:
        """The place among all policies of the first that allows such a request; `NONE` if none does."""
        return self._paths.first(verb, path)


class _Names:
    """Method globs, each with its policy's place: the first that means a name is looked for among those of its service."""

    def __init__(self, globs: Iterable[tuple[int, str]]) -> None:
        by_service: dict[str, list[tuple[int, str]]] = {"": []}
        for at, glob in globs:
            service, dot, _ = glob.partition("*")[0].partition(".")
            by_service.setdefault(f"{service}." if dot else "", []).append((at, glob))
        self._by_service = {service: _Alternatives(found) for service, found in by_service.items()}

    def first(self, qualified: str) -> int:
        """The place of the first policy whose glob means the name; `NONE` if none does."""
        found = self._by_service[""].first(qualified)
        of_service = self._by_service.get(f"{qualified.partition('.')[0]}.")
        other = NONE if of_service is None else of_service.first(qualified)
        return found if other == NONE else other if found == NONE else min(found, other)


class _Alternatives:
    """Some globs as one expression, in which each policy's are a group; the first group that matches is found."""

    def __init__(self, globs: Iterable[tuple[int, str]]) -> None:
        by_policy: dict[int, list[str]] = {}
        for at, glob in globs:
            by_policy.setdefault(at, []).append(pattern(glob))
        self._places = tuple(by_policy)
        alternatives = (f"({'|'.join(patterns)})" for patterns in by_policy.values())
        self._match = re.compile("|".join(alternatives) or r"(?!)").fullmatch

    def first(self, qualified: str) -> int:
        found = self._match(qualified)
        return NONE if found is None or found.lastindex is None else self._places[found.lastindex - 1]


def _scopes(policy: Policy) -> tuple[str, ...]:
    """The scopes that the policy speaks of."""
    return tuple(word.removeprefix("scope:") for word in policy.to if word.startswith("scope:"))


def _scope(policy: Policy) -> str | None:
    """The first of them."""
    return next(iter(_scopes(policy)), None)


class Policies:
    """All policies of the gate. Nothing matched = refused."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._policies = tuple(policies)
        self._access: dict[tuple[tuple[int, ...], frozenset[str]], Access] = {}
        self._seen: dict[tuple[str, str], frozenset[str]] = {}
        self._known: dict[Principal, Access] = {}
        self._last: tuple[Principal | None, Access] = (None, Access((), ()))
        self.limited = any(policy.limit is not None for policy in self._policies)
        """Whether any of them says how much somebody may have."""
        named = [at for at, policy in enumerate(self._policies) if _scope(policy) is not None]
        self._by_scope = Access((self._policies[at] for at in named), tuple(named))

    @property
    def listed(self) -> tuple[Policy, ...]:
        """The policies, in order."""
        return self._policies

    def scope_for(self, qualified: str) -> str | None:
        """The scope with which a method of this name, if there is one, may be called; None where no scope helps.

        It is what the first policy asks for that speaks of a scope and allows the name. Told to who may not call it, it says
        what the policies say, and nothing of what there is.
        """
        return self._scope_at(self._by_scope.first(qualified))

    def scope_for_path(self, verb: str, path: Steps) -> str | None:
        """The same of a path below the mounts."""
        return self._scope_at(self._by_scope.first_path(verb, path))

    def _scope_at(self, place: int) -> str | None:
        return None if place == NONE else _scope(self._policies[place])

    def access(self, principal: Principal) -> Access:
        """What the principal may call; principals of whom the same policies speak share one answer."""
        last, access = self._last
        if last is principal:  # the entries of one batch, and the steps of one call
            return access
        known = self._known.get(principal)
        if known is None:
            known = self._compile(principal)
            if len(self._known) >= MEMO:
                self._known.clear()
            self._known[principal] = known
        self._last = (principal, known)
        return known

    def _compile(self, principal: Principal) -> Access:
        key = tuple(i for i, policy in enumerate(self._policies) if concerns(policy, principal))
        seen = self._seen.get((principal.issuer, principal.subject), frozenset())
        access = self._access.get((key, seen))
        if access is None:
            if len(self._access) >= MEMO:
                self._access.clear()
            access = self._access[key, seen] = Access((self._policies[i] for i in key), key, seen)
        return access

    def saw(self, principal: Principal, datastack: str) -> None:
        """The principal was shown this datastack by its own server."""
        who = (principal.issuer, principal.subject)
        seen = self._seen.get(who, frozenset())
        if datastack in seen or len(seen) >= SEEN:
            return
        if len(self._seen) >= MEMO:
            self._seen.clear()
        self._seen[who] = seen | {datastack}
        self._known.clear()
        self._last = (None, self._last[1])
