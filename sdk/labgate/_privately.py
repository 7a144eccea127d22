"""How are this user's small files read without trusting what others wrote, and written so that nobody sees half of one?"""

# os.path instead of pathlib: pathlib alone would cost half of the time that a connect from the cache takes.

from __future__ import annotations

import json
import os
import stat

from labgate._places import Replacing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Unfit(Exception):
    """A file is there and cannot be used; the text says why, and nothing of what is in it."""


def read_text(path: str, most: int) -> tuple[str, int]:
    """The text of a regular file and its mode bits.

    Raises:
        FileNotFoundError: there is none.
        Unfit: it is no regular file, too large, no text, or cannot be read.
    """
    # Without O_NONBLOCK a pipe of this name would hold the program until somebody writes to it.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(path, flags)
        with open(handle, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise Unfit("it is no regular file")
            data = file.read(most + 1)
    except NotADirectoryError as error:
        raise FileNotFoundError(path) from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unfit(f"it cannot be read: {type(error).__name__}") from error
    if len(data) > most:
        raise Unfit(f"it has more than {most} bytes")
    try:
        return data.decode("utf-8"), stat.S_IMODE(found.st_mode)
    except UnicodeDecodeError as error:
        raise Unfit("it is no text in UTF-8") from error


def read_object(path: str, most: int) -> tuple[dict[str, Any], int]:
    """The JSON object of a file and the file's mode bits; raises as `read_text` does."""
    text, mode = read_text(path, most)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unfit("it is no JSON") from error
    if not isinstance(found, dict):
        raise Unfit("it is no JSON object")
    return found, mode


def refuse_writers(path: str, mode: int) -> None:
    """A file that others than its owner may write says what they want it to.

    Raises:
        Unfit: it is one, by its mode bits.
    """
    if os.name == "posix" and mode & 0o022:
        raise Unfit(f"others may write it (mode {mode:04o}); run: chmod 600 {path}")


def text_member(found: dict[str, Any], name: str) -> str | None:
    """A member of an object that is a text, None without one.

    Raises:
        Unfit: it is something else.
    """
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise Unfit(f"its {name!r} is no text")
    return value


def write_text(path: str, text: str) -> None:
    """Write a file of mode 0600 in a folder of mode 0700; readers see the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    draft = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with Replacing(draft, path), open(handle, "wb") as file:
        file.write(text.encode("utf-8"))
