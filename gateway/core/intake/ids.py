"""Which ids does the gate give? Signed texts that say all there is to know: they outlive every process that reads them."""

from __future__ import annotations

import base64
import binascii
import zlib
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from cachetools import LRUCache

from gateway.core.intake.chains import Chain
from gateway.core.intake.refusals import Refusal
from gateway.core.intake.wire import UnreadableError

_WHOLE: Final = "g1."
_PACKED: Final = "z1."
_LONG: Final = "h1."
LONGEST: Final = 2048
"""Bytes of a chain that stand in its id, packed where they are more; for longer ones, which no header field would hold, a digest does."""
_UNPACKED: Final = 64 << 10
_KEPT: Final = 8 << 20
_SIGNATURE: Final = 16
_UNKNOWN: Final = "unknown source id: open the entry again"


class SourceIds:
    """Makes and reads ids. What they are made of is no secret; that this gate made them is signed."""

    def __init__(self, secret: bytes) -> None:
        """`secret` is what replicas have in common and callers do not know."""
        self._key = blake2b(secret, digest_size=32, person=b"intake ids").digest()
        self._long: LRUCache[bytes, bytes] = LRUCache(_KEPT, getsizeof=len)

    def made(self, service: str, chain: Chain, longest: int = LONGEST) -> str:
        """The id of what the chain leads to in the service of this qualified name; `longest` is for what no header field holds."""
        said = chain.packed
        if len(said) <= longest:
            return _WHOLE + _text(self._signature(_WHOLE, service, said) + said)
        packed = zlib.compress(said) if len(said) <= _UNPACKED else b""
        if 0 < len(packed) <= LONGEST:
            return _PACKED + _text(self._signature(_PACKED, service, packed) + packed)
        digest = blake2b(said, digest_size=32).digest()
        if len(said) <= _KEPT:
            self._long[digest] = said
        return _LONG + _text(self._signature(_LONG, service, digest) + digest)

    def read(self, service: str, written: object) -> Chain:
        """What an id stands for. Raises Refusal for what this gate has not made for this service, or forgotten."""
        if not isinstance(written, str):
            raise Refusal(400, "source_id is no text")
        kind, data = written[:3], _bytes(written[3:])
        signature, said = data[:_SIGNATURE], data[_SIGNATURE:]
        if kind not in (_WHOLE, _PACKED, _LONG) or not compare_digest(
            signature, self._signature(kind, service, said)
        ):
            raise Refusal(400, _UNKNOWN)
        if kind == _LONG:
            kept = self._long.get(said)
            if kept is None:
                raise Refusal(410, "the gate has forgotten this long source id: open or search again")
            said = kept
        elif kind == _PACKED:
            said = zlib.decompress(said)  # this gate has packed it, or it would not be signed
        try:
            return Chain.of(said)
        except (UnreadableError, ValueError, TypeError):
            raise Refusal(400, _UNKNOWN) from None

    def _signature(self, kind: str, service: str, said: bytes) -> bytes:
        text = b"%b%d:%b%b" % (kind.encode(), len(service), service.encode(), said)
        return blake2b(text, digest_size=_SIGNATURE, key=self._key).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(written: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(written.encode("ascii") + b"=" * (-len(written) % 4))
    except (binascii.Error, UnicodeEncodeError):
        return b""
