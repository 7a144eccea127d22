"""Is the page about the settings what the schema and the annotated file say?

`python -m tests.reference.test_configuration_page` writes the page's middle anew.
"""

import ast

import pytest
from pydantic import BaseModel

from gateway.settings import Settings
from gateway.settings.sections import key_paths, keys
from tests.reference import annotated
from tests.reference.meanings import MEANINGS
from tests.reference.schema_words import WORDS, Key, annotations
from tests.reference.written import Written, sentence, table

PAGE = Written("configuration.md", "settings")
SAID = annotated.read()


def sections() -> dict[type[BaseModel], list[str]]:
    """Every section by where it stands, the first place first; `NAME` is a name that the operator chooses."""
    found: dict[type[BaseModel], list[str]] = {}

    def enter(section: type[BaseModel], path: str) -> None:
        found.setdefault(section, []).append(path)
        if len(found[section]) == 1:
            for key in (Key(section, name) for name in keys(section)):
                if key.inner:
                    enter(key.inner, f"{path}.{key.key}".lstrip(".") + (".NAME" if key.named else ""))

    enter(Settings, "")
    return found


def names(section: type[BaseModel]) -> tuple[str, str]:
    """What MEANINGS may call it: two sections have one name."""
    return section.__name__, f"{section.__module__.rpartition('.')[2]}.{section.__name__}"


def meaning(key: Key) -> str:
    """What the key means; empty where nothing says so."""
    for name in names(key.section):
        if key.key in MEANINGS.get(name, {}):
            return MEANINGS[name][key.key]
    said = SAID.get((key.section, key.key))
    return sentence(said.meaning) if said else ""


def rendered() -> str:
    """The part of the page that follows from the schema."""
    places = sections()
    return "\n\n".join(_section(section, paths, places) for section, paths in places.items())


def _section(section: type[BaseModel], paths: list[str], places: dict[type[BaseModel], list[str]]) -> str:
    title = f"`{paths[0]}`" if paths[0] else "The file"
    also = "".join(f", `{path}`" for path in paths[1:])
    lines = [f"## {title}", ""] + ([f"Also: {also[2:]}.", ""] if also else [])
    rows = [_row(key, places) for key in (Key(section, name) for name in keys(section))]
    return "\n".join([*lines, table(("key", "value", "meaning"), rows)])


def _row(key: Key, places: dict[type[BaseModel], list[str]]) -> tuple[str, ...]:
    name = f"`{key.key}`"
    if key.inner:
        name = f"[{name}](#{_anchor(places[key.inner][0])})"
    default = key.default()
    value = f"{key.kind()}{'; ' if default else ''}{default if default in ('', 'required') else f'default {default}'}"
    said = SAID.get((key.section, key.key))
    told = said is not None and said.example not in ("", "true", "false", default.strip("`"))
    return name, value, meaning(key) + (f"; for example `{said.example}`" if said and told else "")


def _anchor(path: str) -> str:
    return path.lower().replace(".", "")


def every_key() -> list[Key]:
    """All keys, each once."""
    return [Key(section, name) for section in sections() for name in keys(section)]


def test_the_page_has_every_key_as_the_schema_has_it() -> None:
    assert PAGE.middle() == PAGE.expected(rendered()), (
        "write it anew: python -m tests.reference.test_configuration_page"
    )
    paths = {path[-1] for path in key_paths(Settings)}
    assert {key.key for key in every_key()} == paths


@pytest.mark.parametrize("key", every_key(), ids=lambda key: f"{key.section.__name__}.{key.key}")
def test_every_key_has_a_meaning_of_its_own(key: Key) -> None:
    assert len(meaning(key)) > 7, "write a comment beside it in config/lab.yaml, or an entry of MEANINGS"


def test_no_meaning_is_of_a_key_that_is_gone() -> None:
    known = {name: set(keys(section)) for section in sections() for name in names(section)}
    assert not [
        (name, key) for name, found in MEANINGS.items() for key in found if key not in known.get(name, ())
    ]


def test_no_word_is_of_an_alias_that_is_gone() -> None:
    used = {word for section in sections() for node in annotations(section).values() for word in _names(node)}
    assert set(WORDS) <= used


def _names(node: ast.expr) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


if __name__ == "__main__":
    PAGE.write(rendered())
