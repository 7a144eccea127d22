"""What is kept of a login at an authorization server, and where?"""

from __future__ import annotations

import json
import os

from labgate._address import Address
from labgate._alone import alone
from labgate._privately import Unfit, read_object, write_text
from labgate._tokens import checked_token, login_path, stored_token_path
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

_LARGEST = 128 * 1024
_LOCK_SECONDS = 60.0
_TEXTS = ("id", "gate", "issuer", "client_id", "token_endpoint", "access_token")
_OPTIONAL = (
    "refresh_token",
    "client_secret",
    "revocation_endpoint",
    "resource",
    "audience",
    "scope",
    "ca_file",
)


class Login:
    """One login at one gate.

    Attributes:
        id: tells it from later ones; what is kept for its user is kept under this, as its tokens change.
        gate: the origin to which its tokens are sent, and no other.
        issuer, client_id, token_endpoint: where and as whom it is renewed.
        access, refresh: the tokens.
        secret: that of a client which is an account of its own; it is empty where a person has logged in.
        expires: when the access token ends, in seconds since 1970; None where that is not known.
        lasts: for how many seconds it was given.
        revocation_endpoint, resource, audience, scope, ca_file: further facts, empty where there are none.
    """

    __slots__ = (
        *("access", "audience", "ca_file", "client_id", "expires", "gate", "id", "issuer", "lasts"),
        *("refresh", "resource", "revocation_endpoint", "scope", "secret", "token_endpoint"),
    )

    def __init__(self, said: dict[str, Any]) -> None:
        """
        Raises:
            Unfit: it is none.
        """
        texts = {name: said.get(name) for name in _TEXTS}
        if not all(isinstance(value, str) and value for value in texts.values()):
            raise Unfit("it is no login, or not the whole of one")
        rest = {name: value if isinstance(value := said.get(name), str) else "" for name in _OPTIONAL}
        self.id, self.gate, self.issuer, self.client_id = (str(texts[name]) for name in _TEXTS[:4])
        self.token_endpoint = str(texts["token_endpoint"])
        try:
            self.access = checked_token(str(texts["access_token"]), "the login")
            self.refresh = (
                checked_token(rest["refresh_token"], "the login") if rest["refresh_token"] else None
            )
        except SetupError as error:
            raise Unfit(error.message) from None
        self.secret, self.revocation_endpoint, self.resource, self.audience, self.scope, self.ca_file = (
            rest[name] for name in _OPTIONAL[1:]
        )
        self.expires = _number(said.get("expires"))
        self.lasts = _number(said.get("lasts"))

    @property
    def name(self) -> str:
        """Under what is kept what belongs to its user."""
        return f"login {self.id}"

    def __repr__(self) -> str:
        return f"<login at {self.issuer} for {self.gate}>"

    def __reduce__(self) -> str:
        raise TypeError("a login is not pickled: it is found anew where it is needed")

    @property
    def renews(self) -> bool:
        """Whether there is something to renew it with."""
        return self.refresh is not None or bool(self.secret)

    def members(self) -> dict[str, Any]:
        """What is written."""
        found = {
            "id": self.id,
            "gate": self.gate,
            "issuer": self.issuer,
            "client_id": self.client_id,
            "token_endpoint": self.token_endpoint,
            "revocation_endpoint": self.revocation_endpoint,
            "client_secret": self.secret,
            "resource": self.resource,
            "audience": self.audience,
            "scope": self.scope,
            "ca_file": self.ca_file,
            "access_token": self.access,
            "refresh_token": self.refresh,
            "expires": self.expires,
            "lasts": self.lasts,
        }
        return {name: value for name, value in found.items() if value not in (None, "")}

    def changed(self, **members: Any) -> Login:
        """The same login with other tokens."""
        return Login({**self.members(), **members})


def read_login(address: Address) -> Login | None:
    """This user's login at this gate, None without one.

    Raises:
        SetupError: it is there, and cannot be used: damaged, another gate's, or open to other users.
    """
    path = login_path(address)
    try:
        return _read(path, address.origin)
    except FileNotFoundError:
        return None
    except Unfit as fault:
        raise SetupError(
            f"the login in {path} cannot be used: {fault}", hint="Or log in anew: labgate login."
        ) from None


def _read(path: str, origin: str) -> Login:
    found, mode = read_object(path, _LARGEST)
    if os.name == "posix" and mode & 0o077:
        raise Unfit(f"it is open to other users (mode {mode:04o}); run: chmod 600 {path}")
    login = Login(found)
    if login.gate != origin:
        raise Unfit(f"it is another gate's than {origin}")
    return login


def guarded(address: Address) -> AbstractContextManager[None]:
    """Nobody else changes the login at this gate meanwhile: neither renews it, nor logs in or out.

    Raises:
        LoginError: somebody does, and comes to no end.
    """
    return alone(f"{login_path(address)}.lock", _LOCK_SECONDS)


def keep_login(address: Address, login: Login) -> None:
    """Write a login down. Raises OSError."""
    write_text(login_path(address), json.dumps(login.members(), indent=1) + "\n")


def keep_token(address: Address, token: str) -> None:
    """Write a token down that has no login behind it. Raises OSError."""
    write_text(stored_token_path(address), token + "\n")


def forget(path: str) -> bool:
    """Remove a file; False where there was none. Raises OSError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _number(value: object) -> float | None:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e12
    return float(value) if usable else None  # type: ignore[arg-type]
