"""RFC 9111 sections 4.1 and 4.3, and RFC 9110's conditions and ranges: which stored reply answers, and whether it still holds."""

import pytest
from rfc9111 import FRESH, LANES, Row, ask, confirmed, hit, miss, row, table

TAG = 'ETag: "a"'
WEAK = 'ETag: W/"a"'
OLD = "Cache-Control: max-age=60\nAge: 100"
THEN = "Thu, 01 Jan 2015 00:00:00 GMT"
BEFORE = "Wed, 31 Dec 2014 23:59:59 GMT"
AFTER = "Thu, 01 Jan 2015 00:00:01 GMT"
CHANGED = f"Last-Modified: {THEN}"

ASKING = [
    row("4.3.1", "an entity tag asks", miss(says=f"{OLD}\n{TAG}"), miss(sent={"If-None-Match": '"a"', "If-Modified-Since": None})),
    row("4.3.1", "a weak one, too", miss(says=f"{OLD}\n{WEAK}"), miss(sent={"If-None-Match": 'W/"a"'})),
    row("4.3.1", "so does the date of the last change", miss(says=f"{OLD}\n{CHANGED}"), miss(sent={"If-Modified-Since": THEN, "If-None-Match": None})),
    row("4.3.1", "and both together", miss(says=f"{OLD}\n{TAG}\n{CHANGED}"), miss(sent={"If-Modified-Since": THEN, "If-None-Match": '"a"'})),
    *(
        row("4.3.1", f"{tag!r} is no entity tag, and no question", miss(says=f"{FRESH}\nETag: {tag}"), miss("Cache-Control: no-cache", sent={"If-None-Match": None}))
        for tag in ("a", '"a', 'a"', 'w/"a"', 'W/ "a"', '"a" "b"', '"a\tb"', "W/a", '"a"b')
    ),
    row("4.3.1", "two different entity tags are none", miss(says=f'{FRESH}\n{TAG}\nETag: "b"'), miss("Cache-Control: no-cache", sent={"If-None-Match": None})),
    row("4.3.1", "a Last-Modified that is no date is none", miss(says=f"{FRESH}\nLast-Modified: yesterday"), miss("Cache-Control: no-cache", sent={"If-Modified-Since": None})),
    row("4.3.1", "an empty entity tag is one", miss(says=f'{OLD}\nETag: ""'), miss(sent={"If-None-Match": '""'})),
    row("4.3.1", "nothing is asked about what is not stored", miss(sent={"If-None-Match": None})),
    row("4.3.2", "the caller's own entity tags are asked about too", miss(says=f"{OLD}\n{TAG}"), miss('If-None-Match: "b", W/"c"', sent={"If-None-Match": '"b", W/"c", "a"'})),
    row("4.3.2", "each of them once", miss(says=f"{OLD}\n{TAG}"), miss('If-None-Match: "a", W/"a"', sent={"If-None-Match": '"a"'})),
    row("4.3.2", "the caller's date gives way to ours", miss(says=f"{OLD}\n{CHANGED}"), miss(f"If-Modified-Since: {BEFORE}", sent={"If-Modified-Since": THEN})),
    row("4.3.2", "without a stored reply the caller's conditions pass", miss('If-None-Match: "b"', f"If-Modified-Since: {THEN}", sent={"If-None-Match": '"b"', "If-Modified-Since": THEN})),
    row("4.3.2", "those for the service alone pass", miss(says=f"{FRESH}\n{TAG}"), miss('If-Match: "a"', sent={"If-Match": '"a"'}), miss(f"If-Unmodified-Since: {THEN}", sent={"If-Unmodified-Since": THEN}), hit()),
]  # fmt: skip

CONFIRMED = [
    row("4.3.3", "a 304 makes the stored reply fresh", miss(says=f"{OLD}\n{TAG}"), confirmed(says=f"{FRESH}\n{TAG}", code=200, has={"Age": "^[0-2]$"}), hit(has={"ETag": '^"a"$'})),
    row("4.3.3", "once for each time that it says no-cache", miss(says=f"Cache-Control: no-cache\n{TAG}"), confirmed(says=TAG), confirmed(says=TAG), miss(says=FRESH), hit(of=3)),
    row("4.3.3", "another reply takes its place", miss(says=f"{OLD}\n{TAG}"), miss(says=f'{FRESH}\nETag: "b"'), hit(of=1)),
    row("4.3.3", "an error takes no place, and what was stored is asked about again", miss(says=f"{OLD}\n{TAG}"), miss(status="500 Oh"), miss(sent={"If-None-Match": '"a"'})),
    row("4.3.3", "another reply that may not be stored ends the stored one", miss(says=f"{OLD}\n{TAG}"), miss(says="Cache-Control: no-store"), miss(sent={"If-None-Match": None})),
    row("4.3.3", "and so does one that is gone", miss(says=f"{OLD}\n{TAG}"), miss(status="404 No"), miss(sent={"If-None-Match": None})),
    row("4.3.4", "a 304 brings new fields", miss(says=f"{OLD}\n{TAG}\nX-A: 1\nX-B: 1"), confirmed(says=f"{FRESH}\n{TAG}\nX-A: 2\nX-C: 2", has={"X-A": "^2$", "X-B": "^1$", "X-C": "^2$"}), hit(has={"X-A": "^2$", "X-B": "^1$", "X-C": "^2$"})),
    row("4.3.4", "also a repeated one as a whole", miss(says=f"{OLD}\n{TAG}\nX-A: 1\nX-A: 2"), confirmed(says=f"{FRESH}\n{TAG}\nX-A: 3", has={"X-A": "^3$"})),
    *(
        row("3.2", f"but not {name}", miss(says=f"{OLD}\n{TAG}\n{name}: {old}"), confirmed(says=f"{FRESH}\n{TAG}\n{name}: {new}", has={name: f"^{old}$"}), hit(has={name: f"^{old}$"}))
        for name, old, new in (("Content-Encoding", "x-a", "x-b"), ("Content-Length", "6", "1"))
    ),
    row("3.2", "nor Content-Range", miss(says=f"{OLD}\n{TAG}"), confirmed(says=f"{FRESH}\n{TAG}\nContent-Range: bytes 0-0/1", lacks=("Content-Range",))),
    row("3.2", "nor fields of the connection", miss(says=f"{OLD}\n{TAG}"), confirmed(says=f"{FRESH}\n{TAG}\nConnection: X-Hop\nX-Hop: 1", lacks=("X-Hop",)), hit(lacks=("X-Hop",))),
    row("3.2", "Content-Type is brought", miss(says=f"{OLD}\n{TAG}\nContent-Type: text/plain"), confirmed(says=f"{FRESH}\n{TAG}\nContent-Type: text/html", has={"Content-Type": "text/html"})),
    row("4.3.4", "without freshness of its own the stored one counts anew", miss(says=f"{OLD}\n{TAG}"), confirmed(says=TAG), hit()),
    row("4.3.4", "the Date is the new one", miss(says=f"Date: <-500>\n{OLD}\n{TAG}"), confirmed(says=f"Date: <-20>\n{FRESH}\n{TAG}", has={"Date": "^(<-20>|<-21>)$", "Age": "^2[0-2]$"})),
    row("4.3.4", "a 304 that forbids to store ends the stored reply, which serves once more", miss(says=f"{OLD}\n{TAG}"), confirmed(says=f"Cache-Control: no-store\n{TAG}"), miss(sent={"If-None-Match": None})),
    row("4.3.4", "a 304 without a validator means what was asked about", miss(says=f"{OLD}\n{TAG}"), confirmed(says=FRESH), hit()),
    row("4.3.4", "a weak tag confirms a weak one", miss(says=f"{OLD}\n{WEAK}"), confirmed(says=f"{FRESH}\n{WEAK}"), hit()),
    row("4.3.4", "and the date the date", miss(says=f"{OLD}\n{CHANGED}"), confirmed(says=f"{FRESH}\n{CHANGED}"), hit()),
    row("4.3.4", "a reply to a request of another caller's is theirs", miss(says=f"{OLD}\n{TAG}"), miss(by="bob", says=f"{OLD}\n{TAG}", sent={"If-None-Match": None})),
    row("4.3.4", "what is shared is confirmed for all", miss(says=f"Cache-Control: public, max-age=60\nAge: 100\n{TAG}"), confirmed(by="bob", says=f"Cache-Control: public, max-age=60\n{TAG}"), hit()),
    row("4.3.4", "a 304 about another tag is no answer: the whole is asked for", miss(says=f"{OLD}\n{TAG}"), ask(status="304 Not Modified", says='ETag: "other"', asked=True, times=2)),
    row("4.3.3", "a caller's Range is answered from what was confirmed", miss(says=f"{OLD}\n{TAG}"), confirmed("Range: bytes=0-3", says=f"{FRESH}\n{TAG}", of=None, code=206, gets=b"body")),
    row("4.3.3", "or by the part that the service sends", miss(says=f"{OLD}\n{TAG}"), miss("Range: bytes=0-3", status="206 Partial Content", says=f"Content-Range: bytes 0-3/6\n{TAG}", text=b"BODY")),
]  # fmt: skip


def same(section, name, line, says, *, unchanged, **how) -> Row:
    """A stored reply, and a caller who asks whether it has changed."""
    second = hit(line, code=304 if unchanged else 200, lacks=("Content-Length",) if unchanged else (), **how)
    return row(section, name, miss(says=f"{FRESH}\n{says}"), second)


CALLERS = [
    same("4.3.2", "the tag", 'If-None-Match: "a"', TAG, unchanged=True, has={"ETag": '"a"', "Age": "^[0-2]$", "Cache-Control": "max-age"}),
    same("4.3.2", "another tag", 'If-None-Match: "b"', TAG, unchanged=False),
    same("4.3.2", "one of several", 'If-None-Match: "b", "a"', TAG, unchanged=True),
    same("4.3.2", "one of several without spaces", 'If-None-Match: "b","a"', TAG, unchanged=True),
    same("4.3.2", "on two lines", 'If-None-Match: "b"\r\nIf-None-Match: "a"', TAG, unchanged=True),
    same("4.3.2", "a comma within a tag", 'If-None-Match: "x,a", "a"', TAG, unchanged=True),
    same("4.3.2", "a tag that is part of another", 'If-None-Match: "aa"', TAG, unchanged=False),
    same("4.3.2", "any", "If-None-Match: *", TAG, unchanged=True),
    same("4.3.2", "any, where there is no tag", "If-None-Match: *", "X: 1", unchanged=True),
    same("4.3.2", "weakly equal", 'If-None-Match: W/"a"', TAG, unchanged=True),
    same("4.3.2", "weakly equal the other way", 'If-None-Match: "a"', WEAK, unchanged=True),
    same("4.3.2", "what is no tag", "If-None-Match: a", TAG, unchanged=False),
    same("4.3.2", "a tag where there is none", 'If-None-Match: "a"', CHANGED, unchanged=False),
    same("4.3.2", "the date", f"If-Modified-Since: {THEN}", CHANGED, unchanged=True, has={"Last-Modified": THEN}),
    same("4.3.2", "a later date", f"If-Modified-Since: {AFTER}", CHANGED, unchanged=True),
    same("4.3.2", "an earlier date", f"If-Modified-Since: {BEFORE}", CHANGED, unchanged=False),
    same("4.3.2", "what is no date", "If-Modified-Since: yesterday", CHANGED, unchanged=False),
    same("4.3.2", "two dates", f"If-Modified-Since: {THEN}\r\nIf-Modified-Since: {AFTER}", CHANGED, unchanged=False),
    same("4.3.2", "a date in another form", "If-Modified-Since: Thu Jan  1 00:00:00 2015", CHANGED, unchanged=True),
    same("4.3.2", "by Date where nothing says when it was changed", "If-Modified-Since: <+1000>".replace("<+1000>", "Thu, 01 Jan 2099 00:00:00 GMT"), "X: 1", unchanged=True),
    same("4.3.2", "the tag goes before the date: it differs", f'If-None-Match: "b"\r\nIf-Modified-Since: {AFTER}', f"{TAG}\n{CHANGED}", unchanged=False),
    same("4.3.2", "the tag goes before the date: it agrees", f'If-None-Match: "a"\r\nIf-Modified-Since: {BEFORE}', f"{TAG}\n{CHANGED}", unchanged=True),
    row("15.4.5", "a 304 says no more than it must", miss(says=f"{FRESH}\n{TAG}\n{CHANGED}\nContent-Type: text/x\nX-A: 1\nVary: X-V\nContent-Location: /x"), hit('If-None-Match: "a"', code=304, lacks=("Content-Type", "X-A", "Last-Modified", "Content-Length"), has={"Vary": "X-V", "Date": "GMT", "Content-Location": "x"})),
    row("13.2.1", "what is no success has no condition", miss(status="404 No", says=f"{FRESH}\n{TAG}"), hit('If-None-Match: "a"', code=404)),
    row("4.3.2", "a caller whose own tag is confirmed gets the 304", miss(says=f"{OLD}\n{TAG}"), ask('If-None-Match: "b"', status="304 Not Modified", says='ETag: "b"', asked=True, code=304)),
    row("4.3.2", "a caller who has what is confirmed gets a 304", miss(says=f"{OLD}\n{TAG}"), ask('If-None-Match: "a"', status="304 Not Modified", says=f"{FRESH}\n{TAG}", asked=True, code=304), hit()),
    row("4.3.2", "and whoever has another gets the whole", miss(says=f"{OLD}\n{TAG}"), confirmed('If-None-Match: "b"', says=f"{FRESH}\n{TAG}", code=200), hit()),
    row("4.3.2", "whoever has an old date gets the whole that is confirmed", miss(says=f"{OLD}\n{TAG}\n{CHANGED}"), ask(f"If-Modified-Since: {BEFORE}", status="304 Not Modified", says="X: 1", asked=True, code=200, of=0, sent={"If-None-Match": '"a"', "If-Modified-Since": THEN})),
    row("4.3.2", "a 304 that does not say of which tag it speaks is asked for anew", miss(says=f"{OLD}\n{TAG}"), ask('If-None-Match: "b"', status="304 Not Modified", says="X: 1", asked=True, times=2, code=304, sent={"If-None-Match": '"b"'})),
    row("4.3.2", "a 304 to a caller's own condition is not stored", ask('If-None-Match: "b"', status="304 Not Modified", says=f'{FRESH}\nETag: "b"', asked=True, code=304), miss(says=FRESH)),
    row("4.3.2", "a 200 to it is", miss('If-None-Match: "b"', says=f"{FRESH}\n{TAG}"), hit()),
]  # fmt: skip

DIGITS = b"0123456789"


def part(section, name, line, *, gets, said=None, says=TAG, code=206) -> Row:
    """A stored reply of ten digits, and a request for some of them."""
    has = {"Content-Range": f"^{said}$"} if said else {}
    lacks = () if said else ("Content-Range",)
    second = hit(line, code=code, of=None, gets=gets, has=has, lacks=lacks)
    return row(section, name, miss(says=f"Date: <-1>\n{FRESH}\n{says}", text=DIGITS), second)


RANGES = [
    part("14.1", "the first bytes", "Range: bytes=0-3", gets=b"0123", said="bytes 0-3/10"),
    part("14.1", "some in the middle", "Range: bytes=4-4", gets=b"4", said="bytes 4-4/10"),
    part("14.1", "to the end", "Range: bytes=7-", gets=b"789", said="bytes 7-9/10"),
    part("14.1", "beyond the end", "Range: bytes=7-1000", gets=b"789", said="bytes 7-9/10"),
    part("14.1", "everything", "Range: bytes=0-", gets=DIGITS, said="bytes 0-9/10"),
    part("14.1", "the last bytes", "Range: bytes=-3", gets=b"789", said="bytes 7-9/10"),
    part("14.1", "more than there are", "Range: bytes=-30", gets=DIGITS, said="bytes 0-9/10"),
    part("14.1", "spaces and capitals", "Range: Bytes= 0-3", gets=b"0123", said="bytes 0-3/10"),
    part("15.5.17", "past the end", "Range: bytes=10-", gets=b"", said=r"bytes \*/10", code=416),
    part("15.5.17", "the last none", "Range: bytes=-0", gets=b"", said=r"bytes \*/10", code=416),
    *(
        part("14.2", f"{line!r} is answered with the whole", f"Range: {line}", gets=DIGITS, code=200)
        for line in ("bytes=0-1,3-4", "bytes=3-1", "bytes=", "bytes=-", "bytes=a-b", "items=0-1", "0-1", "bytes=0--1", "bytes 0-1", "bytes=99999999999999999999-")
    ),
    part("14.2", "two lines are answered with the whole", "Range: bytes=0-1\r\nRange: bytes=2-3", gets=DIGITS, code=200),
    part("13.1.5", "If-Range with the tag", 'Range: bytes=0-1\r\nIf-Range: "a"', gets=b"01", said="bytes 0-1/10"),
    part("13.1.5", "with another tag", 'Range: bytes=0-1\r\nIf-Range: "b"', gets=DIGITS, code=200),
    part("13.1.5", "with the tag as a weak one", 'Range: bytes=0-1\r\nIf-Range: W/"a"', gets=DIGITS, code=200),
    part("13.1.5", "a weak tag is no part's", 'Range: bytes=0-1\r\nIf-Range: W/"a"', gets=DIGITS, code=200, says=WEAK),
    part("13.1.5", "with the date", f"Range: bytes=0-1\r\nIf-Range: {THEN}", gets=b"01", said="bytes 0-1/10", says=CHANGED),
    part("13.1.5", "with a later date", f"Range: bytes=0-1\r\nIf-Range: {AFTER}", gets=DIGITS, code=200, says=CHANGED),
    part("13.1.5", "with a date a moment old", "Range: bytes=0-1\r\nIf-Range: x", gets=DIGITS, code=200, says="Last-Modified: <-2>"),
    part("13.1.5", "two of them", 'Range: bytes=0-1\r\nIf-Range: "a"\r\nIf-Range: "a"', gets=DIGITS, code=200),
    row("13.2.2", "a condition comes before the range", miss(says=f"{FRESH}\n{TAG}"), hit("Range: bytes=0-1", 'If-None-Match: "a"', code=304)),
    row("14.2", "no part of what is no 200", miss(status="404 No", says=FRESH), hit("Range: bytes=0-1", code=404)),
    row("14.2", "nor of a HEAD", miss(says=FRESH), hit("Range: bytes=0-1", verb="HEAD", code=200, has={"Content-Length": "^6$"})),
    row("3.3", "a part is not stored", miss("Range: bytes=0-1", status="206 Partial Content", says=f"{FRESH}\nContent-Range: bytes 0-1/6", text=b"bo"), miss("Range: bytes=0-1", status="206 Partial Content", says=f"{FRESH}\nContent-Range: bytes 0-1/6", text=b"bo"), miss(says=FRESH)),
    row("3.3", "the whole that a Range gets is", miss("Range: bytes=0-1", says=FRESH), hit(), hit("Range: bytes=0-1", of=None, code=206, gets=b"bo")),
    row("3.3", "a 416 is not stored", miss("Range: bytes=99-", status="416 No", says=FRESH), miss(says=FRESH)),
]  # fmt: skip

HEADS = [
    row("4", "HEAD is answered from a GET", miss(says=f"{FRESH}\n{TAG}\nX-A: 1"), hit(verb="HEAD", code=200, has={"Content-Length": "^6$", "X-A": "^1$", "ETag": '"a"'})),
    row("4", "GET is not answered from a HEAD", miss(verb="HEAD", says=FRESH), miss(says=FRESH)),
    row("4", "nor is HEAD", miss(verb="HEAD", says=FRESH), miss(verb="HEAD", says=FRESH)),
    row("4.3.5", "HEAD renews what it agrees with", miss(says=f"{OLD}\n{TAG}"), miss(verb="HEAD", says=f"{FRESH}\n{TAG}\nContent-Length: 6\nX-New: 1"), hit(has={"X-New": "^1$"})),
    row("4.3.5", "another length ends it", miss(says=f"{OLD}\n{TAG}"), miss(verb="HEAD", says=f"{FRESH}\n{TAG}\nContent-Length: 7"), miss(sent={"If-None-Match": None})),
    row("4.3.5", "another tag ends it", miss(says=f"{OLD}\n{TAG}"), miss(verb="HEAD", says=f'{FRESH}\nETag: "b"\nContent-Length: 6'), miss(sent={"If-None-Match": None})),
    row("4.3.5", "another date of change ends it", miss(says=f"{OLD}\n{TAG}\n{CHANGED}"), miss(verb="HEAD", says=f"{FRESH}\n{TAG}\nLast-Modified: {AFTER}\nContent-Length: 6"), miss(sent={"If-None-Match": None})),
    row("4.3.5", "an error says nothing", miss(says=f"{OLD}\n{TAG}"), miss(verb="HEAD", status="500 Oh"), miss(sent={"If-None-Match": '"a"'})),
    row("4.3.2", "HEAD with a condition", miss(says=f"{FRESH}\n{TAG}"), hit('If-None-Match: "a"', verb="HEAD", code=304)),
]  # fmt: skip


def varying(name, vary, first, same, other) -> Row:
    """A reply that varies, the lines that mean the same request, and those that do not."""
    says = f"{FRESH}\nVary: {vary}"
    return row(
        "4.1",
        name,
        miss(*first, says=says),
        *(hit(*lines) for lines in same),
        *(miss(*lines, says=says) for lines in other),
        hit(*first),
    )


VARYING = [
    varying("a field's value", "X-A", ("X-A: 1",), [("x-a: 1",), ("X-A:  1 ",)], [("X-A: 2",), ()]),
    varying("absent is not empty", "X-A", (), [()], [("X-A:",), ("X-A: 1",)]),
    varying("empty is not absent", "X-A", ("X-A:",), [("X-A: ",)], [()]),
    varying("two fields", "X-A, X-B", ("X-A: 1", "X-B: 2"), [("X-B: 2", "X-A: 1")], [("X-A: 1",), ("X-B: 2",), ("X-A: 2", "X-B: 1")]),
    varying("two lines of Vary", "X-A\nVary: X-B", ("X-A: 1", "X-B: 2"), [("X-B: 2", "X-A: 1")], [("X-A: 1",), ("X-A: 1", "X-B: 3")]),
    varying("lines are one list", "X-A", ("X-A: 1", "X-A: 2"), [("X-A: 1, 2",), ("X-A: 1,2",), ("X-A: 1 ,\t2",)], [("X-A: 2, 1",), ("X-A: 12",)]),
    varying("spaces within quotes stay", "X-A", ('X-A: "1, 2"',), [], [('X-A: "1,2"',)]),
    varying("case of values", "X-A", ("X-A: a",), [], [("X-A: A",)]),
    varying("case of names", "x-a, X-B", ("X-A: a", "x-b: b"), [("x-A: a", "X-b: b")], [("X-A: a",)]),
    varying("others do not matter", "X-A", ("X-A: 1", "X-Z: 1"), [("X-A: 1",), ("X-A: 1", "X-Z: 2")], []),
    varying("what the key has anyway", "Accept", ("Accept: a",), [("Accept: a",)], [("Accept: b",), ()]),
    varying("names that nobody knows", "X-A, Foo-Bar", ("X-A: 1",), [("X-A: 1",)], [("X-A: 1", "Foo-Bar: 1")]),
    varying("empty parts", ", X-A ,,", ("X-A: 1",), [("X-A: 1",)], [("X-A: 2",)]),
    varying("thirty names", ", ".join(f"X-{n}" for n in range(30)), ("X-7: 1",), [("X-7: 1",)], [("X-29: 1", "X-7: 1"), ()]),
    row("4.1", "a hundred names are too many", miss(says=f"{FRESH}\nVary: " + ", ".join(f"X-{n}" for n in range(100))), miss()),
    row("4.1", "what is no name", miss(says=f"{FRESH}\nVary: X A"), miss()),
    row("4.1", "by what the gate adds", miss(says=f"{FRESH}\nVary: X-Forwarded-For"), miss()),
    row("4.1", "Accept decides though nothing says so", miss("Accept: a", says=FRESH), miss("Accept: b", says=FRESH), hit("Accept: a"), hit("Accept: b", of=1)),
    row("4.1", "so does Accept-Encoding", miss("Accept-Encoding: a", says=FRESH), miss("Accept-Encoding: b", says=FRESH), hit("Accept-Encoding: a")),
    row("4.1", "other fields do not", miss("X-A: 1", says=FRESH), hit("X-A: 2")),
    row("4.1", "names come together over time", miss("X-A: 1", says=f"{FRESH}\nVary: X-A"), miss("X-A: 2", says=f"{FRESH}\nVary: X-B"), hit("X-A: 2", of=1), miss("X-A: 2", "X-B: 1", says=f"{FRESH}\nVary: X-B")),
    row("4.1", "for each principal", miss("X-A: 1", says=f"{FRESH}\nVary: X-A"), miss("X-A: 1", by="bob", says=f"{FRESH}\nVary: X-A"), hit("X-A: 1"), hit("X-A: 1", by="bob", of=1)),
    row("4.1", "each variant is asked about by itself", miss("X-A: 1", says=f"{OLD}\nVary: X-A\n{TAG}"), miss("X-A: 2", says=f'{OLD}\nVary: X-A\nETag: "b"', sent={"If-None-Match": None}), confirmed("X-A: 2", of=1, says=f'{FRESH}\nETag: "b"', sent={"If-None-Match": '"b"'}), miss("X-A: 1", sent={"If-None-Match": '"a"'})),
    row("4.1", "what was for all and is for one no longer serves others", miss(says=f"Cache-Control: public, max-age=60\nAge: 100\n{TAG}"), miss(says=FRESH), miss(by="bob", says=FRESH), hit(of=1)),
]  # fmt: skip

TABLES = {
    "asking": ASKING,
    "confirmed": CONFIRMED,
    "callers": CALLERS,
    "ranges": RANGES,
    "heads": HEADS,
    "varying": VARYING,
}


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("rows", TABLES.values(), ids=list(TABLES))
async def test_a_stored_reply_answers_where_it_was_chosen_for_such_a_request_and_still_holds(
    stand, rows, lanes
):
    await (await table(stand, lanes)).run(rows)
