"""What does the gate keep in its state folder, and may it be kept there?"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from gateway.identity.errors import IdentityError

SIGNING_KEY = "signing-key.pem"
ISSUED = "tokens.jsonl"
REVOKED = "revoked.jsonl"
USED = "used"


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Where state is kept when no settings say it: `$XDG_STATE_HOME/labgate`, else `~/.local/state/labgate`.

    XDG Base Directory Specification: a path that is not absolute does not count.
    """
    told = Path(environ.get("XDG_STATE_HOME", ""))
    return (told if told.is_absolute() else Path("~/.local/state").expanduser()) / "labgate"


def prepare(folder: Path) -> None:
    """Makes the folder, for its owner alone, or checks that nobody else can write in it.

    Raises IdentityError when it cannot be used.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        mode = folder.stat().st_mode
    except OSError as error:
        raise IdentityError(f"the state folder {folder} cannot be made: {error.strerror}") from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise IdentityError(
            f"others can write in the state folder {folder}, and so make tokens: run `chmod 700 {folder}`"
        )


def read_private(path: Path) -> bytes:
    """The content of a file that nobody but its owner may read.

    Raises FileNotFoundError, and IdentityError when others may read it or it cannot be read.
    """
    try:
        # O_NONBLOCK: a pipe put in the file's place would keep us waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _check_private(path, os.fstat(descriptor).st_mode)
            with open(descriptor, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise IdentityError(f"{path} cannot be read: {error.strerror}") from error


def _check_private(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise IdentityError(f"{path} is no file")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise IdentityError(
            f"others have rights to {path} (mode {stat.S_IMODE(mode):04o}): run `chmod 600 {path}`, "
            "and make new tokens with a new key if somebody may have read it"
        )


def write_once(path: Path, content: bytes) -> None:
    """Makes a file that only its owner may read, whole, unless there is one already. Raises IdentityError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                # Like O_EXCL, but others see the file only when it is whole.
                os.link(temporary, path)
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise IdentityError(f"{path} cannot be written: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Makes sure that a new file in the folder is still there after a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
