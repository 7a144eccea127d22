"""What is said otherwise in one reading of the settings than in another, without any secret?"""

import json
from collections.abc import Iterator
from typing import Any, Final

from gateway.settings.document import Written
from gateway.settings.handing import data_of
from gateway.settings.placeholders import looks_secret
from gateway.settings.problems import Where, clip, spell

MOST: Final = 200
"""Differences that are told; whoever changes more reads the file."""
_LONG: Final = 120
_SECRET: Final = "**********"  # noqa: S105 - what stands for one
_NOTHING: Final = object()


def differences(before: str, after: str) -> tuple[str, ...]:
    """Each difference as a line: `+ services.jobs: url, mount`, `- limits.batch: 10`, `~ listen: a -> b`.

    Both are texts of `handing.read`'s. Values stand as they were written, with their placeholders; a secret never does, and
    one that has changed behind its placeholder is said to have.
    """
    found = list(_between(data_of(before), data_of(after), ()))
    if len(found) > MOST:
        found[MOST:] = [f"... and {len(found) - MOST} more"]
    return tuple(found)


def _between(before: Any, after: Any, where: Where) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in (*before, *(key for key in after if key not in before)):
            yield from _between(before.get(key, _NOTHING), after.get(key, _NOTHING), (*where, key))
    elif _rows(before) and _rows(after):
        for index in range(max(len(before), len(after))):
            was, now = (one[index] if index < len(one) else _NOTHING for one in (before, after))
            yield from _between(was, now, (*where, index))
    elif after is _NOTHING:
        yield f"- {_place(where)}: {_shown(before, where)}"
    elif before is _NOTHING:
        yield f"+ {_place(where)}: {_shown(after, where)}"
    elif before != after or _texts(before) != _texts(after):
        had, has = _shown(before, where), _shown(after, where)
        how = f"{had} -> {has}"
        if had == has:
            how = (
                "another one, which is not shown"
                if has == _SECRET
                else f"{has} (it stands for something else now)"
            )
        yield f"~ {_place(where)}: {how}"


def _rows(value: Any) -> bool:
    """Whether it is a list of mappings, like policies, each of which is looked into."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _place(where: Where) -> str:
    return spell(where)


def _texts(value: Any) -> Any:
    """The value with what was written and what it stands for, which are equal for most."""
    if isinstance(value, Written):
        return (str(value), value.raw)
    if isinstance(value, list):
        return [_texts(one) for one in value]
    if isinstance(value, dict):
        return {key: _texts(one) for key, one in value.items()}
    return value


def _shown(value: Any, where: Where) -> str:
    """A value as people wrote it; of a mapping its keys."""
    if isinstance(value, dict):
        return ", ".join(clip(str(key)) for key in value) or "{}"
    return clip(_flat(value, where), _LONG)


def _flat(value: Any, where: Where) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_flat(one, where) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flat(one, (*where, key))}' for key, one in value.items())}}}"
    text = value.raw if isinstance(value, Written) else str(value)
    if value is not None and (looks_secret(where, text) or (_sent(where) and "${" not in text)):
        return _SECRET
    return json.dumps(value) if isinstance(value, bool | int | float) or value is None else text


def _sent(where: Where) -> bool:
    """Whether it is a field that a service is sent: what it holds is nobody's business."""
    return len(where) > 1 and where[-2] == "headers"
