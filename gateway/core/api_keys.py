"""What does a key of the gate's look like, and can this text be one?

`lgk_`, 43 digits of base 62 for 256 random bits, 6 for the CRC-32 of all before them. Scanners for leaked secrets recognise
it, and what was cut off or made up is refused without a look-up.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final
from zlib import crc32

PREFIX: Final = "lgk_"
RANDOM_BYTES: Final = 32

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LONG: Final = 43
_SUM: Final = 6
_form = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_LONG + _SUM}}}")


def key_of(random: bytes) -> str:
    """The key that these random bytes make."""
    body = PREFIX + _digits(int.from_bytes(random, "big"), _LONG)
    return body + _digits(crc32(body.encode()), _SUM)


def is_key(text: str) -> bool:
    """Whether the text has the form of a key, and its sum is right."""
    if not _form.fullmatch(text):
        return False
    body = text[:-_SUM]
    return _digits(crc32(body.encode()), _SUM) == text[-_SUM:]


def digest(key: str) -> str:
    """What is kept of a key: enough to know it again, and nothing to make it from.

    A plain SHA-256 is right here. Slow hashes are for what people think up; nobody guesses 256 random bits, and the look-up
    is by the digest, so that its time tells nothing of a key.
    """
    return sha256(key.encode()).hexdigest()


def _digits(number: int, length: int) -> str:
    found = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        found = _DIGITS[digit] + found
    return found
