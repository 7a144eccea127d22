"""What is an async client in the user's hands? Nothing but the gate's own names, awaited."""

from __future__ import annotations

from labgate._client import Part, Whole


class AsyncNamespace(Part):
    """The methods of a service, each of them a coroutine function."""

    __slots__ = ()
    _word = "async namespace"


class AsyncClient(Whole):
    """A lab's services as coroutine functions: `await client.service.method(...)`.

    `client["any.wire-name"]` reaches those whose name is no Python name. `client(timeout=5)` is a view with other
    options. Everything else is a function of the module `labgate`, by the name that it has for other clients.
    """

    __slots__ = ()
    _word = "async client"
