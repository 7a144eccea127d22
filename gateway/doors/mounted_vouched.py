"""How does the gate say whom a token speaks for, to services that would ask elsewhere?"""

from __future__ import annotations

from gateway.core.verdict import pass_for
from gateway.doors.mounted import Mounted

_FIELDS = ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store"))


class MountedVouched(Mounted):
    """One request that asks about the token that it carries. It costs no question to whoever vouches for the token."""

    def admitted(self) -> None:
        """The path is allowed: answer, if the gate knows."""
        way, vouch = self._way, self.tools.vouch
        said = None if vouch is None else vouch(self.notes.credential, self._principal)
        if said is None:
            super().admitted()
            return
        method = way.method()
        self.judge_as(method)
        self.let_in((method,))
        self.verdict = pass_for("the gate vouches")
        self._answer(200, _FIELDS, said)
