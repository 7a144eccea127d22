"""How does the gate come to keep a user's own token of a service, for that user's calls only?"""

from __future__ import annotations

import os
import re
import sys

from labgate._at_once import carried
from labgate._names import printable
from labgate._privately import Unfit, read_object
from labgate._request import body_of, json_of
from labgate._target import terms_of
from labgate._tokens import LARGEST_FILE, cave_global_files, checked_token, refuse_exposure
from labgate.errors import Error, NotFound, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any, overload

    from labgate._async_client import AsyncClient
    from labgate._client import Client

_SERVICE = re.compile(r"[a-z][a-z0-9_]{0,99}")


class Linked:
    """What the gate says of a link; never the token.

    Attributes:
        service: the service's name in the gate's configuration.
        linked: the gate has a token of yours for it.
        since: when it was given, as the gate writes it; None where it does not say.
    """

    __slots__ = ("linked", "service", "since")

    def __init__(self, service: str, said: object) -> None:
        facts = said if isinstance(said, dict) else {}
        self.service = service
        self.linked: bool = facts.get("linked") is not False
        self.since: str | float | None = facts.get("since")

    def __bool__(self) -> bool:
        return self.linked

    def __repr__(self) -> str:
        since = f" since {printable(str(self.since), 60)}" if self.linked and self.since is not None else ""
        return f"<{self.service}: {'linked' if self.linked else 'not linked'}{since}>"


if TYPE_CHECKING:

    @overload
    def link(client: Client, service: str, token: str | None = None) -> Linked: ...

    @overload
    def link(client: AsyncClient, service: str, token: str | None = None) -> Coroutine[Any, Any, Linked]: ...


def link(client: Any, service: str, token: str | None = None) -> Any:
    """Let the gate send your own token of a service with your calls of it.

    The gate keeps it encrypted, uses it for your calls alone, and never gives it back.

    Args:
        client: the client.
        service: the service's name in the gate's configuration, like `cave`.
        token: the service's token. Without one you are asked for it, unseen; a token in CAVE's own file is offered.

    Raises:
        Error: the gate or the service does not take it.
        SetupError: there is no token, and nobody to ask for it.
    """
    path = _path(service)
    session, _ = terms_of(client)
    session.link.need_gate("labgate.link")
    secret = checked_token(_asked_for(service) if token is None else token, "the service")
    address, _, _, insecure = session.link.way()
    refuse_exposure(address, secret, insecure=insecure)
    return carried(client, _link(client, service, path, secret))


async def _link(client: Any, service: str, path: str, secret: str) -> Linked:
    fields = {"Content-Type": "text/plain"}
    try:
        await body_of(client, "PUT", path, data=secret.encode("ascii"), headers=fields)
    except Error as error:
        raise _without(secret, error) from None
    return Linked(service, None)


if TYPE_CHECKING:

    @overload
    def unlink(client: Client, service: str) -> bool: ...

    @overload
    def unlink(client: AsyncClient, service: str) -> Coroutine[Any, Any, bool]: ...


def unlink(client: Any, service: str) -> Any:
    """Let the gate forget your token of a service, at once; False when it had none.

    Raises:
        Error: the gate does not do it.
    """
    return carried(client, _unlink(client, _path(service)))


async def _unlink(client: Any, path: str) -> bool:
    try:
        await body_of(client, "DELETE", path)
    except NotFound as error:
        if _is_no_link(error):
            return False
        raise
    return True


if TYPE_CHECKING:

    @overload
    def links(client: Client, service: str | None = None) -> Linked | list[Linked]: ...

    @overload
    def links(
        client: AsyncClient, service: str | None = None
    ) -> Coroutine[Any, Any, Linked | list[Linked]]: ...


def links(client: Any, service: str | None = None) -> Any:
    """Which of your tokens the gate keeps, and since when: of one service, or of all.

    Raises:
        Error: the gate does not say it.
    """
    if service is None:
        return carried(client, _all_links(client))
    return carried(client, _one_link(client, service, _path(service)))


async def _all_links(client: Any) -> list[Linked]:
    said = await json_of(client, "GET", "/-/links")
    listed = said.get("links") if isinstance(said, dict) else said
    entries: list[Any] = listed if isinstance(listed, list) else []
    return [Linked(str(one["service"]), one) for one in entries if isinstance(one, dict) and "service" in one]


async def _one_link(client: Any, service: str, path: str) -> Linked:
    try:
        return Linked(service, await json_of(client, "GET", path))
    except NotFound as error:
        if _is_no_link(error):
            return Linked(service, {"linked": False})
        raise


def _path(service: str) -> str:
    if not isinstance(service, str) or not _SERVICE.fullmatch(service):
        raise SetupError("a service is named as in the gate's configuration, like 'cave'")
    return f"/-/links/{service}"


def _is_no_link(error: NotFound) -> bool:
    """Whether there is just no link, rather than no such service or no gate that keeps any."""
    return isinstance(error.data, dict) and error.data.get("linked") is False


def _asked_for(service: str) -> str:
    """The token that a person types or lets be taken from CAVE's file."""
    if not (sys.stdin is not None and sys.stdin.isatty()) and "ipykernel" not in sys.modules:
        raise SetupError(
            f"no token for {service!r} was given, and nobody is here to be asked",
            hint="Give it: labgate.link(lab, 'cave', token=os.environ['CAVE_TOKEN']).",
        )
    from getpass import getpass

    for path in cave_global_files():
        found = _token_in(path)
        if found is not None and input(f"Use the token in {path}? [y/N] ").strip().lower() in ("y", "yes"):
            return found
    return getpass(f"Your token for {service} (it is not shown): ")


def _token_in(path: str) -> str | None:
    if not os.path.exists(path):
        return None
    try:
        found, _ = read_object(path, LARGEST_FILE)
    except (FileNotFoundError, Unfit):
        return None
    token = found.get("token")
    return token if isinstance(token, str) and token.strip() else None


def _without(secret: str, error: Error) -> Error:
    """The error; an answer that repeats the token does not bring it into anybody's log."""
    if secret in error.message:
        error.message = error.message.replace(secret, "...")
        error.args = (error.message,)
    if secret in repr(error.data) or secret in repr(error.members):
        error.data, error.members = None, {}
    return error
