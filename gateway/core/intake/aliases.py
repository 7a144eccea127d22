"""At which further paths does Intake's client look for a catalog? It turns `intake://` into `http://` once more than it should."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.core.service import Service

_WORD: Final = "intake"
_SCHEMES: Final = ("http", "https")


def with_aliases(service: Service) -> Service:
    """The service, also reached where its mount has the word replaced from the left, once or more often.

    For a nested catalog or a search the client replaces the first `intake` of an address that has its scheme already. What
    is found out by asking may turn out to be such a service.
    """
    if service.dialect not in ("intake", "auto") or service.mount is None:
        return service
    return replace(service, mount_aliases=tuple(other_paths(service.mount)))


def other_paths(mount: str) -> list[str]:
    """The paths that a mount may be mistaken for."""
    found = []
    for scheme in _SCHEMES:
        path = mount
        while _WORD in path:
            path = path.replace(_WORD, scheme, 1)
            found.append(path)
    return found
