"""Which services does one deployment of CAVE bring?

A deployment has a global server, and a local server for each datastack. Everything here is a value made from values: nothing is
asked.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from gateway.core.places import normal_origin
from gateway.core.service import Rule, Service

KIND: Final = "cave"

GLOBAL: Final = {
    "info": "/info",
    "auth": "/auth",
    "sticky_auth": "/sticky_auth",
    "state": "/nglstate",
    "schema": "/schema",
}
"""The parts of a global server, and the path of each."""

LOCAL: Final = {
    "chunkedgraph": "/segmentation",
    "meshing": "/meshing",
    "materialize": "/materialize",
    "annotation": "/annotation",
    "skeleton": "/skeletoncache",
    "l2cache": "/l2cache",
}
"""The parts of a local server, and the path of each."""

ALIASES: Final = {"schema": ("schemas",), "skeleton": ("skeletonservice",)}
"""What CAVEclient's manual calls a namespace that its code calls otherwise."""

_LOOPBACK: Final = frozenset(("127.0.0.1", "localhost", "::1"))
_HOST: Final = re.compile(r"[a-z0-9._:-]+").fullmatch
"""What is shown to be written into the settings holds nothing that would end a text there."""
_DATASET: Final = "{dataset}"


def global_parts(entry: Service, names: Mapping[str, str]) -> Iterator[Service]:
    """The services of the global server that an entry of the settings names; what is none of them is the entry's own.

    `names` are the namespaces of its parts, local ones too.
    """
    mount = _root(entry.mount)
    vouches = entry.vouches or f"{_url(entry)}/auth"
    common = {
        "entry": entry.name,
        "home": _url(entry),
        "home_mount": mount,
        "vouches": vouches,
    }
    yield dataclasses.replace(entry, rules=rules_of(entry.rules, "", {}), **common)  # type: ignore[arg-type]
    for part, path in GLOBAL.items():
        yield dataclasses.replace(
            entry,
            name=names[part],
            urls=tuple(url.rstrip("/") + path for url in entry.urls),
            mount=None if entry.mount is None else mount + path,
            has_port=False,
            part=part,
            rules=rules_of(entry.rules, part, {}),
            aliases=_aliases(names, part),
            summary=entry.summary if part == "info" else "",
            **common,  # type: ignore[arg-type]
        )


def local_parts(
    entry: Service, names: Mapping[str, str], datastack: str, record: Mapping[str, Any]
) -> Iterator[Service]:
    """The services of the local server that a datastack's record names; see `local_server`."""
    server = local_server(record)
    fills = filled(datastack, record)
    root = _root(entry.mount)
    for part, path in LOCAL.items():
        common = path if root == "" or part in ("chunkedgraph", "meshing", "skeleton") else root + path
        yield dataclasses.replace(
            entry,
            name=names[part],
            datastack=datastack,
            urls=(server + path,),
            mount=None if entry.mount is None else f"{root}/datastack/{datastack}{path}",
            has_port=False,
            entry=entry.name,
            part=part,
            fills=fills,
            home=server,
            home_mount=f"{root}/datastack/{datastack}",
            vouches=entry.vouches or f"{_url(entry)}/auth",
            common=None if entry.mount is None else common,
            signs=tuple(_signs(part, fills)),
            rules=rules_of(entry.rules, part, fills),
            aliases=_aliases(names, part),
            summary=str(record.get("description") or ""),
            hidden=not entry.has_token,
        )


def _aliases(names: Mapping[str, str], part: str) -> tuple[str, ...]:
    return ALIASES.get(part, ()) if names[part] == part else ()


def _url(entry: Service) -> str:
    return entry.urls[0].rstrip("/")


def _root(mount: str | None) -> str:
    return "" if mount in (None, "/") else str(mount)


# --- what a record says


def local_server(record: Mapping[str, Any]) -> str:
    """The address of the local server, without a slash at its end; empty where the record has none."""
    server = record.get("local_server")
    return server.rstrip("/") if isinstance(server, str) else ""


def filled(datastack: str, record: Mapping[str, Any]) -> dict[str, str]:
    """What the methods of a datastack are given without being asked."""
    volume = record.get("aligned_volume")
    found = {
        "datastack": datastack,
        "aligned_volume": volume.get("name") if isinstance(volume, dict) else volume,
        "table": _table(record.get("segmentation_source")),
        "dataset": record.get("dataset"),
    }
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def _table(source: Any) -> str:
    """The name of a segmentation: the last part of the path of its source."""
    return source.rstrip("/").rpartition("/")[2] if isinstance(source, str) else ""


def _signs(part: str, fills: Mapping[str, str]) -> Iterator[tuple[bytes, bytes]]:
    """What in a path tells the datastack, where several share an address (cave.md section 1.3)."""
    if part in ("chunkedgraph", "meshing", "l2cache") and "table" in fills:
        yield b"table", fills["table"].encode()
    if part == "annotation" and "aligned_volume" in fills:
        yield b"aligned_volume", fills["aligned_volume"].encode()
    if part == "materialize":
        yield b"datastack", fills["datastack"].encode()
    if part == "skeleton":
        yield b"v1", fills["datastack"].encode()


def is_known(datastack: Any) -> bool:
    """Whether a name may be a datastack's: it becomes a step of paths, and part of policies."""
    return (
        isinstance(datastack, str)
        and 0 < len(datastack) <= 128
        and datastack.isascii()
        and datastack[0].isalnum()
        and all(char.isalnum() or char in "_.-" for char in datastack)
    )


# --- which local servers are trusted


def why_refused(server: str, entry: Service, allowed: Collection[str]) -> str | None:
    """Why the gate does not speak to a local server that a record names; None where it does.

    `allowed` are origins, or `https://*.host`; without any, the global server's host and its siblings are.
    """
    try:
        split = urlsplit(server)
        host, port = split.hostname, split.port
    except ValueError:
        return "its address is no URL"
    if split.scheme not in ("http", "https") or not host or split.username is not None:
        return "its address is no URL of a server"
    if split.query or split.fragment or any(char <= " " or char > "~" for char in server) or not _HOST(host):
        return "its address is no URL of a server"
    shown = f"[{host}]" if ":" in host else host
    origin = f"{split.scheme}://{shown}" + (f":{port}" if port is not None else "")
    if allowed:
        if any(_means(one, origin) for one in allowed):
            return None
        return f'`local_servers` does not name it: if it is one of yours, add "{origin}" there'
    why = _why_strange(split.scheme, host, entry)
    return None if why is None else f'{why}: if it is one of yours, write local_servers: ["{origin}"]'


def _why_strange(scheme: str, host: str, entry: Service) -> str | None:
    """Why a local server is none that is expected beside the global one; None where it is."""
    home = urlsplit(_url(entry))
    if scheme != home.scheme and home.scheme == "https":
        return "it is reached without TLS, and the global server is not"
    own = home.hostname or ""
    if own in _LOOPBACK:
        return None if host in _LOOPBACK else "it is not on this machine, as the global server is"
    _, _, parent = own.partition(".")
    if host == own or (parent.count(".") >= 1 and not _is_number(own) and host.endswith("." + parent)):
        return None
    return "it is no sibling of the global server"


def _means(allowed: str, origin: str) -> bool:
    scheme, _, host = allowed.partition("://*.")
    if host:
        return origin.startswith(scheme + "://") and origin.endswith("." + host)
    return normal_origin(allowed.encode()) == normal_origin(origin.encode())


def _is_number(host: str) -> bool:
    return host.replace(".", "").isdigit() or ":" in host


# --- rules


def rules_of(rules: Mapping[str, Rule], part: str, fills: Mapping[str, str]) -> dict[str, Rule]:
    """The rules of an entry that speak of one of its parts: `chunkedgraph.get_*` is `get_*` of that part.

    `{dataset}` in a right is the dataset whose permissions hold for the datastack; where nobody knows it, nothing is shared.
    """
    found: dict[str, Rule] = {}
    for glob, rule in rules.items():
        named, dot, rest = glob.partition(".")
        if dot:
            if part and named in (part, "*"):
                found[rest] = rule
        elif not part or glob == "*":
            found[glob] = rule
    return {glob: _authorized(rule, fills) for glob, rule in found.items()}


def _authorized(rule: Rule, fills: Mapping[str, str]) -> Rule:
    cache = rule.cache
    if cache is None or _DATASET not in cache.authorized:
        return rule
    dataset = fills.get("dataset")
    if dataset is None:
        return dataclasses.replace(rule, cache=replace(cache, share="nobody", authorized=""))
    return dataclasses.replace(
        rule, cache=replace(cache, authorized=cache.authorized.replace(_DATASET, dataset))
    )
