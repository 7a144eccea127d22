"""How do editors and type checkers learn what a gate's clients have? By two files that stand for the package."""

from __future__ import annotations

import os

from labgate._changes import Changes
from labgate._generated import body_of, read_own, write_whole
from labgate._stubnames import FILE, differ, names_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from labgate._catalog import Catalog
    from labgate._client import Client
    from labgate._tree import Space


def stubs(
    client: Client,
    folder: str | os.PathLike[str] = "typings",
    *,
    datastacks: Iterable[str] = (),
    check: bool = False,
) -> Changes:
    """Write the types of a client's namespaces and methods into a folder where editors and type checkers look.

    `typings` is the folder that Pyright and VS Code read by themselves; mypy is told by `mypy_path = "typings"`. Nothing
    in a program changes: `labgate.connect()` then returns a client whose methods are known by name, argument and type.

    Args:
        client: whose methods they are.
        folder: where the files go, below `labgate/`.
        datastacks: clients in these have their local services, too: `labgate.connect(datastack="minnie65")`.
        check: write nothing, and only tell what would change.

    Returns:
        What differs from the files that were there, by the names of methods and classes.

    Raises:
        SetupError: other files stand there, which this did not make.
        Error: a datastack's methods are not to be had.
    """
    from labgate._stubtext import MARK  # with it comes `inspect`

    wanted = _texts(client, datastacks)
    home = os.path.join(os.fspath(folder), "labgate")
    was = {name: read_own(os.path.join(home, name), MARK) for name in wanted}
    if not check:
        os.makedirs(home, exist_ok=True)
        for name, text in wanted.items():
            write_whole(os.path.join(home, name), text)
    changes = _compared(was["_client.pyi"], wanted["_client.pyi"])
    others = [
        name for name in wanted if name != "_client.pyi" and body_of(was[name]) != body_of(wanted[name])
    ]
    missing = tuple(f"labgate/{name}" for name in others if not was[name])
    changed = tuple(f"labgate/{name}" for name in others if was[name])
    return Changes((*changes.added, *missing), (*changes.changed, *changed), changes.removed)


def _texts(client: Client, datastacks: Iterable[str]) -> dict[str, str]:
    import labgate
    from labgate._stubtext import StubText, awaited_text, module_text

    root, catalog = _tree(client)
    stacks = {stack: _tree(client(datastack=stack)) for stack in sorted(set(datastacks))}
    homes = labgate._HOMES  # noqa: SLF001 - the public names, whatever they are in this version
    made = StubText(root, catalog, stacks)
    source = str(client._session.link.address)  # noqa: SLF001
    return {
        "__init__.pyi": module_text(source, homes, made),
        "_async_client.pyi": awaited_text(source),
        "_client.pyi": made.text(source),
    }


def _tree(client: Client) -> tuple[Space, Catalog]:
    link: Any = client._session.link  # noqa: SLF001
    return link.root, link.catalog


def _compared(old: str, new: str) -> Changes:
    if body_of(old) == body_of(new):
        return Changes((), (), ())
    before, after = names_in(old), names_in(new)
    found = Changes(
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(name for name in after.keys() & before.keys() if differ(after[name], before[name]))),
        tuple(sorted(before.keys() - after.keys())),
    )
    return found or Changes((), (FILE,), ())
