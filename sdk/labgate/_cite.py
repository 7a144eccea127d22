"""How is a result cited, so that a reader knows what it is, and can have it again?"""

from __future__ import annotations

import json

from labgate._at_once import carried, settled
from labgate._codec import Encoder, decode_json, decode_msgpack, rows_of, to_json_text
from labgate._names import printable
from labgate._origins import origins_of
from labgate.errors import Error, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from labgate._async_client import AsyncClient
    from labgate._client import Client
    from labgate._origins import Origin

_MEMBERS = (
    *("gate", "datastack", "method", "parameters", "part", "version", "sha256", "time", "catalog"),
    "request_id",
)
# Which parameter tells the version, where one does; the first of these.
_VERSIONS = ("version", "materialization_version", "node", "uuid", "revision", "timestamp")
_LONGEST = 300


class Citation:
    """Where a result comes from; `str()` is one line for a paper, `to_json()` is for a file beside the data.

    Attributes:
        gate, datastack: where it was asked for.
        service, method: what was called.
        parameters: with which arguments, as they were sent.
        part: what was read of the volume or the source that the method gives, as its `read` takes it; None for other results.
        version: which version of the data, where an argument says so: of a volume always the node's full name.
        sha256: of what the result is now; of values the same however they traveled; None for volumes and sources themselves.
        time: when the answer was made, in UTC.
        catalog: the version of the gate's list of methods.
        request_id: the id under which the gate's logs know the call, None where there were several.
    """

    __slots__ = _MEMBERS

    gate: str
    datastack: str | None
    method: str
    parameters: dict[str, Any] | list[Any] | None
    part: dict[str, Any] | None
    version: str | None
    sha256: str | None
    time: str
    catalog: str | None
    request_id: str | None

    def __init__(self, members: Mapping[str, Any]) -> None:
        for name in _MEMBERS:
            setattr(self, name, members.get(name))

    @classmethod
    def read(cls, text: str | bytes) -> Citation:
        """The citation that `to_json` has written.

        Raises:
            SetupError: it is none.
        """
        try:
            members = decode_json(text.encode() if isinstance(text, str) else text)
        except Error:
            members = None
        texts = ("gate", "method", "time")
        if not isinstance(members, dict) or not all(isinstance(members.get(one), str) for one in texts):
            raise SetupError("this is no citation", hint="It is what `citation.to_json()` has written.")
        return cls(members)

    @property
    def service(self) -> str:
        """The name before the method's own."""
        return self.method.partition(".")[0]

    def to_json(self) -> str:
        """The whole of it, for a file."""
        members = {name: getattr(self, name) for name in _MEMBERS}
        return to_json_text({name: one for name, one in members.items() if one is not None}, indent=1)

    def again(self, client: Client | AsyncClient) -> Any:
        """The result of the same call now; of an async client to be awaited.

        Args:
            client: of a gate that has the method: the same one, or another.

        Raises:
            Error: there is none.
        """
        return carried(client, self._again(client))

    def holds(self, client: Client | AsyncClient) -> Any:
        """Whether the same call brings the same content now; of an async client to be awaited.

        Raises:
            Error: the call brings nothing.
            SetupError: the citation has no content to be compared with.
        """
        if self.sha256 is None:
            raise SetupError("a volume or a source has no content of its own: cite what is read of it")
        return carried(client, self._holds(client))

    async def _again(self, client: Any) -> Any:
        session = client._session  # noqa: SLF001
        link = session.link
        found = await settled(session.call(link.method(self.method), self.parameters))
        return found if self.part is None else await settled(found.read(**self.part))

    async def _holds(self, client: Any) -> bool:
        return content_of(await self._again(client)) == self.sha256

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Citation) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        parts = [f"{self.method}({_written(self.parameters)})"]
        if self.part is not None:
            parts[0] += f".read({_written(self.part)})"
        if self.datastack:
            parts.append(f"datastack {self.datastack}")
        parts += [f"at {self.gate}", self.time]
        if self.sha256:
            parts.append(f"sha256:{self.sha256}")
        return printable(", ".join(parts), 8 * _LONGEST)

    def _repr_html_(self) -> str:
        from labgate._page import code, facts, page

        shown = {name: getattr(self, name) for name in _MEMBERS}
        return page(
            facts(
                (name, code(printable(str(one), _LONGEST))) for name, one in shown.items() if one is not None
            )
        )


def cite(result: Any) -> Citation:
    """Where a result comes from: service, method, parameters, version, content hash and time.

        synapses = lab.materialize.query_table("synapses", limit=10)
        print(labgate.cite(synapses))

    It is known of what the last 64 calls of this program have brought: of the very object, not of parts or copies of it, and
    not of the few largest texts, lists and dicts.

    Args:
        result: what a method has returned, or what was read of a volume.

    Raises:
        SetupError: it is not known of this one.
    """
    found = origins_of(result)
    if not found:
        raise SetupError(
            "it is not known which call has brought this",
            hint="Cite the very object that a call has returned, soon after the call, before it is changed or copied.",
        )
    last, sent = found[0], _parameters(found[0])
    # Small numbers and texts are one object, wherever they come from.
    if (
        len(
            {
                (one.gate.origin, one.datastack, one.method, repr((_parameters(one), one.part)))
                for one in found
            }
        )
        > 1
    ):
        raise SetupError(
            "several calls have brought this very value",
            hint="Cite a list, an object or an array that holds it, or cite it before the next call.",
        )
    return Citation(
        {
            "gate": str(last.gate),
            "datastack": last.datastack,
            "method": last.method,
            "parameters": sent,
            "part": last.part,
            "version": _version(sent, result),
            "sha256": content_of(result),
            "time": _moment(last.made),
            "catalog": last.catalog,
            "request_id": None if last.request_id is None else last.request_id.decode("latin-1"),
        }
    )


def content_of(value: Any) -> str | None:
    """The SHA-256 of a value, the same however it has traveled; None for what has no content of its own.

    Of an array it is of its type, its shape and its bytes in C order; of everything else of its JSON, members in order.
    """
    from hashlib import sha256

    if hasattr(value, "dtype") and hasattr(value, "tobytes"):
        from labgate._arrays import parts_of

        dtype, shape, data = parts_of(value)
        digest = sha256(json.dumps(["array", dtype, shape]).encode())
        digest.update(data)
        return digest.hexdigest()
    try:
        text = json.dumps(
            rows_of(value), sort_keys=True, separators=(",", ":"), default=Encoder().simple_or_binary
        )
    except (TypeError, ValueError):
        return None
    return sha256(text.encode()).hexdigest()


def _written(arguments: dict[str, Any] | list[Any] | None) -> str:
    if isinstance(arguments, dict):
        return ", ".join(f"{name}={one!r}" for name, one in arguments.items())
    return ", ".join(map(repr, arguments or ()))


def _parameters(origin: Origin) -> Any:
    if origin.sent is None:
        return None
    found = (decode_json if origin.sent[:1] in b"{[" else decode_msgpack)(origin.sent)
    return found if origin.bare else found.get("params")


def _version(parameters: Any, result: Any) -> str | None:
    if isinstance(node := getattr(result, "node", None), str):
        return node
    given = parameters if isinstance(parameters, dict) else {}
    return next((str(given[name]) for name in _VERSIONS if given.get(name) is not None), None)


def _moment(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
