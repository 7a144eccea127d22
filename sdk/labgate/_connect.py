"""How does a program get a client: from which address, with which token, sharing what with earlier clients?"""

from __future__ import annotations

import os
import threading
import weakref

from labgate import _memory
from labgate._cachefile import CatalogFile
from labgate._defaults import merged
from labgate._folders import cache_folder
from labgate._link import Link
from labgate._session import Options, Session
from labgate._tokens import find_token, refuse_exposure
from labgate._whereabouts import find_gate, make_sure
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from labgate._address import Address
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
    version: Any = None,
    timestamp: Any = None,
    defaults: Mapping[str, Any] | None = None,
    remember: bool = True,
    auth_token_key: str | None = None,
    server_address: str | None = None,
    datastack_name: str | None = None,
    write_server_address: bool = True,
    write_server_cache: bool = True,
) -> Client:
    """A client of the gate at `address`: its namespaces and methods are what the gate advertises to this token.

    The gate is asked for them only when this user has not seen them before; later changes are learned from the
    gate's replies. So this works without the gate, once it has worked with it.

    Args:
        address: the gate, like `https://gate.lab.org`; default: the environment's LABGATE_URL, or the gate at which the
            datastack was last (`labgate.datastacks.known()`), or where CAVE's own file has it.
        datastack: adds the services of this datastack.
        token: default: LABGATE_TOKEN, the file named by LABGATE_TOKEN_FILE, this user's stored token, or CAVE's.
        timeout: seconds for a whole call, retries included; None waits for ever.
        retries: how often a call that may be repeated is repeated.
        headers: further request headers.
        default: makes simpler values of those that JSON does not know; raises TypeError for others.
        cache_dir: where the list of methods is kept; default: this system's folder for caches.
        insecure: let a token travel over plain http beyond this machine (also LABGATE_INSECURE=1).
        version, timestamp: fill in the parameter of this name (a version also `materialization_version`) in methods
            that take it by name, where a call does not give it.
        defaults: the same for parameters of any name; `{"materialize.limit": 5}` is for one namespace.
        remember: once it has worked, write down at which gate the datastack is.
        auth_token_key: take the token of this name from CAVE's token files.
        server_address, datastack_name: other names for `address` and `datastack`.
        write_server_address, write_server_cache: False is `remember=False`.

    Raises:
        SetupError: the address, the token or an option cannot be used.
        Error: the gate is asked, and does not give its list.
    """
    keeps = remember and write_server_address and write_server_cache
    if version is not None or timestamp is not None:
        defaults = merged(defaults or {}, {"version": version, "timestamp": timestamp})
    options = Options(
        timeout=timeout,
        retries=retries,
        headers=headers,
        default=default,
        defaults=defaults,
        remember=keeps,
        auth_token_key=auth_token_key,
    )
    stack = _one("datastack", datastack, "datastack_name", datastack_name)
    where = find_gate(_one("address", address, "server_address", server_address), stack, os.environ)
    if where.hearsay and stack is not None:
        make_sure(where.address, stack, timeout)
    key = find_token(
        where.address,
        token,
        os.environ,
        hearsay=where.hearsay,
        datastack=stack,
        cave_key=auth_token_key,
    )
    insecure = insecure or os.environ.get("LABGATE_INSECURE") == "1"
    refuse_exposure(where.address, key, insecure=insecure)
    folder = os.fspath(cache_dir) if cache_dir is not None else cache_folder()
    return _client(_Way(where.address, key, folder, insecure=insecure), stack, options)


class _Way:
    """How a gate is reached: everything that clients of its datastacks have in common."""

    __slots__ = ("address", "folder", "insecure", "token")

    def __init__(self, address: Address, token: str | None, folder: str, *, insecure: bool) -> None:
        self.address = address
        self.token = token
        self.folder = folder
        self.insecure = insecure


def sibling(link: Link, datastack: str | None, options: Options) -> Client:
    """A client of the same gate and token in another datastack, None for none."""
    address, token, folder, insecure = link.way()
    return _client(_Way(address, token, folder, insecure=insecure), _text("datastack", datastack), options)


def _client(way: _Way, stack: str | None, options: Options) -> Client:
    shared = (str(way.address), stack, way.token, way.folder)
    with _lock:
        link = _links.get(shared)
        if link is None:
            file = CatalogFile(way.folder, str(way.address), stack, way.token)
            link = _links[shared] = Link(way.address, stack, way.token, file, insecure=way.insecure)
    link.start(options.timeout, options.retries)
    if stack is not None and options.remember:
        _memory.remember(stack, way.address)
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
    return _text(name, value if value is not None else other)


def _text(name: str, found: object) -> str | None:
    if found is None:
        return None
    if not isinstance(found, str) or not found.strip():
        raise SetupError(f"{name} is a text that is not empty")
    return found
