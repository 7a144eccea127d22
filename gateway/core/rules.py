"""What do the operator's rules say of a method?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from gateway.core.service import Rule, Service

_NO_RULE = Rule()


class Rules:
    """An operator's rules: for each name all that match, in the order of the file, later ones over earlier ones."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = tuple(rules.values())
        self._exact: dict[str, int] = {}
        self._globs: list[tuple[int, Callable[[str], Any]]] = []
        for at, glob in enumerate(rules):
            if "*" in glob:
                pattern = ".*".join(re.escape(part) for part in glob.split("*"))
                self._globs.append((at, re.compile(pattern, re.DOTALL).fullmatch))
            else:
                self._exact[glob] = at
        self._merged: dict[tuple[int, ...], Rule] = {(): _NO_RULE}

    def of(self, name: str) -> Rule:
        """What the operator says of the upstream's method `name`."""
        matching = [at for at, matches in self._globs if matches(name)]
        exact = self._exact.get(name)
        if exact is not None:
            matching = sorted([*matching, exact])
        which = tuple(matching)
        rule = self._merged.get(which)
        if rule is None:
            rule = self._merged[which] = _merge([self._rules[at] for at in which])
        return rule


_known_rules: WeakKeyDictionary[Service, Rules] = WeakKeyDictionary()


def rules_for(service: Service) -> Rules:
    """What the operator says of a service's methods, sorted out once."""
    found = _known_rules.get(service)
    if found is None:
        found = _known_rules[service] = Rules(service.rules)
    return found


def _merge(rules: list[Rule]) -> Rule:
    said: dict[str, Any] = {}
    for rule in rules:
        for name in Rule.__dataclass_fields__:
            value = getattr(rule, name)
            if value is not None and not (name == "invalidates" and not value):
                said[name] = value
    return Rule(**said)
