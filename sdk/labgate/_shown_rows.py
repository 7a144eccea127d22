"""What stands beside methods, and below lists that are longer than what is shown of them?"""

from __future__ import annotations

from labgate._page import Markup, joined, mark, quiet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labgate._inform import MethodInfo


def marks_of(one: MethodInfo) -> Markup:
    """What is to be known of a method at one glance."""
    return joined(
        [
            mark("safe") if one.safe else "",
            mark("deprecated", bad=True) if one.deprecated else "",
            mark("DOWN", bad=True) if one.down else "",
        ]
    )


def rest_of(shown: int, total: int, what: str) -> Markup:
    """How many more there are than are shown."""
    return quiet(f"{shown} of {total} {what} are shown.") if shown < total else Markup()
