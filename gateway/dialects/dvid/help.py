"""Which calls does a DVID name in its own help? `/api/help`, and `/api/help/TYPE` for each type that it was built with."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from gateway.core.method import IN_PATH, HttpBinding, Param
from gateway.core.service import Described
from gateway.dialects.dvid.methods import bound
from gateway.dialects.texts import MAX_TEXT, text, unique

SPACE: Final = "api"
"""The namespace of methods that only the help names."""

_CALL = re.compile(
    r"^[ \t]*((?:GET|POST|PUT|DELETE|DEL|HEAD)(?:[ \t,|]+(?:GET|POST|PUT|DELETE|DEL|HEAD))*)[ \t]+(?:<api URL>|/api)(/\S.*)$",
    re.MULTILINE,
)
_OPTION = re.compile(r"^[ \t]{2,}([a-z][a-z0-9_]{0,30})[ \t]{2,}(\S.*)$", re.MULTILINE)
_SLOT = re.compile(r"<([^<>{}\n]{1,60})>|\{([^<>{}\n]{1,60})\}")
_PATH = re.compile(r"(?:<[^<>\n]{1,60}>|[^\s<>\[?])+")
_PLAIN_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))(?:[A-Za-z0-9._~,:*+-]|\{\w+\})+)+/?", re.ASCII)
_TAG = re.compile(
    r"</?(?:html|head|body|pre|p|br|h[1-6]|ul|li|a|b|code|title|div|span|link|meta|script|style)\b[^<>]*>",
    re.IGNORECASE,
)
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_NAMED: Final[Mapping[str, str]] = {"uuid": "node", "data name": "instance", "dataname": "instance"}
_MOST: Final = 500
_LONGEST: Final = 1 << 20
_READS: Final = frozenset(("query", "ptquery"))
"""What is asked by POST and changes nothing."""


def plain_text(page: bytes) -> str:
    """The text of a page of help, which may be HTML; of a page longer than any of DVID's, the beginning."""
    said = page[:_LONGEST].decode("utf-8", "replace")
    if "&lt;" in said or "<pre" in said.lower() or "<html" in said.lower():
        said = html.unescape(_TAG.sub("", said))
    return said


class Calls:
    """The calls that pages of help name, each once: data of several types have calls in common.

    They are methods of a namespace of their own, `api`, but for those that have a name already.
    """

    def __init__(self, known: Iterable[Described]) -> None:
        """`known` are the methods that there are."""
        known = tuple(known)
        self._taken = {one.name for one in known}
        self._known = {_request(one.binding) for one in known if isinstance(one.binding, HttpBinding)}
        self._found: dict[tuple[str, str], tuple[Described, list[str]]] = {}

    def add(self, page: str, kind: str) -> None:
        """Take those of a page about data of one type, or (empty) about all."""
        for one in calls(page, SPACE, self._taken):
            made = _request(one.binding) if isinstance(one.binding, HttpBinding) else ("", "")
            if made in self._known or made in self._found:
                self._taken.discard(one.name)
                if made in self._found and kind:
                    self._found[made][1].append(kind)
                continue
            self._found[made] = one, [kind] if kind else []

    def methods(self) -> list[Described]:
        """What was found, with the types that each is for."""
        return [
            replace(
                one, description=f"{one.description}\n\nFor data of the types {', '.join(kinds)}.".strip()
            )
            if kinds
            else one
            for one, kinds in self._found.values()
        ]


def _request(binding: HttpBinding) -> tuple[str, str]:
    """What tells two calls apart: the verb, and the path without the names of what is put there."""
    return binding.verb, IN_PATH.sub("{}", binding.path)


def calls(page: str, space: str, taken: set[str]) -> Iterator[Described]:
    """Every call that a page of help names, as methods of a namespace of its own; `taken` are names that there are."""
    found = list(_CALL.finditer(page))
    # Examples are indented, unless everything is.
    found = [match for match in found if match[0][0] not in " \t"] or found
    for at, match in enumerate(found[:_MOST]):
        end = found[at + 1].start() if at + 1 < len(found) else len(page)
        meaning = page[match.end() : end]
        for verb in dict.fromkeys(re.split(r"[ \t,|]+", match[1])):
            if verb != "HEAD" and (path := _PATH.match(match[2])):
                made = _method("DELETE" if verb == "DEL" else verb, path[0], meaning, space, taken)
                if made is not None:
                    yield made


def _method(verb: str, path: str, meaning: str, space: str, taken: set[str]) -> Described | None:
    """One call; None where its path cannot be read."""
    params: list[Param] = []
    names: set[str] = set()

    def slot(match: re.Match[str]) -> str:
        spelled = (match[1] or match[2]).strip().lower()
        word = _NAMED.get(spelled) or _word(spelled)
        name = unique(f"value_{word}" if word[0].isdigit() else word, names)
        params.append(Param(name, True, {"type": "string"}, ""))
        return f"{{{name}}}"

    bound_to = "/api" + _SLOT.sub(slot, path)
    if _PLAIN_PATH.fullmatch(bound_to) is None:
        return None
    words = [_word(step) for step in bound_to.split("/")[2:] if step and "{" not in step and step != "node"]
    options = []
    for option in _OPTION.finditer(meaning):
        if option[1] not in names and "options" in meaning.lower():
            names.add(option[1])
            options.append(Param(option[1], False, {}, text(option[2], 300)))
    body: tuple[Param, ...] = ()
    if verb in ("POST", "PUT"):
        body = (Param(unique("body", names), False, {}, "What is sent."),)
    described = " ".join(meaning.lstrip().split("\n\n", maxsplit=1)[0].split())
    return bound(
        unique(f"{space}.{verb.lower()}_{'_'.join(filter(None, words)) or space}", taken),
        text(described, 300),
        verb,
        bound_to,
        (*params, *body, *options),
        body[0].name if body else None,
        tuple(option.name for option in options),
        safe=verb == "GET" or any(step in _READS for step in bound_to.split("/")),
        description=text(meaning, MAX_TEXT),
    )


def _word(said: str) -> str:
    return _NOT_A_WORD.sub("_", said.lower()).strip("_") or "value"
