"""Where does the gate listen that is met by a file, and not by a port?"""

import os
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator, ValidationInfo

from gateway.settings.addresses import Address, address
from gateway.settings.document import Written
from gateway.settings.values import path, refusal, shown, text

SCHEME: Final = "unix:"
_LONGEST: Final = 103
"""Bytes that every system's `sockaddr_un` has room for."""
_MODE_FIX: Final = (
    'write it as chmod has it, in quotes: "660" is for owner and group, "600" for the owner alone'
)


@dataclass(frozen=True, slots=True)
class SocketFile:
    """A Unix-domain socket to listen on, by the path of its file."""

    file: str

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach it."""
        return True

    def __str__(self) -> str:
        return SCHEME + self.file


def callers_place(value: Any, info: ValidationInfo) -> Address | SocketFile:
    """`HOST:PORT`, `[V6]:PORT` or `unix:/PATH`; a relative path starts from the folder of the file it stands in."""
    if isinstance(value, SocketFile):
        return value
    if not (isinstance(value, str) and value.startswith(SCHEME)):
        return address(value)
    written = text(value)
    bare = written.removeprefix(SCHEME)
    if not bare.strip("/") or bare.endswith("/") or not bare.isprintable():
        raise refusal(
            f"{shown(value)} names no file to listen on", "write its path, like unix:/run/labgate/gate.sock"
        )
    found = str(path(Written(bare, value.folder) if isinstance(value, Written) else bare, info).absolute())
    if len(os.fsencode(found)) > _LONGEST:
        raise refusal(f"the path of a socket has at most {_LONGEST} bytes", "choose a shorter one")
    return SocketFile(found)


def mode(value: Any) -> int:
    """Who may open a file, in octal digits as chmod has them."""
    # YAML reads 0660 as 432, and then nobody knows what was meant.
    if isinstance(value, int):
        raise refusal(f"{value} is a number, and a mode has octal digits", _MODE_FIX)
    written = text(value)
    if len(written) not in (3, 4) or written.strip("01234567") or int(written, 8) > 0o777:
        raise refusal(f"{shown(value)} is no mode", _MODE_FIX)
    return int(written, 8)


CallersListen = Annotated[
    Address | SocketFile,
    PlainValidator(callers_place),
    PlainSerializer(str, return_type=str, when_used="json"),
]
Mode = Annotated[
    int, PlainValidator(mode), PlainSerializer(lambda one: f"{one:o}", return_type=str, when_used="json")
]
