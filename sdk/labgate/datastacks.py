"""What does this user's computer remember of datastacks: at which gate was each of them last?

`labgate.connect(datastack="minnie65", server_address="https://gate.lab.org")` writes it down once it has worked, so
that `labgate.connect(datastack="minnie65")` finds the gate.
"""

from __future__ import annotations

from labgate import _memory

__all__ = ["forget", "known"]


def known() -> dict[str, str]:
    """The gate's address by datastack, as it is remembered."""
    return {name: str(address) for name, address in _memory.read_map(_memory.memory_path()).items()}


def forget(name: str | list[str]) -> list[str]:
    """Forget where a datastack, or several, was; the names of those that were known are returned.

    CAVE's own map file is left as it is.

    Raises:
        OSError: the file cannot be written.
    """
    return _memory.forget([name] if isinstance(name, str) else list(name))
