"""What do the addresses of resources have in common? A scheme of the gate's own, a path, and a query of a bounded length."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

SCHEME: Final = "labgate:"
"""Resources are read through the gate: an http address would say that the client can load them by itself (RFC 3986)."""

LONGEST: Final = 4000
"""Characters of an address."""

_MOST_FIELDS: Final = 200


def parsed(uri: str, below: str) -> tuple[str, list[tuple[str, str]]] | None:
    """What follows `below` in the path, as it is written, and the pairs of the query; None for any other address."""
    path, _, query = uri.partition("?")
    prefix = SCHEME + below
    if len(uri) > LONGEST or not path.startswith(prefix) or "#" in uri:
        return None
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    return path[len(prefix) :], pairs
