"""At which gate was a datastack found before?"""

from __future__ import annotations

import json
import os
import warnings

from labgate._address import Address, parse_address
from labgate._folders import config_folder
from labgate._names import callers_level
from labgate._privately import Unfit, read_object, refuse_writers, write_text
from labgate.errors import MapFileWarning, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST = 256
_LONGEST = 2048
_LARGEST_FILE = 1024 * 1024
_complained: set[str] = set()


def memory_path() -> str:
    """The file (mode 0600) that says at which gate this user last had a datastack."""
    return os.path.join(config_folder(), "datastacks.json")


def cave_map_path() -> str:
    """The file in which CAVE's own client keeps the server of each datastack."""
    return os.path.join(
        os.path.expanduser("~"), ".cloudvolume", "secrets", "cave_datastack_to_server_map.json"
    )


def read_map(path: str) -> dict[str, Address]:
    """The addresses in a map file, by datastack.

    A file that cannot be used, or that others may write, counts as empty, and a warning says so once; single entries
    that are no address are left out.
    """
    try:
        found, mode = read_object(path, _LARGEST_FILE)
        refuse_writers(path, mode)
    except FileNotFoundError:
        return {}
    except Unfit as fault:
        _complain(path, str(fault))
        return {}
    known = {name: _address(text) for name, text in found.items() if len(name) <= _LONGEST}
    return {name: address for name, address in known.items() if address is not None}


def remember(datastack: str, address: Address) -> None:
    """Write down where a datastack was found; a folder that cannot be written is no error."""
    if len(datastack) > _LONGEST or len(str(address)) > _LONGEST:
        return
    known = {name: str(where) for name, where in read_map(memory_path()).items()}
    if known.get(datastack) == str(address):
        return
    known.pop(datastack, None)
    known[datastack] = str(address)
    try:
        _write(dict(list(known.items())[-_MOST:]))
    except OSError:
        # A full or read-only disk costs the next start an argument, nothing else.
        return


def forget(datastacks: list[str]) -> list[str]:
    """Leave out what is known of the datastacks; those of which something was known are returned.

    Raises:
        OSError: the file cannot be written.
    """
    known = {name: str(where) for name, where in read_map(memory_path()).items()}
    gone = [name for name in datastacks if known.pop(name, None) is not None]
    if gone:
        _write(known)
    return gone


def _write(known: dict[str, str]) -> None:
    write_text(memory_path(), json.dumps(known, indent=1) + "\n")


def _address(text: Any) -> Address | None:
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    try:
        return parse_address(text)
    except SetupError:
        return None


def _complain(path: str, fault: str) -> None:
    if path not in _complained:
        _complained.add(path)
        warnings.warn(MapFileWarning(f"{path} is left aside: {fault}"), stacklevel=callers_level())
