"""What would happen to a call, and why?"""

from __future__ import annotations

from labgate._at_once import at_once, settled
from labgate._method import Method
from labgate._names import name_of, printable
from labgate._session import terms_of
from labgate.errors import BadReply, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Any, overload

    from labgate._async_client import AsyncClient
    from labgate._client import Client
    from labgate._link import Link
    from labgate._session import Terms

_EXPLAIN = Method("rpc.explain", b'{"name":"rpc.explain","params":[],"x-labgate":{"safe":true}}')
_ABOVE = ("method", "outcome", "why")
_WIDEST = 300


class Explanation(dict[str, object]):
    """What the gate says of a call: `outcome` (hit, stale, miss, pass), `why`, policy, rule, key, entry; shown as text."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from labgate._shown_told import html_of_explanation

        return html_of_explanation(self)

    def __repr__(self) -> str:
        method, outcome, why = (printable(self.get(name), _WIDEST) for name in _ABOVE)
        rest = {name: value for name, value in self.items() if name not in _ABOVE}
        width = max(map(len, rest), default=0)
        lines = [
            f"  {printable(name, _WIDEST).replace('_', ' '):<{width}}  {in_words(one)}"
            for name, one in rest.items()
        ]
        return "\n".join([f"{method}: {outcome}, {why}", *lines])


class _Asker:
    """Takes a session's place in a client: what would be called is asked about instead."""

    def __init__(self, session: Terms) -> None:
        self.link: Link = session.link
        self._session = session
        self.defaults: Mapping[str, Any] = session.defaults

    def call(
        self, method: Method, params: list[Any] | dict[str, Any] | None
    ) -> Explanation | Coroutine[Any, Any, Explanation]:
        """The gate's explanation of the call."""
        question: dict[str, Any] = {"method": method.name}
        if params is not None:
            question["params"] = params
        work = self._explained(method, question)
        return work if self._session.awaited else at_once(work)

    async def _explained(self, method: Method, question: dict[str, Any]) -> Explanation:
        told = await settled(self._session.call(_EXPLAIN, question))  # type: ignore[attr-defined]
        if not isinstance(told, dict):
            raise BadReply("the gate explained the call by no object", method=method.name)
        return Explanation(told)

    def derive(self, changes: dict[str, Any]) -> _Asker:
        """The same with other options."""
        return _Asker(self._session.derive(changes))  # type: ignore[attr-defined]

    def recipe(self) -> tuple[Any, ...]:
        """The client's own, which calls again."""
        recipe: tuple[Any, ...] = self._session.recipe()  # type: ignore[attr-defined]
        return recipe


if TYPE_CHECKING:

    @overload
    def explain(
        client: Client, method: str | Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Explanation: ...

    @overload
    def explain(
        client: AsyncClient, method: str | Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Coroutine[Any, Any, Explanation]: ...


def explain(
    client: Client | AsyncClient, method: str | Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Explanation | Coroutine[Any, Any, Explanation]:
    """Ask the gate what would happen to a call of yours, and why. Nothing is called.

    The options of the client count: `labgate.explain(lab(fresh=True), "jobs.get_job", "P3", "J1")`.

    Args:
        client: the client.
        method: the method, or its whole name.
        args: the arguments, as the method takes them.
        kwargs: the arguments, as the method takes them.

    Raises:
        Error: as the call itself would: there is no such method, or you may not call it.
        TypeError: the method does not take these arguments.
    """
    session = terms_of(client, "explain")
    session.link.need_gate("labgate.explain")
    asker = type(client)(_Asker(session), client._space)  # noqa: SLF001
    name = name_of(method)
    function = asker[name]
    if not hasattr(function, "__func__"):
        raise NotFound(f"{name} is a namespace: name one of its methods")
    found: Explanation | Coroutine[Any, Any, Explanation] = function(*args, **kwargs)
    return found


def in_words(value: object) -> str:
    """A value in words, short enough for a line."""
    if isinstance(value, dict):
        pairs = (f"{name} {in_words(one)}" for name, one in value.items() if one is not None and one != [])
        text = ", ".join(pairs) or "-"
    elif isinstance(value, list):
        text = ", ".join(map(in_words, value)) or "-"
    elif value is None or isinstance(value, bool):
        text = {None: "-", True: "yes", False: "no"}[value]
    else:
        text = str(value)
    return printable(text, _WIDEST)
