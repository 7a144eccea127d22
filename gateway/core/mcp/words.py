"""Which words of the Model Context Protocol do both of its sides use? (modelcontextprotocol.io, revisions by date)"""

from __future__ import annotations

import base64
import binascii
from typing import Final

MODERN: Final = "2026-07-28"
"""The revision in which every request says everything about itself, and there is neither handshake nor session."""

LEGACY: Final = ("2025-11-25", "2025-06-18")
"""The revisions that begin with `initialize`, the newest first."""

VERSIONS: Final = (MODERN, *LEGACY)

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT_KEY: Final = "io.modelcontextprotocol/clientInfo"
CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
SERVER_KEY: Final = "io.modelcontextprotocol/serverInfo"

MIRRORED: Final = {"tools/call": "name", "resources/read": "uri", "prompts/get": "name"}
"""The member of `params` that the field `Mcp-Name` repeats, by the method (2026-07-28, Streamable HTTP, request metadata)."""

HEADER_MISMATCH: Final = -32020
UNSUPPORTED_VERSION: Final = -32022
NO_SUCH_RESOURCE: Final = -32002
"""Only of the legacy revisions; the modern one says -32602."""

_PREFIX, _SUFFIX = "=?base64?", "?="


def in_field(text: str) -> str:
    """The text as a header field can say it (2026-07-28, Streamable HTTP, value encoding)."""
    plain = text.isascii() and text.isprintable() and text == text.strip() and text
    if plain and not (text.startswith(_PREFIX) and text.endswith(_SUFFIX)):
        return text
    return _PREFIX + base64.b64encode(text.encode("utf-8", "surrogatepass")).decode() + _SUFFIX


def from_field(value: str) -> str | None:
    """The text that a header field says so; None where it cannot be read."""
    if not (value.startswith(_PREFIX) and value.endswith(_SUFFIX)):
        return value
    try:
        return base64.b64decode(value[len(_PREFIX) : -len(_SUFFIX)], validate=True).decode()
    except (binascii.Error, ValueError):
        return None
