"""Which token of a login is shown now, and how does it get another before or when it ends? (RFC 6749 section 6)"""

from __future__ import annotations

import os
import threading
import time
import warnings
import weakref

from labgate._device import Granted, refused
from labgate._logins import Login, guarded, keep_login, read_login
from labgate._names import callers_level
from labgate._outside import NotAsked, ask, host_of
from labgate._tokens import ASIDE, BEARER
from labgate.errors import LoginError, TokenFileWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._address import Address
    from labgate._advertised import Way

_EARLY_SECONDS = 60.0
_EARLY_PART = 0.1  # of a token's life, where that is less
_SOON = 10.0  # a token that is younger was not refused for its age
_ASK_SECONDS = 30.0
_LATER = 30.0
_HINT = "Run `labgate login`, or labgate.login()."


class Credential:
    """A login as the clients of a program use it; its token changes, `name` does not.

    Threads share one renewal, and so do programs: whoever has the lock renews, the others read what it has written.
    """

    def __init__(self, address: Address, login: Login) -> None:
        self.name = login.name
        self._address = address
        self._lock = threading.Lock()
        self._got = float("-inf")
        self._due = float("inf")
        self._login = login
        self._adopt(login)
        self._got = float("-inf")
        _credentials.add(self)

    def __repr__(self) -> str:
        return f"<{self._login!r}>"

    def __reduce__(self) -> str:
        raise TypeError("a credential is not pickled: it is found anew where it is needed")

    @property
    def login(self) -> Login:
        """The login as it was last read or renewed."""
        return self._login

    def token(self) -> str:
        """The token to show now; one that is about to end is renewed first.

        Raises:
            LoginError: it has ended, and there is no other.
        """
        if time.time() >= self._due:
            with self._lock:
                if time.time() >= self._due:
                    self._renew_in_time()
        return self._login.access

    def other_than(self, shown: str) -> str | None:
        """Another token than one that was refused, None where there is none to be had.

        Raises:
            LoginError: the login has ended.
        """
        with self._lock:
            if self._login.access != shown:
                return self._login.access
            if time.monotonic() - self._got < _SOON:
                return None
            self._renew()
            return self._login.access if self._login.access != shown else None

    def retold(self, head: bytes) -> bytes | None:
        """A request's head whose token was refused, with another one; None where there is none.

        Raises:
            LoginError: the login has ended.
        """
        for mark in (b"\r\n" + ASIDE, b"\r\n" + BEARER):
            before, found, after = head.partition(mark)
            shown, end, rest = after.partition(b"\r\n")
            if found and end:
                token = self.other_than(shown.decode("ascii", "replace"))
                return (
                    None if token is None else b"%b%b%b\r\n%b" % (before, mark, token.encode("ascii"), rest)
                )
        return None

    def learn(self, kept: Login) -> None:
        """Take what was just read, where it is newer: another program may have renewed it."""
        with self._lock:
            if kept.access != self._login.access and (kept.expires or 0) >= (self._login.expires or 0):
                self._adopt(kept)

    def _renew_in_time(self) -> None:
        expires = self._login.expires
        try:
            self._renew()
        except NotAsked:
            if expires is not None and time.time() >= expires:
                raise
            # It still holds for a while; until then the server may be back.
            self._due = min(time.time() + _LATER, expires or float("inf"))

    def _renew(self) -> None:
        """Have another token, of this program or of one that was quicker."""
        with guarded(self._address):
            kept = read_login(self._address)
            if kept is None:
                raise LoginError(f"you have logged out of {self._address.origin}", hint=_HINT)
            if kept.access != self._login.access:
                self._adopt(kept)
                return
            if not kept.renews:
                # Its end is the server's to judge: clocks differ.
                self._due = float("inf")
                return
            fresh = renewed(kept)
            try:
                keep_login(self._address, fresh)
            except OSError as error:
                fault = f"the renewed login cannot be written ({error.strerror}): other programs have to log in anew"
                warnings.warn(TokenFileWarning(fault), stacklevel=callers_level())
            self._adopt(fresh)

    def _adopt(self, login: Login) -> None:
        self._login = login
        self._got = time.monotonic()
        early = min(_EARLY_SECONDS, _EARLY_PART * login.lasts) if login.lasts else _EARLY_SECONDS
        self._due = float("inf") if login.expires is None else login.expires - early


def renewed(login: Login) -> Login:
    """The login with the tokens that the server gives for its refresh token, which may be another one then.

    An account of its own asks as it did at first (RFC 6749 section 4.4).

    Raises:
        NotAsked: the server does not answer.
        LoginError: the login has ended.
    """
    if login.secret:
        form = account_form(login)
        account = (login.client_id, login.secret)
    else:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": login.refresh or "",
            "client_id": login.client_id,
        }
        account = None
        if login.resource:
            form["resource"] = login.resource
    began, host = time.time(), host_of(login.issuer)
    told = ask(
        login.token_endpoint, form, timeout=_ASK_SECONDS, ca_file=login.ca_file or None, account=account
    )
    if told.status != 200:
        error = refused(told, host, "has ended your login")
        error.hint = _HINT
        raise error
    granted = Granted(told, host)
    return login.changed(**tokens_of(granted, began))


def account_form(wanted: Login | Way) -> dict[str, str]:
    """What an account of its own sends for a token."""
    wishes = {"scope": wanted.scope, "audience": wanted.audience, "resource": wanted.resource}
    return {
        "grant_type": "client_credentials",
        **{name: value for name, value in wishes.items() if value},
    }


def tokens_of(granted: Granted, began: float) -> dict[str, Any]:
    """What is kept of the tokens that were granted to a request which left at `began`, in seconds since 1970."""
    life = granted.expires_in
    found: dict[str, Any] = {
        "access_token": granted.access,
        "expires": None if life is None else began + life,
        "lasts": life,
    }
    if granted.refresh is not None:
        found["refresh_token"] = granted.refresh
    return found


def _renew_locks() -> None:
    """In a forked child: another thread of the parent may have held a lock; that thread does not exist here."""
    for one in list(_credentials):
        one._lock = threading.Lock()  # noqa: SLF001


_credentials: weakref.WeakSet[Credential] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
