"""What do the arguments of `connect` mean: which gate, reached how, and with which terms?"""

from __future__ import annotations

import os
import threading
import weakref

from labgate._cachefile import CatalogFile
from labgate._defaults import merged
from labgate._folders import cache_folder
from labgate._options import Options
from labgate._profiles import wanted_profile
from labgate._tokens import find_token, refuse_exposure
from labgate._whereabouts import find_gate
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypedDict, Unpack

    from labgate._address import Address
    from labgate._credential import Credential
    from labgate._link import Tape
    from labgate._logins import Login
    from labgate._pins import Pins
    from labgate._profiles import Profile

    Prepared = tuple["Way", str | None, Options]

    class Given(TypedDict):
        """The arguments of `labgate.connect` but `live`."""

        address: str | None
        datastack: str | None
        token: str | None
        profile: str | None
        timeout: float | None
        retries: int
        headers: Mapping[str, str] | None
        default: Callable[[Any], Any] | None
        cache_dir: str | os.PathLike[str] | None
        insecure: bool
        ca_file: str | os.PathLike[str] | None
        version: Any
        timestamp: Any
        defaults: Mapping[str, Any] | None
        remember: bool
        auth_token_key: str | None
        server_address: str | None
        datastack_name: str | None
        write_server_address: bool
        write_server_cache: bool
        lock: str | os.PathLike[str] | None


_credentials: weakref.WeakValueDictionary[tuple[str, str], Credential] = weakref.WeakValueDictionary()
_lock = threading.Lock()


class Way:
    """How a gate is reached: everything that clients of its datastacks have in common.

    `hearsay` = only CAVE's own file names it, which may be of no gate. With a `tape` all that is said goes through it, and
    the list of methods is kept by no file.
    """

    __slots__ = ("address", "folder", "hearsay", "insecure", "pins", "tape", "token", "trust")

    def __init__(
        self,
        address: Address,
        token: str | Credential | None,
        folder: str,
        trust: tuple[str | None, str | None] = (None, None),
        *,
        insecure: bool = False,
        tape: Tape | None = None,
        pins: Pins | None = None,
        hearsay: bool = False,
    ) -> None:
        self.address = address
        self.hearsay = hearsay
        self.token = token
        self.folder = folder
        self.trust = trust
        self.insecure = insecure
        self.tape = tape
        self.pins = pins

    @property
    def name(self) -> str | None:
        """What the credential is known by: what is kept for a login outlives its tokens."""
        token = self.token
        return token if token is None or isinstance(token, str) else token.name

    def given(self, stack: str | None) -> dict[str, Any]:
        """The arguments of the link to the gate in a datastack."""
        return {
            "address": self.address,
            "datastack": stack,
            "token": self.token,
            "file": CatalogFile(self.folder, str(self.address), stack, self.name),
            "insecure": self.insecure,
            "ca_file": self.trust[0],
            "profile": self.trust[1],
            "tape": self.tape,
            "pins": self.pins.twin() if self.pins is not None else None,
        }


def prepared(**given: Unpack[Given]) -> Prepared:
    """How the gate is reached, the datastack, and the client's options.

    Raises: as `connect` does.
    """
    said: Mapping[str, object] = given
    for name in ("token", "profile", "auth_token_key"):
        text_of(name, said[name])
    for name in ("cache_dir", "ca_file", "lock"):
        _path_of(name, said[name])
    if not isinstance(given["insecure"], bool):  # "no" is true, too
        raise SetupError("insecure is True or False")
    stack = _one("datastack", given["datastack"], "datastack_name", given["datastack_name"])
    named = _one("address", given["address"], "server_address", given["server_address"])
    chosen = wanted_profile(given["profile"], named, stack, os.environ)
    if chosen is not None:
        named, stack = named or chosen.url, stack or chosen.datastack
    options = _options(given, chosen)
    lock = given["lock"]
    pins = _pins(os.environ.get("LABGATE_LOCK") if lock is None else lock)
    tape = _tape_of_the_environment()
    if tape is not None and tape.address is not None:
        return Way(tape.address, None, "", tape=tape, pins=pins), stack, options
    return _way(given, chosen, named, stack, tape, pins), stack, options


def _options(given: Given, chosen: Profile | None) -> Options:
    """The client's terms; what is not given is the profile's."""
    version, timestamp, defaults = given["version"], given["timestamp"], given["defaults"]
    if version is not None or timestamp is not None:
        defaults = merged(defaults or {}, {"version": version, "timestamp": timestamp})
    seconds: Any = given["timeout"]
    if seconds is ...:
        seconds = 300.0 if chosen is None or chosen.timeout is None else chosen.timeout
    return Options(
        timeout=seconds,
        retries=given["retries"],
        headers=given["headers"],
        default=given["default"],
        defaults=defaults,
        remember=given["remember"] and given["write_server_address"] and given["write_server_cache"],
        auth_token_key=given["auth_token_key"],
    )


def _way(
    given: Given,
    chosen: Profile | None,
    named: str | None,
    stack: str | None,
    tape: Tape | None,
    pins: Pins | None,
) -> Way:
    """The gate's address, and the token that is for it."""
    where = find_gate(named, stack, os.environ)
    key = find_token(
        where.address,
        given["token"],
        os.environ,
        hearsay=where.hearsay,
        datastack=stack,
        cave_key=given["auth_token_key"],
        profile_file=None if chosen is None else chosen.token_file,
    )
    insecure = given["insecure"] or os.environ.get("LABGATE_INSECURE") == "1"
    refuse_exposure(where.address, key, insecure=insecure)
    folder, ca_file = given["cache_dir"], given["ca_file"]
    trusted = os.fspath(ca_file) if ca_file is not None else None if chosen is None else chosen.ca_file
    return Way(
        where.address,
        key if key is None or isinstance(key, str) else credential_of(where.address, key),
        cache_folder() if folder is None else os.fspath(folder),
        (trusted, None if chosen is None else chosen.name),
        insecure=insecure,
        tape=tape,
        pins=pins,
        hearsay=where.hearsay,
    )


def credential_of(address: Address, login: Login) -> Credential:
    """The credential of a login, one for all clients of this program."""
    from labgate._credential import Credential

    key = (address.origin, login.id)
    with _lock:
        found = _credentials.get(key)
        if found is None:
            found = _credentials[key] = Credential(address, login)
    found.learn(login)
    return found


def _pins(path: str | os.PathLike[str] | None) -> Pins | None:
    """The lock file in use; most programs have none, and load nothing for it."""
    if not path:
        return None
    from labgate._pins import Pins

    return Pins(path)


def _tape_of_the_environment() -> Tape | None:
    """What LABGATE_RECORD or LABGATE_REPLAY name; see `labgate.testing`."""
    if not (os.environ.get("LABGATE_RECORD") or os.environ.get("LABGATE_REPLAY")):
        return None
    from labgate.testing._environment import tape_of

    return tape_of(os.environ)


def _one(name: str, value: str | None, other_name: str, other: str | None) -> str | None:
    if value is not None and other is not None and value != other:
        raise SetupError(f"{name} and {other_name} are two names of one thing, and were given two values")
    return text_of(name, value if value is not None else other)


def text_of(name: str, found: object) -> str | None:
    """A name that was given, or None.

    Raises:
        SetupError: it is no text, or empty.
    """
    if found is None:
        return None
    if not isinstance(found, str) or not found.strip():
        raise SetupError(f"{name} is a text that is not empty")
    return found


def _path_of(name: str, found: object) -> None:
    """See whether it is a path. An empty one is the folder that the program happens to be in: only `lock` may be, for none.

    Raises:
        SetupError: it is none.
    """
    if found is None or (name == "lock" and found == ""):
        return
    path = found if isinstance(found, str) or not hasattr(found, "__fspath__") else found.__fspath__()
    if not isinstance(path, str) or not path or "\0" in path:
        raise SetupError(f"{name} is the path of a {'folder' if name == 'cache_dir' else 'file'}")
