"""Which stored parts answer a request for some bytes, and when do they make the whole (RFC 9111 sections 3.3 and 3.4)?

They lie in memory alone, under a key beside that of the whole, which no request but one for a range is looked up by.
"""

from __future__ import annotations

from msgspec.structs import replace

from gateway.core.byte_ranges import part_of, whole_of
from gateway.core.heads import AnswerHead
from gateway.core.http_fields import first
from gateway.core.http_storing import Storing
from gateway.core.parts import (
    LARGEST,
    head_of_parts,
    joined,
    parts_in,
    root_of_parts,
    served_part,
    whole_head,
)
from gateway.core.validators import etag_of
from gateway.core.verdict import Entry, Hit, HttpHead, Miss
from gateway.core.wanted import Wanted
from gateway.http_book import HttpBook


def find_part(book: HttpBook, wanted: Wanted, now: float) -> tuple[Hit, HttpHead, bytes] | None:
    """The fresh answer to a request for a range that stored parts make at `now`; None where they do not."""
    if not wanted.special:
        return None
    verdict = book.find(_for_parts(wanted), now).verdict
    if not isinstance(verdict, Hit):
        return None
    made = served_part(verdict.entry, wanted.asked)
    return None if made is None else (verdict, *made)


def is_part(wanted: Wanted, head: AnswerHead) -> bool:
    """Whether this answer to the request is one that may be put together with others."""
    if head.status != 206:
        return False
    asked = any(name.lower() == b"range" for name, _ in wanted.asked)
    tag = etag_of(head.fields)
    strong = tag is not None and not tag.startswith(b"W/")
    # What a rule says of results, it says of whole ones.
    return asked and strong and not wanted.rule.when


def store_part(
    book: HttpBook, wanted: Wanted, miss: Miss, how: Storing, body: bytes, received: float
) -> Entry | None:
    """Store the body of such an answer with the parts that are known, or the whole that they make; None if nothing was."""
    new = part_of(first(how.fields, b"content-range") or b"", body, etag_of(how.fields))
    if new is None:
        return None
    others = _for_parts(wanted)
    known = book.under(others)
    holds = known is not None and (known.epoch, known.generations) == (miss.epoch, miss.generations)
    parts = joined(parts_in(known) if known is not None and holds else (), new)
    whole = whole_of(parts)
    if whole is not None:
        if known is not None:
            book.drop(known)
        plain = replace(wanted, special=False)
        return book.store(plain, miss, how, whole_head(how.fields), whole, received)
    if sum(len(part.data) for part in parts) > min(LARGEST, wanted.rule.max_size):
        parts = (new,)
    made = b"".join(part.data for part in parts)
    return book.store(others, miss, how, head_of_parts(how.fields, parts), made, received, near=True)


def _for_parts(wanted: Wanted) -> Wanted:
    return replace(wanted, root=root_of_parts(wanted.root))
