"""Does the page about addresses and headers have all that the gate answers at, and every header of its own?"""

import re
from collections.abc import Iterator

from tests.reference.written import REFERENCE, ROOT

TEXT = (REFERENCE / "addresses.md").read_text(encoding="utf-8")
_PATH = re.compile(
    r"""[\"'](?:GET |POST )?(/(?:(?:-|\.well-known)/[a-z/-]+|rpc|mcp|openrpc\.json|openapi\.json))[\"']"""
)
_HEADER = re.compile(r"""\bb?[\"'](Labgate-[A-Z][A-Za-z-]+)[\":'=]""")
STANDARD = (
    "Idempotency-Key",
    "X-Request-Id",
    "Cache-Status",
    "Server-Timing",
    "RateLimit",
    "RateLimit-Policy",
    "Warning",
)
"""Headers that the gate writes or takes and that have names of others."""


def found(pattern: re.Pattern[str], *rooms: str) -> set[str]:
    """What the code of these rooms names."""

    def each() -> Iterator[str]:
        for room in rooms:
            for file in (ROOT / "gateway" / room).rglob("*.py"):
                yield from pattern.findall(file.read_text(encoding="utf-8"))

    return set(each())


def test_every_address_that_a_door_answers_at_is_on_the_page() -> None:
    addresses = found(_PATH, "")
    assert {"/-/status", "/-/healthy", "/-/whoami", "/-/links", "/rpc", "/mcp"} <= addresses
    assert not [one for one in addresses if one not in TEXT]


def test_every_header_of_the_gates_own_is_on_the_page() -> None:
    headers = found(_HEADER, "")
    assert {"Labgate-Catalog", "Labgate-Timeout", "Labgate-Token"} <= headers
    assert not [one for one in headers if f"`{one}" not in TEXT]
    assert not [one for one in STANDARD if f"`{one}" not in TEXT]


def test_no_header_of_the_gates_own_is_on_the_page_that_nobody_knows() -> None:
    assert set(re.findall(r"`(Labgate-[A-Za-z-]+)", TEXT)) <= found(_HEADER, "")
