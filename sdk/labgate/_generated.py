"""How is a file written that can be made again: whole or not at all, and never over one of somebody else?"""

from __future__ import annotations

import os

from labgate._places import Replacing, refuse_other_than_files
from labgate.errors import SetupError

_LARGEST = 64 * 1024 * 1024


def read_own(path: str, mark: str) -> str:
    """The text of a file that begins with the mark, "" without a file.

    Raises:
        SetupError: it was made by something else.
        OSError: no file can be there, or it cannot be read.
    """
    if os.path.exists(path):
        refuse_other_than_files(path)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_LARGEST)
    except FileNotFoundError:
        return ""
    if not text.startswith(mark):
        raise SetupError(
            f"{path} is there, and was not made by this command", hint="Name another place, or take it away."
        )
    return text


def write_whole(path: str, text: str) -> None:
    """Write a file at once.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    refuse_other_than_files(path)
    draft = f"{path}.{os.getpid()}.tmp"
    with Replacing(draft, path), open(draft, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def body_of(text: str) -> list[str]:
    """The lines without the two of the head, which say where the file is from: the same from elsewhere is the same."""
    return text.splitlines()[2:]
