"""About which call does somebody ask what would happen to it?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson
from msgspec import Struct

from gateway.core.describe import BUILTIN
from gateway.core.faults import InvalidParams
from gateway.core.introducing import with_rights
from gateway.core.naming import alike, shown
from gateway.core.principal import ANONYMOUS, Principal
from gateway.core.scanner import MalformedJson, check, decoded, items, members, opener

EXPLAIN: Final = "rpc.explain"
"""The gate's own method that explains a call of the caller's."""

OWN: Final = ("method", "params", "datastack")
"""What everybody may say, in the order in which it is taken by position."""

ANY: Final = (*OWN, "arguments", "verb", "path", "fields", "as")
"""What operators may say beside it."""

_EXAMPLE: Final = '{"method": "service.method", "params": {…}}'
_OF_A_PATH: Final = ("verb", "path", "fields")
_OF_A_CALL: Final = ("method", "params", "datastack", "arguments")
_WHO: Final = ("subject", "groups", "scopes", "issuer")
_VERB: Final = "GET"


class Question(Struct, frozen=True):
    """A call (`method`, `params` as they were written, `datastack`), or a request through a mount (`verb`, `path`, `fields`).

    `arguments` are texts by name, as a plain URL has them. `who` is the principal who would call, None = who asks.
    """

    method: str | None = None
    params: bytes | None = None
    datastack: str | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    verb: str = _VERB
    path: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    who: Mapping[str, Any] | str | None = None

    def principal(self, asker: Principal) -> Principal:
        """Who would call. A token's own id and end are no part of the question."""
        if self.who is None:
            return asker
        if isinstance(self.who, str):
            return ANONYMOUS
        made = Principal(
            subject=self.who.get("subject", "somebody"),
            issuer=self.who.get("issuer", asker.issuer),
            groups=tuple(self.who.get("groups", ())),
            scopes=tuple(self.who.get("scopes", ())),
        )
        # Keys hold what callers may do where some service sees it, and then they hold it for everybody.
        return with_rights(made) if asker.rights else made


def question_of(raw: bytes | None, known: Collection[str] = OWN) -> Question:
    """The question that stands in params or a body; `known` is what may be said. Raises `InvalidParams`."""
    spans = _spans(raw, known)
    said = {name: _value(name, span) for name, span in spans.items() if name != "params"}
    _check(said, spans)
    if "path" not in said and "method" not in said:
        raise InvalidParams(f"Say which call is meant: {_EXAMPLE}.")
    return Question(
        method=said.get("method"),
        params=_params(spans.get("params")),
        datastack=said.get("datastack"),
        arguments=tuple((said.get("arguments") or {}).items()),
        verb=said.get("verb") or _VERB,
        path=said.get("path"),
        fields=tuple((said.get("fields") or {}).items()),
        who=said.get("as"),
    )


def _spans(raw: bytes | None, known: Collection[str]) -> dict[str, bytes]:
    """What is said, as it was written, by name."""
    kind = b"" if raw is None else opener(raw)
    if raw is None or kind not in (b"{", b"["):
        raise InvalidParams(f"Say which call is meant: {_EXAMPLE}.")
    try:
        check(raw)
        if kind == b"[":
            found = list(zip(OWN, (raw[start:end] for start, end in items(raw)), strict=False))
            if len(found) < sum(1 for _ in items(raw)):
                raise InvalidParams(f"By position there are {', '.join(OWN)}, and nothing more.")
        else:
            found = [(decoded(one.name), raw[one.start : one.end]) for one in members(raw)]
    except MalformedJson as error:
        raise InvalidParams(f"The question is no JSON: {error}.") from error
    names = [name for name, _ in found]
    for at, name in enumerate(names):
        if name not in known:
            near = alike(name, sorted(known))
            advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise InvalidParams(f"{shown(name)} is nothing that can be said of a call: {advice}")
        if name in names[:at]:
            raise InvalidParams(f"{name} is said twice.")
    return dict(found)


def _value(name: str, span: bytes) -> Any:
    try:
        return orjson.loads(span)
    except ValueError as error:
        raise InvalidParams(f"{name} cannot be read: {error}.") from error


def _params(span: bytes | None) -> bytes | None:
    if span is None or span.strip() == b"null":
        return None
    if opener(span) not in (b"{", b"["):
        raise InvalidParams(f"params is an object or an array, as the call has it, not {_quoted(span)}.")
    return span


def _check(said: Mapping[str, Any], spans: Mapping[str, bytes]) -> None:
    """Refuse what is of the wrong kind, and what contradicts itself."""
    for name in ("method", "datastack", "verb", "path"):
        value = said.get(name)
        if value is not None and not (isinstance(value, str) and value):
            raise InvalidParams(f"{name} is a text, not {_quoted(spans[name])}.")
    for name in ("arguments", "fields"):
        value = said.get(name)
        if value is not None and not (
            isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
        ):
            raise InvalidParams(f"{name} is an object of texts, not {_quoted(spans[name])}.")
    if said.get("path") is not None and (both := [name for name in _OF_A_CALL if name in spans]):
        raise InvalidParams(f"Say a path or a method: {both[0]} is of a call, and path of a request.")
    if said.get("path") is None and (alone := [name for name in _OF_A_PATH if name in spans]):
        raise InvalidParams(f"{alone[0]} is of a request through a mount: say its path, too.")
    if said.get("arguments") and "params" in spans:
        raise InvalidParams("Say params, or arguments as a plain URL has them, not both.")
    _check_method(said.get("method"))
    _check_who(said.get("as"))


def _check_method(name: str | None) -> None:
    if name in BUILTIN or name == EXPLAIN:
        raise InvalidParams(
            f"{name} is the gate's own method: it is answered from the list of methods, "
            "without any service, and the cache has no part in it."
        )


def _check_who(who: object) -> None:
    if who is None or who == "anonymous":
        return
    example = '"as" is "anonymous", or {"subject": "ada", "groups": ["lab"], "scopes": []}'
    if not isinstance(who, dict) or not who or not who.keys() <= set(_WHO):
        raise InvalidParams(f"{example}, not {_quoted(orjson.dumps(who))}.")
    for name, value in who.items():
        kind_fits = (
            isinstance(value, list) and all(isinstance(one, str) for one in value)
            if name in ("groups", "scopes")
            else isinstance(value, str) and bool(value)
        )
        if not kind_fits:
            raise InvalidParams(f"{example}; {name} is not {_quoted(orjson.dumps(value))}.")


def _quoted(span: bytes) -> str:
    return shown(span.decode("utf-8", "replace"))
