"""What does the name of a gate stand for? A profile, in the user's `profiles.toml`:

[lab]
url = "https://gate.lab.org"
datastack = "minnie65"
timeout = 60                    # seconds for a whole call
ca_file = "/etc/ssl/lab.pem"    # trusted beside the system's certificates
token_file = "~/lab.token"      # else the token is the login's or the stored one
"""

from __future__ import annotations

import os
import re

from labgate._address import Address, parse_address
from labgate._folders import config_folder
from labgate._names import closest, printable
from labgate._privately import Unfit, read_text, refuse_writers, write_text
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DEFAULT = "default"
"""The profile that is meant where nothing names a gate."""
MEMBERS = ("url", "datastack", "timeout", "ca_file", "token_file")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LARGEST = 256 * 1024


class Profile:
    """One of them; `url` as it is written, the others None where they are not said."""

    __slots__ = ("ca_file", "datastack", "name", "timeout", "token_file", "url")

    def __init__(self, name: str, said: Any) -> None:
        """
        Raises:
            SetupError: it cannot be used.
        """
        if not isinstance(said, dict):
            raise _unfit(name, "is no table")
        if unknown := sorted(said.keys() - set(MEMBERS)):
            raise _unfit(name, f"has {printable(unknown[0], 60)!r}; known are {', '.join(MEMBERS)}")
        for member in ("url", "datastack", "ca_file", "token_file"):
            value = said.get(member)
            if value is not None and not (isinstance(value, str) and value.strip()):
                raise _unfit(name, f"has a {member!r} that is no text")
        timeout = said.get("timeout")
        if timeout is not None and (
            isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0
        ):
            raise _unfit(name, "has a 'timeout' that is no number of seconds")
        if "url" not in said:
            raise _unfit(name, "has no 'url'")
        self.name = name
        self.url: str = said["url"]
        self.datastack: str | None = said.get("datastack")
        self.timeout: float | None = timeout
        self.ca_file: str | None = said.get("ca_file")
        self.token_file: str | None = said.get("token_file")

    @property
    def address(self) -> Address:
        """Where its gate is. Raises SetupError."""
        return parse_address(self.url)

    def __repr__(self) -> str:
        return f"<profile {self.name}: {printable(self.url, 200)}>"


def profiles_path() -> str:
    """The file of this user's profiles."""
    return os.path.join(config_folder(), "profiles.toml")


def read_profiles() -> dict[str, Any]:
    """The tables of the file by their names, unread; none without a file.

    Raises:
        SetupError: the file cannot be read, or others may write it.
    """
    return _parsed(_text())


def profile(name: str) -> Profile:
    """The profile of this name.

    Raises:
        SetupError: there is none, or it cannot be used.
    """
    known = read_profiles()
    if name not in known:
        near = closest(name, known)
        words = (
            f"Did you mean {' or '.join(near)}?"
            if near
            else f"Write one: labgate login URL --profile {name}."
        )
        raise SetupError(f"{profiles_path()} has no profile {printable(name, 64)!r}", hint=words)
    return Profile(name, known[name])


def is_for(name: str, address: str) -> bool:
    """Whether there is a profile of this name, and it is for this gate; other machines have others."""
    try:
        return profile(name).address.origin == parse_address(address).origin
    except SetupError:
        return False


def wanted_profile(
    name: str | None, given: str | None, datastack: str | None, environ: Mapping[str, str]
) -> Profile | None:
    """The profile by which the gate is reached, if any.

    An address beside LABGATE_PROFILE goes before it: what a profile says is for its own gate only.

    Args:
        name: the caller's argument.
        given: the address of the caller, if any.
        datastack: the caller's, if any.
        environ: the environment.

    Raises:
        SetupError: there is no such profile, it cannot be used, or its gate is not the one of the argument.
    """
    if name is not None:
        found = profile(name)
        if given is not None and parse_address(given).origin != found.address.origin:
            raise SetupError(
                f"the profile {name!r} is for {found.address.origin}, and another address was given",
                hint="Give one of the two.",
            )
        return found
    named = given or environ.get("LABGATE_URL")
    if chosen := environ.get("LABGATE_PROFILE"):
        found = profile(chosen)
        return found if not named or parse_address(named).origin == found.address.origin else None
    if named or datastack is not None or not os.path.exists(profiles_path()):
        return None
    known = read_profiles()
    return Profile(DEFAULT, known[DEFAULT]) if DEFAULT in known else None


def write_profile(name: str, members: Mapping[str, str | float | None]) -> None:
    """Write a profile, in the place of one of this name; the rest of the file stays as it is.

    Raises:
        SetupError: the name or the file cannot be used.
        OSError: the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise SetupError("a profile's name is letters, digits, - and _")
    before = _text()
    others = _parsed(before)
    others.pop(name, None)
    said = {member: value for member, value in members.items() if value is not None}
    lines = [f"[{name}]", *(f"{member} = {_written(value)}" for member, value in said.items())]
    kept = _without(before, name).rstrip("\n")
    after = (f"{kept}\n\n" if kept else "") + "\n".join(lines) + "\n"
    if not _means(after, {**others, name: said}):
        raise SetupError(
            f"{profiles_path()} is written in a way that only a person can change it", hint="Do it there."
        )
    write_text(profiles_path(), after)


def _text() -> str:
    path = profiles_path()
    try:
        text, mode = read_text(path, _LARGEST)
        refuse_writers(path, mode)
    except FileNotFoundError:
        return ""
    except Unfit as fault:
        raise SetupError(f"{path} cannot be used: {fault}") from None
    return text


def _parsed(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"{profiles_path()} cannot be read: {error}") from None


def _means(text: str, tables: dict[str, Any]) -> bool:
    try:
        return _parsed(text) == tables
    except SetupError:
        return False


def _without(text: str, name: str) -> str:
    """The text without the lines of one table."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        head = line.split("#")[0].strip()
        if head.startswith("["):
            inside = head in (f"[{name}]", f'["{name}"]', f"['{name}']")
        if not inside:
            kept.append(line)
    return "".join(kept)


def _written(value: str | float) -> str:
    """A TOML value; what JSON writes of a text is a TOML text, but for the character 127."""
    import json

    return json.dumps(value).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)


def _unfit(name: str, what: str) -> SetupError:
    return SetupError(f"the profile {printable(name, 64)!r} in {profiles_path()} {what}")
