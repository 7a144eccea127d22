"""How are a gate's methods written down as a module of plain functions?"""

from __future__ import annotations

import os

from labgate._frozentext import MARK, FrozenText
from labgate._generated import body_of, read_own, write_whole
from labgate._pins import wanted_by
from labgate._session import terms_of

_ORIGIN = ("    gate=", "    catalog=")
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from labgate._async_client import AsyncClient
    from labgate._client import Client


def freeze(
    client: Client | AsyncClient,
    path: str | os.PathLike[str] = "lab_client.py",
    *,
    methods: str | Iterable[str] = "*",
    check: bool = False,
    awaited: bool | None = None,
) -> bool:
    """Write a module of plain functions that call a client's methods as they are advertised today.

    `import lab_client as lab` then takes the place of `lab = labgate.connect()`: every name, argument and type stands in
    a file that can be read, searched, and kept with the program. It needs labgate to be installed, and nothing of the
    gate's list of methods, which may change or not be to be had. Of an async client the functions are coroutine functions,
    to be called in `async with labgate.frozen.aconnect(MODULE)`. See `labgate.frozen`.

    Args:
        client: whose methods they are.
        path: the module's file.
        methods: globs for the names of those that it is to have, like `jobs.*`.
        check: write nothing, and only tell whether the file would change.
        awaited: whether they are coroutine functions; default: as the client's methods are.

    Returns:
        Whether the file that was there is another one.

    Raises:
        SetupError: the file was not made by this; or one of the globs finds no method.
        OSError: the file cannot be written.
    """
    link = terms_of(client, "freeze").link
    made = FrozenText(
        link.root,
        link.catalog,
        wanted_by(methods, link.catalog.names()),
        awaited=link.awaited if awaited is None else awaited,
    )
    text = made.text(str(link.address), link.datastack)
    where = os.fspath(path)
    was = read_own(where, MARK)
    if not check:
        write_whole(where, text)
    return _comparable(was) != _comparable(text)


def _comparable(text: str) -> list[str]:
    """The lines without those that say where and when the module was made."""
    lines = body_of(text)
    return [line for line in lines if not line.startswith(_ORIGIN)]
