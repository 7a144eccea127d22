"""How does a program get a client: from which address, with which token, sharing what with earlier clients?"""

from __future__ import annotations

import os
import threading
import weakref

from labgate import _memory
from labgate._link import Link
from labgate._options import Options
from labgate._prepared import Way, prepared, text_of
from labgate._profiles import is_for
from labgate._proxy import route_to
from labgate._session import Session
from labgate._whereabouts import make_sure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from labgate._client import Client

_links: weakref.WeakValueDictionary[tuple[object, ...], Link] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def connect(
    address: str | None = None,
    *,
    datastack: str | None = None,
    token: str | None = None,
    profile: str | None = None,
    timeout: float | None = ...,  # type: ignore[assignment]
    retries: int = 2,
    headers: Mapping[str, str] | None = None,
    default: Callable[[Any], Any] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    ca_file: str | os.PathLike[str] | None = None,
    version: Any = None,
    timestamp: Any = None,
    defaults: Mapping[str, Any] | None = None,
    remember: bool = True,
    auth_token_key: str | None = None,
    server_address: str | None = None,
    datastack_name: str | None = None,
    write_server_address: bool = True,
    write_server_cache: bool = True,
    lock: str | os.PathLike[str] | None = None,
    live: bool = False,
) -> Client:
    """A client of the gate at `address`: its namespaces and methods are what the gate advertises to this token.

    The gate is asked for them only when this user has not seen them before; later changes are learned from the
    gate's replies. So this works without the gate, once it has worked with it.

    Args:
        address: the gate, like `https://gate.lab.org`; default: the environment's LABGATE_URL or LABGATE_PROFILE, or the
            gate at which the datastack was last (`labgate.datastacks.known()`), or where CAVE's own file has it, or
            the profile `default`.
        datastack: adds the services of this datastack.
        token: default: LABGATE_TOKEN, the file named by LABGATE_TOKEN_FILE, the profile's, this user's login
            (`labgate.login()`) or stored token, or CAVE's.
        profile: the name of a gate in `profiles.toml`, with its address, datastack, timeout and further certificates.
        timeout: seconds for a whole call, retries included; None waits for ever. Default: the profile's, or 300.
        retries: how often a call that may be repeated is repeated.
        headers: further request headers.
        default: makes simpler values of those that JSON does not know; raises TypeError for others.
        cache_dir: where the list of methods is kept; default: this system's folder for caches.
        insecure: let a token travel over plain http beyond this machine (also LABGATE_INSECURE=1).
        ca_file: a file with certificates (PEM) that are trusted beside the system's.
        version, timestamp: fill in the parameter of this name (a version also `materialization_version`) in methods
            that take it by name, where a call does not give it.
        defaults: the same for parameters of any name; `{"materialize.limit": 5}` is for one namespace.
        remember: once it has worked, write down at which gate the datastack is.
        auth_token_key: take the token of this name from CAVE's token files.
        server_address, datastack_name: other names for `address` and `datastack`.
        write_server_address, write_server_cache: False is `remember=False`.
        lock: a file of `labgate.lock`: methods that differ from it are not called; default: LABGATE_LOCK; "" for none.
        live: hear of changes at the gate as they happen, in a thread: see `labgate.watch`.

    Raises:
        SetupError: the address, the token or an option cannot be used.
        Error: the gate is asked, and does not give its list.
    """
    given: Any = dict(locals())
    del given["live"]
    way, stack, options = prepared(**given)
    if way.hearsay and stack is not None:
        make_sure(way.address, stack, options.timeout)
    client = client_of(way, stack, options)
    if live:
        from labgate._live import watch

        watch(client)
    return client


def sibling(link: Link, datastack: str | None, options: Options) -> Client:
    """A client of the same gate and token in another datastack, None for none."""
    return client_of(*way_to(link, datastack), options)


def way_to(link: Link, datastack: str | None) -> tuple[Way, str | None]:
    """How another datastack of a link's gate is reached, None being none.

    Raises:
        SetupError: that is no datastack's name.
    """
    address, token, folder, insecure = link.way()
    way = Way(address, token, folder, link.trust(), insecure=insecure, tape=link.tape, pins=link.pins)
    return way, text_of("datastack", datastack)


def client_of(way: Way, stack: str | None, options: Options) -> Client:
    """A client that goes this way; those that share one share its connections and its list of methods.

    Raises:
        Error: the gate is asked, and does not give its list.
    """
    given = way.given(stack)
    pins = given["pins"]
    shared = (
        str(way.address),
        stack,
        way.name,
        way.folder,
        *way.trust,
        way.tape,
        pins.mark if pins is not None else None,
        # What was said of a proxy since then counts, though an error's traceback may keep the old link alive.
        None if (proxy := route_to(way.address, os.environ).proxy) is None else proxy.url,
    )
    with _lock:
        link = _links.get(shared)
        if link is None:
            link = _links[shared] = Link(**given)
    if options.headers:
        link.asks_with = options.headers
    link.start(options.timeout, options.retries)
    if stack is not None and options.remember and way.tape is None:
        _memory.remember(stack, way.address)
    client: Client = link.root.own_class()(Session(link, options), link.root)  # type: ignore[assignment]
    return client


def reconnect(settings: dict[str, Any], fresh: bool, max_age: float | None) -> Client:
    """The client of a pickle; its token is the one that is found here, and its profile counts where there is one."""
    name = settings.get("profile")
    if name is not None and not is_for(name, settings["address"]):
        settings = {**settings, "profile": None}
    client = connect(**settings)
    return client(fresh=fresh, max_age=max_age) if fresh or max_age is not None else client


def _renew_lock() -> None:
    """In a forked child: another thread of the parent may have held it; that thread does not exist here."""
    global _lock  # noqa: PLW0603 - a lock cannot be renewed in place
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
