"""What does the real Tiled client get from a server? See telling.py for what is printed.

`python tiled_client.py http://HOST:PORT[/PREFIX]/api/v1 API_KEY [TOKEN]` walks whatever is there, reads it and slices it. `-`
is no key; a TOKEN is shown to a gate as `Labgate-Token`. The last line, `links`, is where the answers said that other things
are: an origin that is not the caller's shows a client that was led elsewhere.
"""

import sys
import tempfile
import warnings
from typing import Any
from urllib.parse import urlsplit

from telling import call, digest, told
from tiled.client import from_uri
from tiled.queries import FullText, Key

warnings.simplefilter("ignore")


def walk(prefix: str, container: Any, origins: set[str]) -> None:
    """List a container, and read everything in it."""
    names = call(f"{prefix}list", list, container) or []
    call(f"{prefix}len", len, container)
    call(f"{prefix}metadata", lambda: dict(container.metadata))
    for name in names:
        node = container[name]
        label = f"{prefix}{name}"
        call(f"{label}.metadata", lambda node=node: dict(node.metadata))
        told(f"{label}.family", node.structure_family)
        split = urlsplit(node.uri)
        origins.add(f"{split.scheme}://{split.netloc}{split.path.partition('/metadata/')[0]}")
        if node.structure_family == "container":
            walk(f"{label}/", node, origins)
        elif node.structure_family == "array":
            array(label, node)
        else:
            table(label, node)


def array(label: str, node: Any) -> None:
    """Whole, sliced, and by blocks."""
    call(f"{label}.shape", lambda: [list(node.shape), str(node.dtype), [list(axis) for axis in node.chunks]])
    call(f"{label}.read", node.read)
    call(f"{label}.slice", lambda: node[1:3])
    call(f"{label}.stride", lambda: node[::5])
    call(f"{label}.block", node.read_block, (0,) * node.ndim)
    call(f"{label}.last_block", node.read_block, tuple(len(axis) - 1 for axis in node.chunks))
    call(f"{label}.no_such_block", node.read_block, (99,) * node.ndim)


def table(label: str, node: Any) -> None:
    """Whole, one column, and by partitions."""
    call(f"{label}.columns", lambda: list(node.columns))
    call(f"{label}.read", node.read)
    call(f"{label}.column", lambda: node.read([next(iter(node.columns))]))
    call(f"{label}.partition", node.read_partition, 0)
    call(f"{label}.no_such_partition", node.read_partition, 99)


def exported(node: Any, form: str) -> str:
    """A digest of a file in another format."""
    with tempfile.NamedTemporaryFile(suffix=f".{form}") as file:
        node.export(file.name)
        return digest(file.read())


def main() -> None:
    """Everything, in one order."""
    address, key, *tokens = sys.argv[1:]
    headers = {"Labgate-Token": tokens[0]} if tokens else {}
    keys = {} if key == "-" else {"api_key": key}
    if keys:
        call("from_uri with another key", from_uri, address, api_key="ffff", headers=headers)
    root = call("from_uri", from_uri, address, headers=headers, **keys)
    if root is None:
        return
    origins: set[str] = set()
    walk("", root, origins)
    call("no such name", root.__getitem__, "nothing")
    call("search by text", lambda: list(root.search(FullText("7"))))
    call("search by key", lambda: list(root.search(Key("beamline") == "7")))
    call("path", root["samples", "a"].read)
    call("image as csv", lambda: exported(root["image"], "csv"))
    told("links", sorted(origins))


if __name__ == "__main__":
    main()
