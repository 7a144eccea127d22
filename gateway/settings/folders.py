"""May labgate have this folder for its own?"""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo

from gateway.settings.values import path, refusal, shown

_OWN = ("entries", "usage", "sweeper", "catalogs")
"""What only labgate makes: the disk tier in its folder, and the SDK beside it where that is `~/.cache/labgate`."""
_UNFINISHED = "tmp"
_EMPTY = frozenset(("lost+found", _UNFINISHED))
"""What may be in a folder that nobody else uses: what a new file system has in it, and what the tier may begin with."""
_FIX = "name a folder of labgate's own, for example /var/lib/labgate"


def folder(value: Any, info: ValidationInfo) -> Path:
    """The path of a folder, which need not be there; what is in it is not looked at."""
    found = path(value, info)
    if os.path.realpath(found) == os.sep:
        raise refusal(f"{shown(value)} is the root of the file system, which is everybody's", _FIX)
    if any(map(_is_other, (found, *found.parents))):
        raise refusal(f"{shown(value)} is no folder, or lies below what is none", _FIX)
    return found


def cache_folder(value: Any, info: ValidationInfo) -> Path:
    """The same, for entries: a folder that is in use already is theirs."""
    found = folder(value, info)
    try:
        if any((found / name).exists() for name in _OWN):
            return found
        with os.scandir(found) as within:
            in_use = any(one.name not in _EMPTY for one in within)
    except OSError:  # it is not there yet, or not for this user to see
        return found
    if in_use:
        text = f"{shown(value)} holds other files, and entries need a folder of their own"
        raise refusal(text, f"{_FIX}/cache")
    return found


def _is_other(place: Path) -> bool:
    try:
        return place.exists() and not place.is_dir()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False


Folder = Annotated[Path, PlainValidator(folder)]
CacheFolder = Annotated[Path, PlainValidator(cache_folder)]
