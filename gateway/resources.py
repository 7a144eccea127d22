"""Where are the data files that come with the gate?"""

import re
from pathlib import Path

_PACKAGE = Path(__file__).parent
_REPOSITORY = _PACKAGE.parent / "config"
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


class UnknownPackError(LookupError):
    """There is no rule pack of that name; `known` are the names there are."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no rule pack `{name[:60]}`")
        self.known = known


def demo_config(name: str = "demo") -> Path:
    """The settings of `labgated demo`; `demo-systems` has all of them, `demo` those that need no more than themselves."""
    return _first(_PACKAGE / "demo" / f"{name}.yaml", _REPOSITORY / f"{name}.yaml")


def pack_names() -> tuple[str, ...]:
    """The names of the rule packs, sorted."""
    return tuple(sorted(path.stem for path in _packs().glob("*.yaml")))


def pack(name: str) -> Path:
    """The file of a rule pack; raises UnknownPackError."""
    path = _packs() / f"{name}.yaml"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise UnknownPackError(name, pack_names())
    return path


def _packs() -> Path:
    return _first(_PACKAGE / "packs", _REPOSITORY / "packs")


def _first(installed: Path, checked_out: Path) -> Path:
    """The wheel carries the data inside the package; a checkout keeps it under config/."""
    return installed if installed.exists() else checked_out
