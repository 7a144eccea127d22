"""How do settings come from one process to another, so that all work by the same, whatever becomes of the file?"""

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.settings.document import Written
from gateway.settings.model import Settings
from gateway.settings.problems import SettingsError
from gateway.settings.reading import found_in


def read(path: Path, environ: Mapping[str, str]) -> tuple[Settings, str]:
    """The settings of a file, and the text from which `settings_from` makes them again.

    The text holds every secret of theirs. Raises SettingsError with every problem.
    """
    settings, data, problems = found_in(path, environ)
    if settings is None:
        raise SettingsError(problems)
    return settings, json.dumps({"data": _packed(data), "home": environ.get("HOME")})


def settings_from(text: str) -> Settings:
    """The settings that were read in another process. Raises ValueError if it is no text of `read`'s."""
    try:
        handed = json.loads(text)
        return Settings.model_validate(_unpacked(handed["data"]), context={"home": handed["home"]})
    except (LookupError, TypeError, ValidationError):
        # What pydantic would say of them could hold a secret.
        raise ValueError("the settings that were handed on cannot be used") from None


def data_of(text: str) -> Any:
    """The plain data of such a text, every text in it as it was written."""
    return _unpacked(json.loads(text)["data"])


# Each value that JSON has no form of its own for is a list whose first item says what it is.


def _packed(value: Any) -> Any:
    if isinstance(value, Written):
        return ["text", str(value), str(value.folder), value.raw, value.secret]
    if isinstance(value, dict):
        return {key: _packed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return ["list", *map(_packed, value)]
    if isinstance(value, datetime.datetime):
        return ["moment", value.isoformat()]
    if isinstance(value, datetime.date):
        return ["day", value.isoformat()]
    return value


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unpacked(inner) for key, inner in value.items()}
    if not isinstance(value, list):
        return value
    match value:
        case ["text", text, folder, raw, secret]:
            return Written(text, Path(folder), raw=raw, secret=secret)
        case ["list", *items]:
            return [_unpacked(item) for item in items]
        case ["moment", text]:
            return datetime.datetime.fromisoformat(text)
        case ["day", text]:
            return datetime.date.fromisoformat(text)
    raise LookupError(value[:1])
