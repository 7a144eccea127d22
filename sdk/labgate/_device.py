"""How does somebody log in who has a browser, but not where this program runs? By a code (RFC 8628)."""

from __future__ import annotations

from labgate._names import printable
from labgate._outside import NotAsked, Told, is_safe
from labgate._tokens import checked_token
from labgate.errors import LoginError, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_INTERVAL = 5.0
_SLOWER = 5.0
_LONGEST_INTERVAL = 60.0
_LONGEST_LIFE = 3600.0
_SHORTEST = 0.05
_AGAIN = "Run `labgate login` once more."


class Offer:
    """What the server answers to who wants to log in: where a person types which code, and what is polled with.

    Attributes:
        code: the code that is typed.
        uri: where.
        complete: the same with the code in it, empty where the server has none.
        expires_in: seconds for which it holds.
        interval: seconds between two polls, at least.
        secret: the device code.
    """

    __slots__ = ("code", "complete", "expires_in", "interval", "secret", "uri")

    def __init__(self, told: Told, host: str) -> None:
        """
        Args:
            told: the server's answer (RFC 8628 section 3.2).
            host: the server, for error texts.

        Raises:
            LoginError: it refuses, or what it answers cannot be used.
        """
        said = told.members
        secret, code, uri = (said.get(name) for name in ("device_code", "user_code", "verification_uri"))
        if told.status != 200 or not (
            isinstance(secret, str) and isinstance(code, str) and isinstance(uri, str)
        ):
            raise refused(told, host, "does not let you log in")
        complete = said.get("verification_uri_complete")
        if not is_safe(uri) or (
            complete is not None and not (isinstance(complete, str) and is_safe(complete))
        ):
            raise LoginError(f"{host} names a page for the code that is no https address")
        self.secret: str = secret
        self.code = printable(code, 60)
        self.uri: str = uri
        self.complete: str = complete or ""
        self.expires_in = min(_seconds(said.get("expires_in"), _LONGEST_LIFE), _LONGEST_LIFE)
        self.interval = min(max(_seconds(said.get("interval"), _INTERVAL), _SHORTEST), _LONGEST_INTERVAL)


class Granted:
    """The tokens of a login; `expires_in` is None where the server does not say for how many seconds."""

    __slots__ = ("access", "expires_in", "refresh")

    def __init__(self, told: Told, host: str) -> None:
        """
        Raises:
            LoginError: the answer has no token that can be used (RFC 6749 section 5.1).
        """
        said = told.members
        kind, access, refresh = (said.get(name) for name in ("token_type", "access_token", "refresh_token"))
        if not isinstance(access, str) or not isinstance(kind, str) or kind.lower() != "bearer":
            raise LoginError(f"{host} answered without a Bearer token")
        try:
            self.access = checked_token(access, host)
            self.refresh = checked_token(refresh, host) if isinstance(refresh, str) and refresh else None
        except SetupError as error:
            raise LoginError(error.message) from None
        life = _seconds(said.get("expires_in"), 0.0)
        self.expires_in = life if life > 0 else None


def judged(told: Told, interval: float, host: str) -> Granted | float:
    """What the answer to a poll means: the tokens, or after how many seconds to poll again (RFC 8628 section 3.5).

    Raises:
        LoginError: the login has come to nothing.
    """
    if told.status == 200:
        return Granted(told, host)
    error = told.members.get("error")
    if error == "authorization_pending":
        return interval
    if error == "slow_down":
        return min(interval + _SLOWER, _LONGEST_INTERVAL)
    if error == "access_denied":
        raise LoginError(f"the login was refused at {host}", hint=_AGAIN)
    if error == "expired_token":
        raise LoginError("the code has expired before anybody typed it", hint=_AGAIN)
    raise refused(told, host, "ended the login")


def poll(
    offer: Offer,
    ask: Callable[[], Told],
    host: str,
    *,
    wait: Callable[[float], object],
    clock: Callable[[], float],
) -> Granted:
    """Ask until the code was typed.

    Args:
        offer: what the server answered.
        ask: asks the server once.
        host: the server, for error texts.
        wait: waits so many seconds.
        clock: tells seconds.

    Raises:
        LoginError: it was refused, or nobody typed the code in time.
    """
    end, interval = clock() + offer.expires_in, offer.interval
    pause = interval
    while clock() + pause < end:
        wait(pause)
        try:
            found = judged(ask(), interval, host)
        except NotAsked as error:
            # RFC 8628 section 3.5: who does not answer is asked less and less often.
            pause = min(max(2 * pause, error.retry_after or 0.0), _LONGEST_INTERVAL)
            continue
        if isinstance(found, Granted):
            return found
        pause = interval = found
    raise LoginError("the code has expired before anybody typed it", hint=_AGAIN)


def refused(told: Told, host: str, did: str) -> LoginError:
    """The error of an answer that grants nothing (RFC 6749 section 5.2)."""
    words = [told.text("error", 60), told.text("error_description")]
    why = ": ".join(word for word in words if word) or f"it answered {told.status}"
    return LoginError(f"{host} {did}: {why}", http_status=told.status)


def _seconds(value: object, otherwise: float) -> float:
    # Some servers write numbers as text.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e10
    return float(value) if usable else otherwise  # type: ignore[arg-type]
