"""Who calls which gate, and how does every request of theirs begin?"""

from __future__ import annotations

from labgate._tokens import ASIDE, BEARER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from labgate._address import Address
    from labgate._cachefile import CatalogFile
    from labgate._credential import Credential
    from labgate._direct import Direct
    from labgate._pins import Pins
    from labgate._transport import Pool


class Caller:
    """One caller of one gate, as far as the heads of requests go.

    Attributes:
        address: the gate's.
        datastack: the one whose services are added, None for none.
        direct: where calls are taken at a server without a gate; None at a gate.
        asks_with: header fields that such a server may want to see before it says what it has.
        pins: the lock file that the methods are compared with, None for none.
        pool: the connections.
    """

    pool: Pool

    def __init__(
        self,
        address: Address,
        datastack: str | None,
        token: str | Credential | None,
        file: CatalogFile,
        *,
        insecure: bool = False,
        ca_file: str | None = None,
        profile: str | None = None,
        pins: Pins | None = None,
    ) -> None:
        self.address = address
        self.datastack = datastack
        self.pins = pins
        self.direct: Direct | None = None
        self.asks_with: Mapping[str, str] = {}
        self._ca_file = ca_file
        self._profile = profile
        self._insecure = insecure
        self._token = token
        self._file = file

    def settings(self) -> dict[str, Any]:
        """What `connect` was given for this link, but the token."""
        return {
            "address": str(self.address),
            "datastack": self.datastack,
            "cache_dir": self._file.folder,
            "insecure": self._insecure,
            "ca_file": self._ca_file,
            "profile": self._profile,
            "lock": self.pins.path if self.pins is not None else "",
        }

    def way(self) -> tuple[Address, str | Credential | None, str, bool]:
        """How this gate is reached, whatever the datastack: address, token, the catalogs' folder, `insecure`."""
        return self.address, self._token, self._file.folder, self._insecure

    def trust(self) -> tuple[str | None, str | None]:
        """The further certificates that are trusted for it, and the profile that it was found by."""
        return self._ca_file, self._profile

    def fields(self, verb: str, path: str) -> bytes:
        """The beginning of a request's head: its first line, Host, and the credential."""
        query = f"?datastack={_quoted(self.datastack)}" if self.datastack else ""
        return self.opening(verb, f"{path}{query}") + b"User-Agent: labgate-python\r\n" + self.credential()

    def call_fields(self, *, own: bool = False) -> bytes:
        """The same for calls; without the credential where the caller has a field of their `own` for that."""
        if self.direct is None:
            return self.fields("POST", "/rpc")
        start = self.opening("POST", self.direct.path) + b"User-Agent: labgate-python\r\n"
        return start if own else start + self.credential()

    def asking_fields(self, verb: str, path: str) -> bytes:
        """The same for a question to a server that may be none of a gate's."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.asks_with.items()).encode("latin-1")
        own = "authorization" in map(str.lower, self.asks_with)
        start = self.opening(verb, path or ("" if self.address.path else "/"))
        return start + b"User-Agent: labgate-python\r\n" + (b"" if own else self.credential()) + lines

    def opening(self, verb: str, target: str) -> bytes:
        """The first line of a request's head, and its Host; the target stands below the gate's own path."""
        return self.pool.route.opening(verb, f"{self.address.path}{target}").encode("ascii")

    def credential(self, *, aside: bool = False) -> bytes:
        """The field that says who calls; `aside` leaves `Authorization` free for the service's own."""
        token = self.token()
        if not token:
            return b""
        return b"%b%b\r\n" % (ASIDE if aside else BEARER, token.encode("ascii"))

    @property
    def renews(self) -> bool:
        """Whether the credential changes: what has it in it is made anew then."""
        return self._token is not None and not isinstance(self._token, str)

    def token(self) -> str | None:
        """The token to show now.

        Raises:
            LoginError: it is a login's, and that has ended.
        """
        token = self._token
        return token if token is None or isinstance(token, str) else token.token()

    def retold(self, head: bytes) -> bytes | None:
        """A request's head whose credential was refused, with another one; None where there is none.

        Raises:
            LoginError: the login has ended.
        """
        credential = self._token
        return None if credential is None or isinstance(credential, str) else credential.retold(head)


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
