"""What does a scripted gate offer, and how does it list that?"""

from __future__ import annotations

import hashlib
import json
import threading

from labgate.testing._listing import parts_of
from labgate.testing._paths import is_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate.testing._listing import Scripted


class Offer:
    """The methods of a scripted gate by datastack, None for those of none, and its paths; threads may change it at any time."""

    def __init__(self) -> None:
        self.paths: dict[str, Any] = {}
        self._methods: dict[str | None, dict[str, Scripted]] = {None: {}}
        self._namespaces: dict[str | None, set[str]] = {None: set()}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many methods there are."""
        return sum(map(len, self._methods.values()))

    def __contains__(self, stack: object) -> bool:
        """Whether there is a datastack of this name."""
        return stack is None or stack in self._methods

    def add(self, service: str, name: str, answer: Any) -> None:
        """Add a method or a path; see `ScriptedGate.add`."""
        stack, space = _placed(service)
        if is_path(name):
            self.paths[f"/{service}{name}"] = answer
            self._namespaces.setdefault(stack, set()).add(space)
            return
        with self._lock:
            self._namespaces.setdefault(stack, set()).add(space)
            self._methods.setdefault(stack, {}).update(
                {f"{space}.{leaf}": one for leaf, one in parts_of(name, answer).items()}
            )

    def remove(self, service: str, name: str) -> None:
        """Take a method away. Raises KeyError where there is none."""
        stack, space = _placed(service)
        with self._lock:
            del self._methods[stack][f"{space}.{name}"]

    def names(self) -> set[str]:
        """The names of all methods, whatever datastack they are of."""
        with self._lock:
            return {name for methods in self._methods.values() for name in methods}

    def stacks(self) -> list[str]:
        """The datastacks."""
        return sorted(stack for stack in self._methods if stack is not None)

    def known(self, stack: str | None) -> dict[str, Scripted]:
        """The methods that are there for whoever asks with this datastack."""
        with self._lock:
            return {**self._methods[None], **(self._methods.get(stack) or {})}

    def document(self, stack: str | None) -> bytes:
        """The list, as OpenRPC has it."""
        local: dict[str, list[str]] = {}
        for one in self.stacks():
            for space in self._namespaces[one]:
                local.setdefault(space, []).append(one)
        spaces = self._namespaces[None] | (self._namespaces[stack] if stack is not None else set())
        about = {
            "namespaces": {
                space: {
                    "mount": f"/{stack}/{space}"
                    if stack and space in self._namespaces[stack]
                    else f"/{space}"
                }
                for space in sorted(spaces)
            },
            "datastacks": self.stacks(),
            "local": {space: where for space, where in local.items() if space not in spaces},
        }
        methods = [one.listed(name) for name, one in sorted(self.known(stack).items())]
        document = {
            "openrpc": "1.3.2",
            "info": {"title": "a scripted gate", "version": "0"},
            "methods": methods,
            "x-labgate": about,
        }
        return json.dumps(document).encode("ascii")

    def version(self, stack: str | None) -> str:
        """What is another once the list is."""
        return hashlib.sha256(self.document(stack)).hexdigest()[:16]


def _placed(service: str) -> tuple[str | None, str]:
    stack, slash, space = service.partition("/")
    return (stack, space) if slash else (None, service)
