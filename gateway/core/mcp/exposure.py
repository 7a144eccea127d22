"""Which methods are agents shown at all, beside what their policies say?"""

from __future__ import annotations

import re

from gateway.core.method import Method
from gateway.core.policy import pattern


class Exposure:
    """What of the catalog is a tool: by default everything that is safe, and nothing that may change something.

    Policies decide as well, and before: what is exposed is what a caller may call *and* what this names.
    """

    def __init__(self, expose: tuple[str, ...] = (), hide: tuple[str, ...] = ()) -> None:
        """Globs as in policies. `expose` is all that is safe where it is empty; what may change something has to stand in
        it by its whole name: no glob means it. What `hide` names is no tool in any case.
        """
        self._named = frozenset(expose)
        self._shown = _any(expose or ("*",))
        self._hidden = _any(hide)

    def exposes(self, method: Method) -> bool:
        """Whether the method is a tool."""
        name = method.qualified
        if self._hidden.fullmatch(name):
            return False
        return self._shown.fullmatch(name) is not None if method.safe else name in self._named


def _any(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern(one)})" for one in globs) or r"(?!)")
