"""Where do secrets come in, and which ones were written in the clear?"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.settings.document import Document, Written
from gateway.settings.homes import NoPathError, meant
from gateway.settings.problems import Problem, Where, clip

MAX_SECRET_BYTES = 1 << 16

_MARK = re.compile(r"\$\$\{|\$\{(?:(?P<kind>env|file):(?P<name>[^{}]+)\})?")
_SECRET_KEY = re.compile(
    r"token|secret|passw|credential|authorization|cookie|licen[cs]e|signing_keys?$|(?:^|[-_.])(?:api)?key$",
    re.IGNORECASE,
)
_NO_SECRETS = frozenset(("drop_cookies", "secret_query"))  # they name where secrets stand
_SECRET_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|^[a-z][a-z0-9+.-]*://[^/?#@\s]*:[^/?#@\s]+@", re.IGNORECASE
)


class _MissingError(Exception):
    def __init__(self, text: str, fix: str) -> None:
        super().__init__(text)
        self.text, self.fix = text, fix


def expand(document: Document, environ: Mapping[str, str]) -> tuple[list[Problem], set[Where]]:
    """Puts the values of `${env:NAME}` and `${file:path}` in their places, once; `$${` stands for a literal `${`.

    Returns what could not be found, and where: there the text stays as written, and is not worth judging.
    """
    problems: list[Problem] = []
    failed: set[Where] = set()

    def fill(value: Any, where: Where) -> Any:
        if where == ("include",):  # was followed already, as it is written
            return value
        if isinstance(value, dict):
            return {key: fill(inner, (*where, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [fill(inner, (*where, index)) for index, inner in enumerate(value)]
        if not isinstance(value, Written) or "${" not in value:
            return value
        try:
            return _filled(value, environ)
        except _MissingError as error:
            problems.append(document.problem(where, error.text, error.fix))
            failed.add(where)
            return value

    document.data = fill(document.data, ())
    return problems, failed


def _filled(value: Written, environ: Mapping[str, str]) -> Written:
    secret = False

    def replace(match: re.Match[str]) -> str:
        nonlocal secret
        if match[0] == "$${":
            return "${"
        if match["kind"] is None:
            fix = "write ${env:NAME} or ${file:path}, or `$${` for a literal `${`"
            raise _MissingError("a `${` that begins no placeholder", fix)
        secret = True
        return (
            _variable(match["name"], environ)
            if match["kind"] == "env"
            else _content(match["name"], value.folder)
        )

    text = _MARK.sub(replace, value)
    return Written(text, value.folder, raw=str(value), secret=secret)


def _variable(name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name)
    if not value:
        state = "not set" if value is None else "empty"
        raise _MissingError(
            f"the environment variable {clip(name, 200)} is {state}",
            f"set {clip(name, 200)} where labgated starts",
        )
    return value


def files_named(written: Written) -> Iterator[Path]:
    """The files whose contents stand in this text, as it was written."""
    for match in _MARK.finditer(written.raw):
        if match["kind"] == "file":
            with suppress(NoPathError):
                yield meant(written.folder, match["name"])


def _content(name: str, folder: Path) -> str:
    shown = clip(name, 200)
    try:
        path = meant(folder, name)
    except NoPathError as error:
        raise _MissingError(
            f"the file {shown} cannot be read: its path {error}", "write the path out"
        ) from error
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _MissingError(
            f"the file {shown} cannot be read: {reason}", f"make {shown} readable for labgated"
        ) from error
    if len(raw) > MAX_SECRET_BYTES:
        raise _MissingError(
            f"the file {shown} is too large for a secret", "name the file that holds the secret alone"
        )
    try:
        text = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        # The error would carry the file's bytes.
        del error
        raise _MissingError(
            f"the file {shown} is no UTF-8 text", "name the file that holds the secret as text"
        ) from None
    if not text:
        raise _MissingError(f"the file {shown} is empty", f"write the secret into {shown}")
    return text


def clear_secrets(document: Document) -> Iterator[Problem]:
    """A warning for each value that looks like a secret and stands in the file itself; call before `expand`."""
    for where, value in _texts(document.data, ()):
        if looks_secret(where, value):
            fix = "put it into the environment or a file of its own, and write ${env:NAME} or ${file:path}"
            yield document.problem(where, "looks like a secret written in the clear", fix, warning=True)


def looks_secret(where: Where, value: str) -> bool:
    """Whether what is written there, and is no placeholder, is probably a secret."""
    key = next((step for step in reversed(where) if isinstance(step, str)), "")
    names_a_file = where[-2:] == ("tls", "key")
    names_one = _SECRET_KEY.search(key) and key not in _NO_SECRETS and not names_a_file
    return "${" not in value and bool(names_one or _SECRET_TEXT.search(value))


def _texts(value: Any, where: Where) -> Iterator[tuple[Where, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*where, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*where, index))
    elif isinstance(value, str):
        yield where, value
