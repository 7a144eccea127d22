"""How does a program get a client: from which address, with which token, sharing what with earlier clients?"""

from __future__ import annotations

import os
import threading
import weakref

from labgate._address import parse_address
from labgate._cachefile import CatalogFile
from labgate._folders import cache_folder
from labgate._link import Link
from labgate._session import Options, Session
from labgate._tokens import find_token, refuse_exposure
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from labgate._client import Client

_links: weakref.WeakValueDictionary[tuple[str | None, ...], Link] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def connect(
    address: str | None = None,
    *,
    datastack: str | None = None,
    token: str | None = None,
    timeout: float | None = 300.0,
    retries: int = 2,
    headers: Mapping[str, str] | None = None,
    default: Callable[[Any], Any] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    server_address: str | None = None,
    datastack_name: str | None = None,
) -> Client:
    """A client of the gate at `address`: its namespaces and methods are what the gate advertises to this token.

    The gate is asked for them only when this user has not seen them before; later changes are learned from the
    gate's replies. So this works without the gate, once it has worked with it.

    Args:
        address: the gate, like `https://gate.lab.org`; default: the environment's LABGATE_URL.
        datastack: adds the services of this datastack.
        token: default: LABGATE_TOKEN, the file named by LABGATE_TOKEN_FILE, or this user's stored token.
        timeout: seconds for a whole call, retries included; None waits for ever.
        retries: how often a call that may be repeated is repeated.
        headers: further request headers.
        default: makes simpler values of those that JSON does not know; raises TypeError for others.
        cache_dir: where the list of methods is kept; default: this system's folder for caches.
        insecure: let a token travel over plain http beyond this machine (also LABGATE_INSECURE=1).
        server_address: another name for `address`.
        datastack_name: another name for `datastack`.

    Raises:
        SetupError: the address, the token or an option cannot be used.
        Error: the gate is asked, and does not give its list.
    """
    found = _one("address", address, "server_address", server_address) or os.environ.get("LABGATE_URL")
    if not found:
        raise SetupError(
            "no gate was named",
            hint="Give its address: labgate.connect('https://gate.lab.org'), or set LABGATE_URL.",
        )
    options = Options(timeout=timeout, retries=retries, headers=headers, default=default)
    stack = _one("datastack", datastack, "datastack_name", datastack_name)
    where = parse_address(found)
    key = find_token(where, token, os.environ)
    refuse_exposure(where, key, insecure=insecure or os.environ.get("LABGATE_INSECURE") == "1")
    folder = os.fspath(cache_dir) if cache_dir is not None else cache_folder()
    shared = (str(where), stack, key, folder)
    with _lock:
        link = _links.get(shared)
        if link is None:
            file = CatalogFile(folder, str(where), stack, key)
            link = _links[shared] = Link(where, stack, key, file, insecure=insecure)
    link.start(options.timeout, options.retries)
    client: Client = link.root.own_class()(Session(link, options), link.root)  # type: ignore[assignment]
    return client


def reconnect(settings: dict[str, Any], fresh: bool, max_age: float | None) -> Client:
    """The client of a pickle; its token is the one that is found here."""
    client = connect(**settings)
    return client(fresh=fresh, max_age=max_age) if fresh or max_age is not None else client


def _renew_lock() -> None:
    """In a forked child: another thread of the parent may have held it; that thread does not exist here."""
    global _lock  # noqa: PLW0603 - a lock cannot be renewed in place
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def _one(name: str, value: str | None, other_name: str, other: str | None) -> str | None:
    if value is not None and other is not None and value != other:
        raise SetupError(f"{name} and {other_name} are two names of one thing, and were given two values")
    found = value if value is not None else other
    if found is not None and (not isinstance(found, str) or not found.strip()):
        raise SetupError(f"{name} is a text that is not empty")
    return found
