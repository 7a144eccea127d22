"""What does every upstream of these tests offer? The same few functions."""

from collections.abc import Callable
from typing import Any

_counter = 0


def subtract(minuend: int, subtrahend: int) -> int:
    """Subtract the subtrahend from the minuend."""
    return minuend - subtrahend


def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


def echo(value: Any) -> Any:
    """Return what was sent."""
    return value


def fail() -> str:
    """Raise an error."""
    raise RuntimeError("it broke on purpose")


def get_stats(uid: str, binning: int = 1) -> dict[str, Any]:
    """Get made-up statistics of an image."""
    return {"uid": uid, "binning": binning, "mean": 0.5, "shape": [128 // binning, 128 // binning]}


def notify_counter() -> None:
    """Count one more; meant to be sent as a notification."""
    global _counter  # noqa: PLW0603 - one process, one counter
    _counter += 1


def count() -> int:
    """Get how often `notify_counter` has run."""
    return _counter


def big(n: int) -> list[int]:
    """Get the whole numbers below n."""
    return list(range(n))


def get_raw(uid: str) -> str:
    """Get a made-up file; offered under a name that is no identifier."""
    return f"raw {uid}"


OFFERED: dict[str, Callable[..., Any]] = {
    "subtract": subtract,
    "add": add,
    "echo": echo,
    "fail": fail,
    "get_stats": get_stats,
    "notify_counter": notify_counter,
    "count": count,
    "big": big,
    "files.get-raw": get_raw,
}
"""Every function under the name by which it is called."""
