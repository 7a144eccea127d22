"""May this head pass, and where does its message end (RFC 9112 sections 3 and 6)?"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from gateway.core.reply import Fields
from gateway.wire.limits import Limits
from gateway.wire.refusal import Refusal

CHUNKED: Final = -1
"""The length of a body that comes in chunks."""

END: Final = b"\r\n\r\n"

# A verb is any token (RFC 9110 section 9.1); but some servers take `get` for GET, and every registered one is in capitals:
_VERB = rb"[A-Z][A-Z0-9_-]*"
_REQUEST_LINE = re.compile(rb"(%b) ([!-~\x80-\xff]+) (HTTP/[0-9]\.[0-9])\r\n" % _VERB)
_VERSIONS: Final = {b"HTTP/1.1": 1, b"HTTP/1.0": 0}
# The fields that matter here, of a head in lower case; a folded line is found as a field without name.
_FIELDS = re.compile(
    rb"\r\n(?:(host|content-length|transfer-encoding|expect|upgrade|connection):[ \t]*([^\r]*)|[ \t])"
)
_TWICE: Final = {
    b"host": Refusal.HOST,
    b"content-length": Refusal.LENGTH,
    b"transfer-encoding": Refusal.LENGTH,
}
_AUTHORITY = re.compile(rb"https?://([^/?#]+)(?:[/?].*)?")
_HOST = re.compile(rb"(?:[a-z0-9._~!$&'()*+,;=%-]*|\[[0-9a-f:.]+\])(?::[0-9]*)?")

# Beyond 18 digits llhttp and we might overflow differently; no body is that long.
_LENGTH_DIGITS: Final = 18


class Head(Struct, frozen=True, gc=False):
    """What the connection must know of a head that may pass.

    `length` is that of the body in bytes, `CHUNKED` if the body says it itself. `minor` is the version's second
    digit. `expects` = the caller waits for `100 Continue`. `upgrade` = a WebSocket may follow: nothing else does.
    """

    length: int
    minor: int
    expects: bool = False
    upgrade: bool = False
    bodiless: bool = False
    """The answer has no body, whatever it says: the verb is HEAD."""
    keep_alive: bool = True
    """Whether the caller wants the connection to carry another request (RFC 9112 section 9.3)."""


def find_end(data: bytes | bytearray, searched: int, limits: Limits) -> int | Refusal:
    """Where the head ends that `data` begins with: the index after it, 0 if it is not whole yet.

    The first `searched` bytes were looked through before.
    """
    start = max(0, searched - len(END) + 1)
    end = data.find(END, start)
    if end >= 0:
        end += len(END)
        return end if end <= limits.header_bytes else Refusal.LARGE_HEAD
    if len(data) > limits.header_bytes:
        return Refusal.LARGE_HEAD
    # What never becomes a head is not waited for: TLS and other protocols, lines that end in a bare LF.
    if not b"A" <= data[:1] <= b"Z" or data.count(b"\n", start) != data.count(b"\r\n", max(0, start - 1)):
        return Refusal.MALFORMED
    return 0


def examine(head: bytes, limits: Limits) -> Head | Refusal:
    """What a whole head says; a Refusal wherever two readers could disagree about where its message ends.

    It checks what aiohttp's parser does not (versions, hosts, lengths); that parser reads the head after this
    and refuses the rest (bytes that no field may hold, verbs it does not know).
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        return Refusal.MALFORMED
    verb, target, version = line.groups()
    if version not in _VERSIONS:
        return Refusal.VERSION
    if verb == b"CONNECT":
        return Refusal.TUNNEL
    lines = head.count(b"\r\n")
    if head.count(b"\n") != lines or head.count(b"\r") != lines:
        return Refusal.MALFORMED
    if lines - 2 > limits.fields or _has_long_line(head, limits.line_bytes):
        return Refusal.LARGE_HEAD
    minor = _VERSIONS[version]
    fields: dict[bytes, bytes] = {}
    for name, value in _FIELDS.findall(head.lower()):
        refusal = _TWICE.get(name)
        if refusal is not None and name in fields:
            return refusal
        fields[name] = fields[name] + b"," + value if name in fields else value
    if b"" in fields:
        return Refusal.MALFORMED
    if not _hosts_agree(fields.get(b"host"), target, minor):
        return Refusal.HOST
    length = _body_length(fields, minor)
    if length is None:
        return Refusal.LENGTH
    expectation = fields.get(b"expect") if minor else None
    if expectation is not None and expectation.rstrip(b" \t") != b"100-continue":
        return Refusal.EXPECTATION
    return Head(
        length=length,
        minor=minor,
        expects=expectation is not None and length != 0,
        upgrade=minor == 1 and _upgrades(fields),
        bodiless=verb == b"HEAD",
        keep_alive=_keeps_alive(fields.get(b"connection", b""), minor),
    )


_LINE = re.compile(rb"(?m)^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)\r$")


_ORIGIN_LINE = re.compile(rb"(%b) (/[!-~\x80-\xff]*)" % _VERB).fullmatch


def usual_line(line: bytes) -> tuple[bytes, bytes] | None:
    """Verb and target of a request line without its version, where its target is a path and the verb not CONNECT."""
    found = _ORIGIN_LINE(line)
    if found is None or line.startswith(b"CONNECT "):
        return None
    return found[1], found[2]


def fields_of(head: bytes) -> Fields | None:
    """The fields of a head that `examine` let pass, as they were sent but for the spaces around their values.

    None if a byte is not one that RFC 9110 section 5.5 allows.
    """
    fields = _LINE.findall(head, head.index(b"\r\n") + 2)
    if len(fields) != head.count(b"\r\n") - 2:
        return None
    if b" \r\n" in head or b"\t\r\n" in head:
        fields = [(name, value.rstrip(b" \t")) for name, value in fields]
    return tuple(fields)


def _keeps_alive(connection: bytes, minor: int) -> bool:
    options = {option.strip(b" \t") for option in connection.split(b",")} if connection else ()
    return b"close" not in options if minor else b"keep-alive" in options


def _has_long_line(head: bytes, limit: int) -> bool:
    return len(head) > limit and max(map(len, head.split(b"\r\n"))) > limit


def _hosts_agree(host: bytes | None, target: bytes, minor: int) -> bool:
    """Whether Host is what RFC 9112 section 3.2 asks for, and an absolute target names the same authority."""
    host = None if host is None else host.rstrip(b" \t")
    if not (minor == 0 if host is None else _HOST.fullmatch(host)):
        return False
    if target.startswith(b"/") or target == b"*":
        return True
    authority = _AUTHORITY.fullmatch(target.lower())
    return authority is not None and authority[1] == host


def _body_length(fields: dict[bytes, bytes], minor: int) -> int | None:
    """The body's length or CHUNKED; None where RFC 9112 section 6.1 calls the framing faulty or ambiguous."""
    length = fields.get(b"content-length")
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        # Not even a space behind it: some readers do not know it with one.
        return CHUNKED if minor and length is None and coding == b"chunked" else None
    if length is None:
        return 0
    length = length.rstrip(b" \t")
    return int(length) if length.isdigit() and len(length) <= _LENGTH_DIGITS else None


def _upgrades(fields: dict[bytes, bytes]) -> bool:
    """Whether the head asks for a WebSocket (RFC 9110 section 7.8); other upgrades are ignored, as they may be."""
    # Loosely: rather one connection too many closed than a frame read as another request.
    return b"websocket" in fields.get(b"upgrade", b"") and b"upgrade" in fields.get(b"connection", b"")
