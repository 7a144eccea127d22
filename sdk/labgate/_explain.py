"""What would happen to a call, and why?"""

from __future__ import annotations

from labgate._method import Method
from labgate._names import printable
from labgate.errors import BadReply, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from labgate._client import Client
    from labgate._link import Link
    from labgate._session import Session

_EXPLAIN = Method("rpc.explain", b'{"name":"rpc.explain","params":[],"x-labgate":{"safe":true}}')
_ABOVE = ("method", "outcome", "why")
_WIDEST = 300


class Explanation(dict[str, object]):
    """What the gate says of a call: `outcome` (hit, stale, miss, pass), `why`, policy, rule, key, entry; shown as text."""

    __slots__ = ()

    def __repr__(self) -> str:
        method, outcome, why = (printable(self.get(name), _WIDEST) for name in _ABOVE)
        rest = {name: value for name, value in self.items() if name not in _ABOVE}
        width = max(map(len, rest), default=0)
        lines = [
            f"  {printable(name, _WIDEST).replace('_', ' '):<{width}}  {_told(one)}"
            for name, one in rest.items()
        ]
        return "\n".join([f"{method}: {outcome}, {why}", *lines])


class _Asker:
    """Takes a session's place in a client: what would be called is asked about instead."""

    def __init__(self, session: Session) -> None:
        self.link: Link = session.link
        self._session = session
        self.defaults: Mapping[str, Any] = session.defaults

    def call(self, method: Method, params: list[Any] | dict[str, Any] | None) -> Explanation:
        """The gate's explanation of the call."""
        question: dict[str, Any] = {"method": method.name}
        if params is not None:
            question["params"] = params
        told = self._session.call(_EXPLAIN, question)
        if not isinstance(told, dict):
            raise BadReply("the gate explained the call by no object", method=method.name)
        return Explanation(told)

    def derive(self, changes: dict[str, Any]) -> _Asker:
        """The same with other options."""
        return _Asker(self._session.derive(changes))

    def recipe(self) -> tuple[Any, ...]:
        """The client's own, which calls again."""
        return self._session.recipe()


def explain(client: Client, method: str, /, *args: Any, **kwargs: Any) -> Explanation:
    """Ask the gate what would happen to a call of yours, and why. Nothing is called.

    The options of the client count: `labgate.explain(lab(fresh=True), "jobs.get_job", "P3", "J1")`.

    Args:
        client: the client.
        method: the method's whole name.
        args: the arguments, as the method takes them.
        kwargs: the arguments, as the method takes them.

    Raises:
        Error: as the call itself would: there is no such method, or you may not call it.
        TypeError: the method does not take these arguments.
    """
    session: Any = client._session  # noqa: SLF001
    asker = type(client)(_Asker(session), client._space)  # noqa: SLF001
    function = asker[method]
    if not hasattr(function, "__func__"):
        raise NotFound(f"{method} is a namespace: name one of its methods")
    found: Explanation = function(*args, **kwargs)
    return found


def _told(value: object) -> str:
    """A value in words, short enough for a line."""
    if isinstance(value, dict):
        pairs = (f"{name} {_told(one)}" for name, one in value.items() if one is not None and one != [])
        text = ", ".join(pairs) or "-"
    elif isinstance(value, list):
        text = ", ".join(map(_told, value)) or "-"
    elif value is None or isinstance(value, bool):
        text = {None: "-", True: "yes", False: "no"}[value]
    else:
        text = str(value)
    return printable(text, _WIDEST)
