"""What do a settings file and the files it includes say together?"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway import resources
from gateway.settings.document import Document, Written, read
from gateway.settings.homes import NoPathError, meant
from gateway.settings.problems import Problem, Where, clip

MAX_FILES = 100

_PACK = "pack:"
_NAME_A_FILE = "name a file relative to this one, or a pack as pack:NAME"


@dataclass(slots=True)
class _Gathering:
    """The files read so far, and what was found wrong."""

    problems: list[Problem] = field(default_factory=list)
    packs: list[Document] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


class _RefusedError(Exception):
    def __init__(self, text: str, fix: str) -> None:
        super().__init__(text)
        self.text, self.fix = text, fix


def gather(path: Path, files: list[Path] | None = None) -> tuple[Document, list[Problem]]:
    """Reads a settings file and what it includes.

    A file lies above what it includes, of several included ones the later lies above, and packs lie below all files.
    What lies above replaces lists and values, and is merged into mappings key by key; there its keys come last.
    Data of None means that the file itself could not be read. `files` is filled with the paths of all that were looked for.
    """
    gathering = _Gathering(files=[] if files is None else files)
    written = _read(path, (), gathering)
    if not isinstance(written.data, dict):
        return written, gathering.problems
    own = written.data.get("services")
    names = set(own) if isinstance(own, dict) else set()
    result = Document(written.file, {})
    for pack in gathering.packs:
        gathering.problems.extend(_unused(pack, names))
        result = _over(result, pack)
    return _over(result, written), gathering.problems


def _read(path: Path, above: tuple[Path, ...], gathering: _Gathering) -> Document:
    gathering.files.append(path)
    document, problems = read(path)
    gathering.problems.extend(problems)
    if document.data is None:
        return document
    if not isinstance(document.data, dict):
        fix = "begin with a key, like `services:`"
        gathering.problems.append(document.problem((), "the file is no mapping of settings", fix))
        document.data = None
        return document
    below = Document(str(path), {})
    for where, entry in _entries(document):
        try:
            target = _target(entry, (*above, path.resolve()), gathering)
        except _RefusedError as error:
            if "\0" in entry:
                continue  # the schema complains
            gathering.problems.append(document.problem(where, error.text, error.fix))
            continue
        included = _read(target, (*above, path.resolve()), gathering)
        if included.data is None:
            continue
        included.data.pop("include", None)
        if entry.startswith(_PACK):
            gathering.packs.append(included)
        else:
            below = _over(below, included)
    return _over(below, document)


def _entries(document: Document) -> Iterator[tuple[Where, Written]]:
    """The entries of `include` that are text; the schema complains about others."""
    entries = document.data.get("include")
    if isinstance(entries, Written):
        yield ("include",), entries
    elif isinstance(entries, list):
        for index, entry in enumerate(entries):
            if isinstance(entry, Written):
                yield ("include", index), entry


def _target(entry: Written, above: tuple[Path, ...], gathering: _Gathering) -> Path:
    """The file that an entry means; raises _RefusedError."""
    shown = clip(entry)
    if len(gathering.files) >= MAX_FILES:
        raise _RefusedError(f"more than {MAX_FILES} files", "include fewer")
    if "${" in entry:
        raise _RefusedError("placeholders are not followed here", "write the path itself")
    target = _pack(entry.removeprefix(_PACK)) if entry.startswith(_PACK) else _file(entry, shown)
    try:
        again, there = target.resolve() in above, target.is_file()
    except OSError:  # a name longer than any file's
        raise _RefusedError(f"no file `{shown}`", _NAME_A_FILE) from None
    if again:
        raise _RefusedError(f"`{shown}` includes itself", "remove one of the two entries")
    if not there:
        gathering.files.append(target)
        raise _RefusedError(f"no file `{shown}`", _NAME_A_FILE)
    return target


def _file(entry: Written, shown: str) -> Path:
    try:
        return meant(entry.folder, entry)
    except NoPathError as error:
        raise _RefusedError(f"`{shown}` {error}", _NAME_A_FILE) from error


def _pack(name: str) -> Path:
    try:
        return resources.pack(name)
    except resources.UnknownPackError as error:
        fix = "include one of: " + ", ".join(f"{_PACK}{known}" for known in error.known)
        raise _RefusedError(str(error), fix) from error


def _unused(pack: Document, names: set[str]) -> Iterator[Problem]:
    """Takes out of a pack the services that the files do not have, with a warning if they have none of them."""
    services = pack.data.get("services")
    found = list(services) if isinstance(services, dict) else []
    missing = [name for name in found if name not in names]
    for name in missing:
        if name == found[0] and missing == found:
            fix = f"call your service `{name}`, or copy the pack's rules under the name you use"
            text = f"the pack has rules for a service `{name}`, which your files do not have"
            yield pack.problem(("services", name), text, fix, warning=True)
        del services[name]


def _over(below: Document, above: Document) -> Document:
    return Document(above.file, _merged(below.data, above.data), below.spots | above.spots)


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    rest = {key: value for key, value in below.items() if key not in above}
    return rest | {key: _merged(below[key], value) if key in below else value for key, value in above.items()}
