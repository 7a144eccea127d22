"""The names that CAVE's client has for `labgate.datastacks`."""

from __future__ import annotations

from labgate.datastacks import forget, known

__all__ = ["get_datastack_cache", "reset_server_address_cache"]


def get_datastack_cache() -> dict[str, str]:
    """The gate's address by datastack: `labgate.datastacks.known()`."""
    return known()


def reset_server_address_cache(datastack: str | list[str]) -> None:
    """Forget where a datastack, or several, was: `labgate.datastacks.forget(datastack)`."""
    forget(datastack)
