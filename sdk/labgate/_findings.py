"""What does the doctor find of one thing, and what does it know so far?"""

from __future__ import annotations

from labgate._names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labgate._address import Address
    from labgate._client import Client
    from labgate._profiles import Profile


class Finding:
    """One thing: `state` is ok, note, wrong or skipped; `advice` says what to do, and may be empty."""

    __slots__ = ("advice", "name", "state", "text")

    def __init__(self, name: str, state: str, text: str, advice: str = "") -> None:
        self.name = name
        self.state = state
        self.text = text
        self.advice = advice

    def __repr__(self) -> str:
        return f"<{self.name}: {self.state}: {printable(self.text, 200)}>"


class Case:
    """What is looked at, and what is known of it so far.

    Attributes:
        address: where the gate is, None as long as that is not known.
        reached: it answers.
        client: what works with it, None as long as there is none.
    """

    def __init__(
        self,
        lab: Client | str | None,
        *,
        profile: str | None,
        datastack: str | None,
        token: str | None,
        timeout: float,
    ) -> None:
        self.given = lab if isinstance(lab, str) else None
        self.client: Client | None = None if isinstance(lab, str) else lab
        self.named = profile
        self.datastack = datastack
        self.token = token
        self.timeout = timeout
        self.address: Address | None = None
        self.profile: Profile | None = None
        self.ca_file: str | None = None
        self.reached = False
