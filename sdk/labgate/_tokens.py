"""Which token speaks for this user at this gate?"""

# os.path instead of pathlib: pathlib alone would cost half of the time that a connect from the cache takes.

from __future__ import annotations

import os
import stat
import warnings

from labgate._address import Address, parse_address
from labgate._folders import config_folder
from labgate._memory import cave_map_path, read_map
from labgate._names import callers_level
from labgate._privately import Unfit, read_object, text_member
from labgate.errors import SetupError, TokenFileWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from labgate._logins import Login

LARGEST_FILE = 64 * 1024
BEARER, ASIDE = b"Authorization: Bearer ", b"Labgate-Token: "
"""How a request says its token; the second leaves the first to the service behind the gate."""
_CAVE_KEY = "token"
_CAVE_SUFFIX = "cave-secret.json"
_CAVE_OLD_NAME = "chunkedgraph-secret.json"
_complained: set[str] = set()


def find_token(
    address: Address,
    given: str | None,
    environ: Mapping[str, str],
    *,
    hearsay: bool = False,
    datastack: str | None = None,
    cave_key: str | None = None,
    profile_file: str | None = None,
) -> str | Login | None:
    """The token for this gate; see `find_source`, which also says where it is from."""
    return find_source(
        address,
        given,
        environ,
        hearsay=hearsay,
        datastack=datastack,
        cave_key=cave_key,
        profile_file=profile_file,
    )[0]


def find_source(
    address: Address,
    given: str | None,
    environ: Mapping[str, str],
    *,
    hearsay: bool = False,
    datastack: str | None = None,
    cave_key: str | None = None,
    profile_file: str | None = None,
) -> tuple[str | Login | None, str]:
    """The token for this gate, and where it is from.

    That is the argument, LABGATE_TOKEN, LABGATE_TOKEN_FILE, the profile's file, the login, the stored file, or CAVE's
    files. A token of the environment belongs to LABGATE_URL when that is set: it is not sent to another origin.

    Args:
        address: the gate.
        given: the caller's argument.
        environ: the environment.
        hearsay: only CAVE's own file named the gate: the environment's token was not meant for it.
        datastack: the caller's, if any; see `_from_cave`.
        cave_key: under which name the token stands in CAVE's files; then nothing else is looked at.
        profile_file: the file that the profile names.

    Raises:
        SetupError: a token is there, but cannot be used: unreadable, malformed, or open to other users.
    """
    if given is not None:
        return checked_token(given, "the token argument"), "the token argument"
    if cave_key is not None:
        found = _from_cave(address, cave_key, may_be_global=True)
        if found is None:
            raise SetupError(f"none of CAVE's token files has a token {cave_key!r} for {address.origin}")
        return found, "CAVE's token files"
    if _speaks_for(environ, address) and not hearsay:
        if text := environ.get("LABGATE_TOKEN"):
            return checked_token(text, "LABGATE_TOKEN"), "LABGATE_TOKEN"
        if path := environ.get("LABGATE_TOKEN_FILE"):
            return _from_file(os.path.expanduser(path), strict=False), "the file of LABGATE_TOKEN_FILE"
    if profile_file is not None:
        return _from_file(os.path.expanduser(profile_file), strict=False), "the profile's token file"
    if os.path.exists(login_path(address)):
        from labgate._logins import read_login

        if login := read_login(address):
            return login, "labgate login"
    path = stored_token_path(address)
    if os.path.exists(path):
        return _from_file(path, strict=True), "the stored token file"
    found = _from_cave(address, _CAVE_KEY, may_be_global=datastack is not None or _is_caves(address))
    return found, "CAVE's token files" if found else ""


def stored_token_path(address: Address) -> str:
    """The file (mode 0600) in which this user's token for this origin is kept."""
    return os.path.join(config_folder(), "tokens", address.file_name)


def login_path(address: Address) -> str:
    """The file (mode 0600) of this user's login at this gate; see `_logins`."""
    return os.path.join(config_folder(), "logins", f"{address.file_name}.json")


def cave_folder() -> str:
    """Where CAVE's own client keeps its tokens."""
    return os.path.join(os.path.expanduser("~"), ".cloudvolume", "secrets")


def cave_files(address: Address) -> list[str]:
    """CAVE's token files that belong to this gate's host and port alone, in the order in which they are tried."""
    authority = address.authority
    port = f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
    names = dict.fromkeys([authority, port])
    # A colon cannot stand in a file's name on Windows: there, and for who shares a home with it, it is a dash.
    names = dict.fromkeys([*([] if os.name == "nt" else names), *(name.replace(":", "-") for name in names)])
    return [os.path.join(cave_folder(), f"{name}-{_CAVE_SUFFIX}") for name in names]


def cave_global_files() -> list[str]:
    """CAVE's token files that name no server."""
    return [os.path.join(cave_folder(), name) for name in (_CAVE_SUFFIX, _CAVE_OLD_NAME)]


def refuse_exposure(address: Address, token: object, *, insecure: bool) -> None:
    """A token does not travel over plain HTTP beyond this machine, unless that was asked for.

    Raises:
        SetupError: it would.
    """
    if token and address.scheme == "http" and not address.is_loopback and not insecure:
        raise SetupError(
            f"a token would travel in the clear to {address.origin}",
            hint="Use https, or set LABGATE_INSECURE=1 (or insecure=True) if that network is yours alone.",
        )


def _from_cave(address: Address, key: str, *, may_be_global: bool) -> str | None:
    """The token that CAVE's own client would send: its file for this host and port, else the one that names none.

    The latter is for every server that its user has to do with in CAVE, and for no other: the gate must be one of
    them (a datastack was asked for, or CAVE's map file has its address), and it travels over https or on this machine.
    """
    paths = cave_files(address)
    if may_be_global and (address.scheme == "https" or address.is_loopback):
        paths += cave_global_files()
    for path in paths:
        try:
            found, mode = read_object(path, LARGEST_FILE)
            token = text_member(found, key)
        except FileNotFoundError:
            continue
        except Unfit as fault:
            _complain(path, f"the token file {path} is left aside: {fault}")
            continue
        if token is None:
            continue
        if os.name == "posix" and mode & 0o077:
            # CAVE's client writes them so.
            _complain(
                path, f"the token file {path} is open to other users (mode {mode:04o}); chmod 600 helps"
            )
        return checked_token(token, path)
    return None


def _is_caves(address: Address) -> bool:
    return any(known.origin == address.origin for known in read_map(cave_map_path()).values())


def _complain(path: str, fault: str) -> None:
    if path not in _complained:
        _complained.add(path)
        warnings.warn(TokenFileWarning(fault), stacklevel=callers_level())


def _speaks_for(environ: Mapping[str, str], address: Address) -> bool:
    url = environ.get("LABGATE_URL")
    try:
        return not url or parse_address(url).origin == address.origin
    except SetupError:
        return False


def _from_file(path: str, *, strict: bool) -> str:
    try:
        with open(path, encoding="ascii") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(LARGEST_FILE)
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"the token file {path} cannot be read: {type(error).__name__}") from error
    if os.name == "posix" and mode & 0o077:
        fault = f"the token file {path} is open to other users (mode {mode:04o})"
        if strict:
            raise SetupError(fault, hint=f"Run: chmod 600 {path}")
        # Mounted secrets of containers are often readable by their group, and it is the user who named this file.
        warnings.warn(TokenFileWarning(fault), stacklevel=callers_level())
    return checked_token(text, path)


def checked_token(text: str, source: str) -> str:
    """A token without the white space around it.

    Raises:
        SetupError: no header could carry it.
    """
    token = text.strip()
    if token[:7].lower() == "bearer ":
        raise SetupError(f"the token of {source} has `Bearer` before it", hint="Give what comes behind that.")
    if not token or not all("!" <= c <= "~" for c in token):
        raise SetupError(f"the token of {source} is empty or has characters that no token has")
    return token
