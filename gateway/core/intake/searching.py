"""What does a search find whose words no header field can hold, so that its service could not be asked for what it found?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.core.intake.chains import Step


def is_sayable(step: Step) -> bool:
    """Whether the service's id for what a search finds, which is the query itself, can be sent as a header field."""
    _, words, named = step
    try:
        str([words, named]).encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def words_of(step: Step) -> list[str]:
    """The words that a search is for, in small letters; those that are no text find nothing."""
    _, said, named = step
    texts = [*said, *named.values()]
    return [word for text in texts if isinstance(text, str) for word in text.lower().split()]


def finds(words: Iterable[str], entry: dict[str, Any]) -> bool:
    """Whether one of the words is in what describes the entry."""
    told = str(list(entry.values())).lower()
    return any(word in told for word in words)
