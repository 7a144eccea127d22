"""Which token speaks for this user at this gate?"""

# os.path instead of pathlib: pathlib alone would cost half of the time that a connect from the cache takes.

from __future__ import annotations

import os
import stat
import warnings

from labgate._address import Address, parse_address
from labgate._folders import config_folder
from labgate.errors import SetupError, TokenFileWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST_FILE = 64 * 1024


def find_token(address: Address, given: str | None, environ: Mapping[str, str]) -> str | None:
    """The token for this gate: the argument, LABGATE_TOKEN, LABGATE_TOKEN_FILE, or the stored file.

    A token of the environment belongs to LABGATE_URL when that is set: it is not sent to another origin.

    Raises:
        SetupError: a token is there, but cannot be used: unreadable, malformed, or open to other users.
    """
    if given is not None:
        return _checked(given, "the token argument")
    if _speaks_for(environ, address):
        if text := environ.get("LABGATE_TOKEN"):
            return _checked(text, "LABGATE_TOKEN")
        if path := environ.get("LABGATE_TOKEN_FILE"):
            return _from_file(os.path.expanduser(path), strict=False)
    path = stored_token_path(address)
    return _from_file(path, strict=True) if os.path.exists(path) else None


def stored_token_path(address: Address) -> str:
    """The file (mode 0600) in which this user's token for this origin is kept."""
    return os.path.join(config_folder(), "tokens", address.file_name)


def refuse_exposure(address: Address, token: str | None, *, insecure: bool) -> None:
    """A token does not travel over plain HTTP beyond this machine, unless that was asked for.

    Raises:
        SetupError: it would.
    """
    if token and address.scheme == "http" and not address.is_loopback and not insecure:
        raise SetupError(
            f"a token would travel in the clear to {address.origin}",
            hint="Use https, or set LABGATE_INSECURE=1 (or insecure=True) if that network is yours alone.",
        )


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
            text = file.read(_LARGEST_FILE)
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"the token file {path} cannot be read: {type(error).__name__}") from error
    if os.name == "posix" and mode & 0o077:
        fault = f"the token file {path} is open to other users (mode {mode:04o})"
        if strict:
            raise SetupError(fault, hint=f"Run: chmod 600 {path}")
        # Mounted secrets of containers are often readable by their group, and it is the user who named this file.
        warnings.warn(TokenFileWarning(fault), stacklevel=5)
    return _checked(text, path)


def _checked(text: str, source: str) -> str:
    token = text.strip()
    if not token or not all("!" <= c <= "~" for c in token):
        raise SetupError(f"the token of {source} is empty or has characters that no token has")
    return token
