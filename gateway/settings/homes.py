"""Which file does a path mean that stands in the settings?"""

from pathlib import Path


class NoPathError(Exception):
    """It can be no path; the text says why."""


def meant(folder: Path, written: str) -> Path:
    """The path: `~` and `~name` are homes, a relative one starts from `folder`. Raises `NoPathError`."""
    if "\0" in written:
        raise NoPathError("holds a character that no path can hold")
    try:
        return folder / Path(written).expanduser()
    except RuntimeError:  # neither HOME nor the system's list of users says it, as in containers of any user
        raise NoPathError("begins with a home folder that is not known here") from None
