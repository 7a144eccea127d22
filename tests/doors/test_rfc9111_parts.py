"""RFC 9111 sections 3.3 and 3.4: parts are stored, answer for what lies within them, and are put together to the whole."""

import json

import pytest
from mounted_labs import REST, document
from mounting import as_json, told
from rfc9111 import FRESH, SHARED, ask, hit, miss, row, table

DIGITS = b"0123456789"
TAG = 'ETag: "a"'


def fetched(first, last, *lines, says=f"{SHARED}\n{TAG}", text=DIGITS, **how):
    """The origin sends this part of ten digits."""
    said = f"{says}\nContent-Range: bytes {first}-{last}/{len(text)}"
    part = text[first : last + 1]
    return miss(
        f"Range: bytes={first}-{last}", *lines, status="206 Partial Content", says=said, text=part, **how
    )


def known(first, last, *lines, text=DIGITS, **how):
    """Nobody is asked: what came before holds this part."""
    has = {"Content-Range": f"^bytes {first}-{last}/{len(text)}$", "ETag": '"a"'} | how.pop("has", {})
    gets = text[first : last + 1]
    return hit(f"Range: bytes={first}-{last}", *lines, of=None, code=206, gets=gets, has=has, **how)


def whole(**how):
    """The whole, of which nobody is asked."""
    lacks = ("Content-Range",)
    return hit(of=None, code=200, gets=DIGITS, lacks=lacks, has={"Content-Length": "^10$"}, **how)


STORED = [
    row("3.3", "a part answers for itself", fetched(2, 5), known(2, 5, has={"Age": "^[0-2]$"})),
    row("3.3", "and for what lies within it", fetched(2, 5), known(3, 4), hit("Range: bytes=2-2", of=None, code=206, gets=b"2")),
    row("3.3", "not for what reaches beyond it", fetched(2, 5), fetched(4, 6), fetched(0, 1)),
    row("3.3", "never for the whole", fetched(0, 8), miss()),
    row("3.3", "nor for a HEAD", fetched(0, 8), miss(verb="HEAD")),
    row("3.3", "nor for several ranges", fetched(0, 8), miss("Range: bytes=0-1,3-4")),
    row("3.3", "nor for a condition", fetched(0, 8), miss("Range: bytes=0-1", 'If-None-Match: "b"')),
    row("3.3", "of the last bytes it knows how many there are", fetched(6, 9), hit("Range: bytes=-2", of=None, code=206, gets=b"89"), hit("Range: bytes=7-", of=None, code=206, gets=b"789"), fetched(5, 9)),
    row("3.3", "with an If-Range that means it", fetched(2, 5), known(2, 5, 'If-Range: "a"'), fetched(2, 5, 'If-Range: "b"')),
    row("3.3", "for whoever may have it", fetched(2, 5), known(2, 5, by="bob")),
    row("3.3", "and for nobody else", fetched(2, 5, says=f"{FRESH}\n{TAG}"), fetched(2, 5, by="bob"), known(2, 5)),
    row("3.3", "as long as it is fresh", fetched(2, 5, says=f"Cache-Control: public, max-age=1\nAge: 60\n{TAG}"), fetched(2, 5)),
    row("3.3", "where it may be stored", fetched(2, 5, says=f"Cache-Control: no-store\n{TAG}"), fetched(2, 5)),
    row("3.3", "and it says how long it serves", fetched(2, 5, says=TAG), fetched(2, 5)),
    row("4.1", "for a request that says the same", fetched(2, 5, "X-A: 1", says=f"{SHARED}\n{TAG}\nVary: X-A"), fetched(2, 5, "X-A: 2", says=f"{SHARED}\n{TAG}\nVary: X-A"), known(2, 5, "X-A: 1"), known(2, 5, "X-A: 2")),
    row("5.2.1", "unless the caller wants it from the service", fetched(2, 5), fetched(2, 5, "Cache-Control: no-cache")),
    row("5.2.1.7", "or nothing that is not stored", fetched(2, 5), known(2, 5, "Cache-Control: only-if-cached"), ask("Range: bytes=2-6", "Cache-Control: only-if-cached", asked=False, code=504)),
    row("4.4", "until something is written there", fetched(2, 5), miss(verb="PUT", body=b"x", hit=False), fetched(2, 5)),
]  # fmt: skip

TOGETHER = [
    row("3.4", "parts that touch are one", fetched(2, 4), fetched(5, 7), known(3, 6)),
    row("3.4", "parts that overlap are", fetched(2, 5), fetched(4, 7), known(2, 7)),
    row("3.4", "those with a gap are not", fetched(0, 2), fetched(6, 8), known(1, 2), known(6, 7), fetched(1, 7)),
    row("3.4", "when the gap is filled they are", fetched(0, 2), fetched(6, 8), fetched(3, 5), known(0, 8), miss()),
    row("3.4", "all of them are the whole", fetched(0, 4), fetched(5, 9), whole(), known(3, 6), whole(by="bob")),
    row("3.4", "in any order, and more than once", fetched(7, 9), fetched(0, 3), fetched(2, 8), whole(), hit(verb="HEAD", code=200, of=None, has={"Content-Length": "^10$"})),
    row("3.4", "one part that is everything is the whole", fetched(0, 9), whole()),
    row("3.4", "with the fields of the last", fetched(0, 4, says=f"{SHARED}\n{TAG}\nX-A: 1"), fetched(5, 9, says=f"{SHARED}\n{TAG}\nX-A: 2"), whole()),
    row("3.4", "not of another version", fetched(0, 4), fetched(5, 9, says=f'{SHARED}\nETag: "b"'), miss()),
    row("3.4", "of which nothing is left then", fetched(0, 4), fetched(5, 9, says=f'{SHARED}\nETag: "b"'), fetched(0, 4)),
    row("3.4", "not by a weak tag", fetched(0, 4, says=f'{SHARED}\nETag: W/"a"'), fetched(5, 9, says=f'{SHARED}\nETag: W/"a"'), fetched(0, 4), miss()),
    row("3.4", "not without one", fetched(0, 4, says=SHARED), fetched(5, 9, says=SHARED), fetched(0, 4), miss()),
    row("3.4", "not by the date of a change", fetched(0, 4, says=f"{SHARED}\nLast-Modified: <-9999>"), fetched(5, 9, says=f"{SHARED}\nLast-Modified: <-9999>"), fetched(0, 4), miss()),
    row("3.4", "not around a write", fetched(0, 4), miss(verb="PUT", body=b"x", hit=False), fetched(5, 9), fetched(0, 4), whole()),
    row("3.4", "not where they contradict each other", fetched(0, 6), fetched(5, 9, text=b"01234X6789"), fetched(0, 4)),
]  # fmt: skip

ODD = [
    row("14.4", "a part that does not say which it is", *(miss("Range: bytes=0-1", status="206 Partial Content", says=f"{SHARED}\n{TAG}", text=b"01"),) * 2),
    row("14.4", "or of how much", *(miss("Range: bytes=0-1", status="206 Partial Content", says=f"{SHARED}\n{TAG}\nContent-Range: bytes 0-1/*", text=b"01"),) * 2),
    row("14.4", "or is shorter than it says", *(miss("Range: bytes=0-4", status="206 Partial Content", says=f"{SHARED}\n{TAG}\nContent-Range: bytes 0-4/10", text=b"01"),) * 2),
    row("14.6", "several in one answer", *(miss("Range: bytes=0-1,4-5", status="206 Partial Content", says=f"{SHARED}\n{TAG}\nContent-Type: multipart/byteranges; boundary=x", text=b"--x--"),) * 2),
    row("15.3.7", "one that nobody asked for", *(miss(status="206 Partial Content", says=f"{SHARED}\n{TAG}\nContent-Range: bytes 0-1/10", text=b"01"),) * 2),
]  # fmt: skip


@pytest.mark.parametrize("rows", [STORED, TOGETHER, ODD], ids=["stored", "together", "odd"])
async def test_parts_answer_for_what_lies_within_them_and_are_put_together_by_a_strong_tag_alone(stand, rows):
    await (await table(stand)).run(rows)


async def test_no_more_is_kept_of_parts_than_the_rule_lets_be_stored_and_they_are_told_to_operators(stand):
    up = await stand.upstream()
    up.on("/openapi.json", as_json(document()))
    await stand.gate(REST.format(url=up.url))
    ada = stand.caller("lab")

    async def ten_of_twenty(asked):
        first, last = map(int, asked.values("Range")[0].removeprefix(b"bytes=").split(b"-"))
        lines = (TAG, f"Content-Range: bytes {first}-{last}/20")
        return told((DIGITS * 2)[first : last + 1], *lines, status="206 Partial Content")

    async def hits(line):
        answer = await ada.get("/lab/small/1", line)
        said = json.loads((await stand.at(ada).rpc("/-/explain", question(line))).body)
        assert answer.status == 206
        return answer.hit, said["outcome"]

    def question(line):
        name, _, value = line.partition(": ")
        return {"path": "/lab/small/1", "fields": {name: value}}

    up.on("/small/1", ten_of_twenty)
    # The rule says eight bytes: two parts of five are too much, and the later one stays; one of nine is, too.
    assert await hits("Range: bytes=0-4") == (False, "hit")
    assert await hits("Range: bytes=1-3") == (True, "hit")
    assert await hits("Range: bytes=10-14") == (False, "hit")
    assert await hits("Range: bytes=10-11") == (True, "hit")
    assert await hits("Range: bytes=0-8") == (False, "miss")
    assert await hits("Range: bytes=12-14") == (True, "hit")
