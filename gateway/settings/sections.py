"""What do all sections of the settings have in common, and which keys does the schema know?"""

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A mapping of the settings file: frozen, without unknown keys; an empty value is the default."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = keys(cls)
        return {key: value for key, value in data.items() if value is not None or key not in known}


def keys(section: type[BaseModel]) -> dict[str, Any]:
    """The keys of a section as written in the file, with the annotations of their values."""
    return {field.alias or name: field.annotation for name, field in section.model_fields.items()}


def inner(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The section within an annotation, and whether it stands behind a key of the operator's choice."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    arguments = get_args(annotation)
    if get_origin(annotation) is Mapping:
        return inner(arguments[1])[0], True
    for argument in arguments:
        found, named = inner(argument)
        if found:
            return found, named
    return None, False


def key_paths(section: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key of the schema with the keys above it; `*` stands for names that the operator chooses."""
    for key, annotation in keys(section).items():
        yield (*above, key)
        found, named = inner(annotation)
        if found:
            yield from key_paths(found, (*above, key, "*") if named else (*above, key))


def section_at(root: type[BaseModel], where: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The section whose keys stand directly below `where`, or None."""
    section: type[BaseModel] | None = root
    free = False
    for step in where:
        if isinstance(step, int):
            continue
        if free:
            free = False
            continue
        if section is None:
            return None
        section, free = inner(keys(section).get(step))
    return None if free else section
