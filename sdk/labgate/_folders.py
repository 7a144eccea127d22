"""Where do this user's settings and caches live on this system?"""

# os.path instead of pathlib: pathlib alone would cost half of the time that a connect from the cache takes.

from __future__ import annotations

import os
import sys


def config_folder() -> str:
    """The folder of settings and tokens: `XDG_CONFIG_HOME/labgate` or this system's counterpart."""
    if sys.platform == "win32":
        return os.path.join(_from_environment("APPDATA", "~/AppData/Roaming"), "labgate")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Application Support/labgate")
    return os.path.join(_from_environment("XDG_CONFIG_HOME", "~/.config"), "labgate")


def cache_folder() -> str:
    """The folder of what can be fetched again: `XDG_CACHE_HOME/labgate` or this system's counterpart."""
    if sys.platform == "win32":
        return os.path.join(_from_environment("LOCALAPPDATA", "~/AppData/Local"), "labgate", "Cache")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Caches/labgate")
    return os.path.join(_from_environment("XDG_CACHE_HOME", "~/.cache"), "labgate")


def _from_environment(name: str, otherwise: str) -> str:
    # The XDG specification: a relative path is to be ignored.
    path = os.environ.get(name, "")
    return path if os.path.isabs(path) else os.path.expanduser(otherwise)
