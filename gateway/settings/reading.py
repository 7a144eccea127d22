"""What do a settings file and the environment say, and what is wrong with it?"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.settings.explain import explain
from gateway.settings.includes import gather
from gateway.settings.model import Settings
from gateway.settings.notices import notices
from gateway.settings.placeholders import clear_secrets, expand
from gateway.settings.problems import Problem, SettingsError, Where

Look = Callable[[Settings], Iterable[tuple[Where, str, str, bool]]]
"""Looks at what settings name outside of them: where it is named, what is wrong, the fix, whether it is a warning."""


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of a YAML file.

    `environ` fills `${env:…}`, and HOME stands for `~`. Nothing is fetched, connected to or changed.
    Raises SettingsError with every problem if there is an error among them.
    """
    settings, problems = examine(path, environ)
    if settings is None:
        raise SettingsError(problems)
    return settings


def examine(
    path: Path, environ: Mapping[str, str], look: Look | None = None
) -> tuple[Settings | None, tuple[Problem, ...]]:
    """The settings, None if there are errors, and all problems, warnings too, in the order of the file.

    `look` finds further ones.
    """
    settings, _, problems = found_in(path, environ, look)
    return settings, problems


def found_in(
    path: Path, environ: Mapping[str, str], look: Look | None = None
) -> tuple[Settings | None, Any, tuple[Problem, ...]]:
    """As `examine`; in the middle the plain data that the settings were made from, secrets and all."""
    document, problems = gather(path)
    if document.data is None:
        return None, None, _ordered(problems, document.file)
    problems.extend(clear_secrets(document))
    problems.extend(notices(document))
    missing, failed = expand(document, environ)
    problems.extend(missing)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(document.data, context={"home": environ.get("HOME")})
    except ValidationError as error:
        problems.extend(explain(error, document, Settings, failed))
    else:
        for where, text, fix, warning in () if look is None else look(settings):
            problems.append(document.problem(where, text, fix, warning=warning))
    if any(problem.level == "error" for problem in problems):
        settings = None
    return settings, document.data, _ordered(problems, document.file)


def _ordered(problems: Iterable[Problem], main: str) -> tuple[Problem, ...]:
    """The main file's problems last, where a terminal still shows them; each file's by line."""
    return tuple(sorted(problems, key=lambda found: (found.file == main, found.file, found.line or 0)))
