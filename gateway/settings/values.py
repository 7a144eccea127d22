"""What do the words and numbers of a settings file mean: texts, sizes, durations, yes and no?"""

import math
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from gateway.settings.document import Written
from gateway.settings.homes import NoPathError, meant
from gateway.settings.problems import Where, clip

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d{1,10}(?:\.\d{1,9})?(?:ms|min|s|m|h|d|w)){1,6}", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|min|[smhdw])", re.ASCII)
_UNIT_BYTES: dict[str, int] = {
    "B": 1,
    **{f"{letter}iB": 1 << 10 * power for power, letter in enumerate("KMGT", 1)},
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", 1)},
}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]+)", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_LONGEST_SECONDS = 1e10


def refusal(text: str, fix: str, at: Where = ()) -> PydanticCustomError:
    """A finding for pydantic to carry to `explain`; `at` leads from the value that is judged to the part meant."""
    return PydanticCustomError("setting", "{text}", {"text": text, "fix": fix, "at": at})


def kind(value: Any) -> str:
    """What YAML made of a value, in the words of someone who writes YAML."""
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number"),
        (str, "text"),
        (date, "a date"),
        (dict, "a mapping"),
        ((list, tuple), "a list"),
        (type(None), "nothing"),
    )
    return next((name for types, name in names if isinstance(value, types)), "something else")


def shown(value: Any) -> str:
    """A value as it may stand in a finding: as written, never what a placeholder stood for."""
    if isinstance(value, str):
        return f"`{clip(value.raw if isinstance(value, Written) else value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int) and value.bit_length() > 128:  # Python refuses to write out very long ones
        return kind(value)
    return f"{kind(value)} (`{value}`)" if isinstance(value, int | float | date) else kind(value)


def text(value: Any) -> str:
    """Text that is not empty and holds no control character."""
    if not isinstance(value, str):
        raise refusal(f"expected text, found {kind(value)}", "put quotes around the value")
    if not value.strip():
        raise refusal("expected text, found none", "write a value, or remove the key")
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in value):
        raise refusal("holds a line break or another control character", "write it on one line, without tabs")
    # What came in by a placeholder keeps the repr that hides it.
    return value if isinstance(value, Written) and value.secret else str(value)


def secret(value: Any) -> SecretStr:
    """Text whose repr hides it; `get_secret_value()` gives it out."""
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str) or not value:
        raise refusal(
            f"expected text, found {kind(value) if value != '' else 'none'}", "put quotes around the value"
        )
    return SecretStr(str(value))


def flag(value: Any) -> bool:
    """True or false."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise refusal(f"expected true or false, found {shown(value)}", "write true or false")


def seconds(value: Any) -> float:
    """A duration in seconds: a number, or `500ms`, `30s`, `10m` or `10min`, `24h`, `30d`, `2w`, `1h30m`."""
    found: Any = value
    if isinstance(value, str) and _DURATION.fullmatch(value):
        found = math.fsum(
            float(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION_PART.findall(value)
        )
    elif isinstance(value, str) and _NUMBER.fullmatch(value):
        found = float(value)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= _LONGEST_SECONDS:
        fix = "write a number of seconds, or a duration like 500ms, 30s, 10m, 24h, 30d"
        raise refusal(f"expected a duration, found {shown(value)}", fix)
    return float(found)


def timeout(value: Any) -> float:
    """A duration, and more than none."""
    if not (found := seconds(value)):
        raise refusal("must be more than 0", "write a duration like 30s")
    return found


def size(value: Any) -> int:
    """A number of bytes: a whole number, or `64KiB`, `256MiB`, `1GiB`, `10TiB`, `500MB`."""
    fix = "write a number of bytes, or a size like 64KiB, 256MiB, 1GiB"
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        factor = _UNIT_BYTES.get(match[2])
        if factor is None:
            raise refusal(f"`{clip(match[2])}` is no unit of size", fix)
        return round(float(match[1]) * factor)
    number = _whole(value)
    if number is None or number < 0:
        raise refusal(f"expected a size, found {shown(value)}", fix)
    return number


def count(value: Any) -> int:
    """A whole number from 1 on."""
    number = _whole(value)
    if number is None or number < 1:
        raise refusal(f"expected a whole number from 1 on, found {shown(value)}", "write a number like 64")
    return number


def part(value: Any) -> float:
    """A part of a whole, from 0 to 1: a number, or `20%`."""
    found: Any = value
    if isinstance(value, str):
        written = value.removesuffix("%")
        if _NUMBER.fullmatch(written):
            found = float(written) / (100 if written != value else 1)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1:
        raise refusal(f"expected a part from 0 to 1, found {shown(value)}", "write a part like 20%, or 0.2")
    return float(found)


def _whole(value: Any) -> int | None:
    """A whole number, also one that came in as text by a placeholder."""
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def several(value: Any) -> Any:
    """One item where a list is expected is a list of one."""
    return [value] if isinstance(value, str) else value


def word(value: Any) -> Any:
    """A word of a fixed list, as pydantic's Literal wants it; YAML reads a bare `off` as false."""
    if value is False:
        return "off"
    return str(value) if isinstance(value, str) else value


def path(value: Any, info: ValidationInfo) -> Path:
    """A path; a relative one starts from the folder of the file it stands in, `~` from HOME."""
    if isinstance(value, Path):
        return value
    written = text(value)
    if written == "~" or written.startswith("~/"):
        home = (info.context or {}).get("home")
        try:
            return Path(home, written[2:]) if home else meant(Path(), written)
        except NoPathError as error:
            raise refusal(str(error), "set HOME where labgated starts, or write the path out") from error
    return value.folder / written if isinstance(value, Written) else Path(written)


def each(check: Callable[[str], str | None], fix: str) -> PlainValidator:
    """Text that `check` has nothing against; what it returns is the finding."""

    def judge(value: Any) -> str:
        written = text(value)
        if found := check(written):
            raise refusal(f"{shown(value)} {found}", fix)
        return written

    return PlainValidator(judge)


def _hide(value: Any) -> Any:
    return "**********" if isinstance(value, Written) and value.secret else value


HIDDEN = PlainSerializer(_hide, when_used="json")

Text = Annotated[str, PlainValidator(text), HIDDEN]
Texts = Annotated[tuple[Text, ...], BeforeValidator(several)]
Secret = Annotated[SecretStr, PlainValidator(secret), PlainSerializer(str, return_type=str, when_used="json")]
Flag = Annotated[bool, PlainValidator(flag)]
Seconds = Annotated[float, PlainValidator(seconds)]
Timeout = Annotated[float, PlainValidator(timeout)]
Size = Annotated[int, PlainValidator(size)]
Count = Annotated[int, PlainValidator(count)]
FilePath = Annotated[Path, PlainValidator(path)]
Word = BeforeValidator(word)
