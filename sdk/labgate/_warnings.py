"""What does a program hear beside its answers?"""

from __future__ import annotations

from labgate._error import LONGEST_LINE, one_line


class ServiceWarning(UserWarning):
    """A service had something to say beside its answer: a notice about a table, a limit.

    Attributes:
        method: the method that was called.
        code: the number before the notice, as RFC 7234 has them; None without one.
        text: the service's words.
    """

    method: str
    code: int | None
    text: str

    def __init__(self, method: str = "", text: str = "", code: int | None = None) -> None:
        super().__init__(method, text, code)
        self.method, self.text, self.code = method, text, code

    def __str__(self) -> str:
        return f"{one_line(self.method, 120)}: {one_line(self.text, LONGEST_LINE)}"


class StaleWarning(UserWarning):
    """A reply came from the gate's cache although its freshness had ended."""


class TokenFileWarning(UserWarning):
    """A token file can be read by other users of this machine, or one of CAVE's is damaged."""


class MethodChangedWarning(UserWarning):
    """A method that a lock file pins has changed, so that a program would get something else."""


class MapFileWarning(UserWarning):
    """A file that says where datastacks are is damaged, or others may write it; it was left aside."""
