"""What is asked of nginx? It is not scripted: it offers what its configuration in servers.py says."""

from collections.abc import Iterator
from dataclasses import replace

from fidelity.asking import Case, Server, one, short
from fidelity.raw import Fields, Request
from fidelity.requests import BODIES, TARGETS, VERBS


def files(server: Server) -> Iterator[Case]:
    """Files: ranges, tags, dates, types, compression, folders."""
    ranges = (
        *(b"bytes=0-0", b"bytes=0-99", b"bytes=100-", b"bytes=-1", b"bytes=-999999999", b"bytes=0-999999999"),
        *(
            b"bytes=0-0,-1",
            b"bytes=0-9,100-109,500-",
            b"bytes=5-3",
            b"bytes=999999999-",
            b"bytes=x",
            b"lines=0-1",
        ),
        *(b"bytes=0-9, 5-14", b"bytes=-0"),
    )
    for asked in ranges:
        for path in (b"/files/octets.bin", b"/files/page.html"):
            yield one(f"{short(path)} {short(asked)}", Request(target=path, fields=((b"Range", asked),)))
        yield one(f"HEAD {short(asked)}", Request(b"HEAD", b"/files/octets.bin", ((b"Range", asked),)))
    paths = (
        b"octets.bin",
        b"page.html",
        b"data.arrow",
        b"empty",
        b"folder/",
        b"folder",
        b"nothing",
        b"%C3%BC.txt",
    )
    for path in (b"/files/" + path for path in paths):
        for verb in (b"GET", b"HEAD", b"POST", b"OPTIONS", b"PROPFIND"):
            yield one(f"{short(verb)} {short(path)}", Request(verb, path))
    conditions: tuple[Fields, ...] = (
        ((b"If-Modified-Since", b"Sat, 29 Oct 1994 19:43:31 GMT"),),
        ((b"If-Modified-Since", b"Fri, 31 Dec 2100 23:59:59 GMT"),),
        ((b"If-Unmodified-Since", b"Sat, 29 Oct 1994 19:43:31 GMT"),),
        ((b"If-None-Match", b"*"),),
        ((b"If-None-Match", b'"other"'),),
        ((b"If-Match", b'"other"'),),
        ((b"If-Range", b'"other"'), (b"Range", b"bytes=0-9")),
        ((b"Accept-Encoding", b"gzip"),),
        ((b"Accept-Encoding", b"gzip"), (b"Range", b"bytes=0-9")),
    )
    for number, fields in enumerate(conditions):
        for verb in (b"GET", b"HEAD"):
            for path in (b"/files/page.html", b"/files/octets.bin"):
                yield one(f"condition {number}, {short(verb)} {short(path)}", Request(verb, path, fields))


def statuses(server: Server) -> Iterator[Case]:
    """Statuses and fields as nginx writes them."""
    for status in STATUSES:
        for verb in (b"GET", b"HEAD", b"POST"):
            yield one(f"{status} to {short(verb)}", Request(verb, b"/status/%d" % status))
    for name in REDIRECTS:
        for status in (301, 302, 307):
            yield one(f"{status} to {name}", Request(target=f"/to/{status}/{name}".encode()))
    for verb in (b"GET", b"HEAD", b"DELETE"):
        yield one(f"fields, to {short(verb)}", Request(verb, b"/reply-fields"))


def echo(server: Server) -> Iterator[Case]:
    """What nginx saw, told in its answer."""
    for target in TARGETS:
        yield one(short(target), Request(target=b"/echo" + target))
    yield one("empty query", Request(target=b"/echo?"))
    for verb in VERBS:
        yield one(short(verb), Request(verb, b"/echo/verb"))
    values = (
        b"",
        b"plain",
        b"a\tb",
        "Zürich".encode(),
        b"\xff\xfe",
        b"v" * 6000,
        b'"\\;,',
        b"  inner  spaces",
    )
    for number, value in enumerate(values):
        yield one(
            f"value {number}", Request(target=b"/echo/fields", fields=((b"X-One", value), (b"x-two", b"2")))
        )
    yield one("lower case", Request(target=b"/echo/fields", fields=((b"x-one", b"1"), (b"COOKIE", b"a=b"))))


def store(server: Server) -> Iterator[Case]:
    """What is put is got again, byte for byte."""
    own = frozenset({b"date", b"etag", b"last-modified"})
    for number, (name, request) in enumerate(BODIES):
        target = b"/store/%d" % number
        put = replace(request, verb=b"PUT", target=target, length=not request.body and not request.chunks)
        if request.chunks:
            put = replace(put, fields=((b"X-Why", b"chunks"),))
        steps = (
            put,
            Request(target=target),
            Request(b"HEAD", target),
            Request(b"DELETE", target),
            Request(target=target),
        )
        yield Case(name, steps, own)
        waiting = replace(put, fields=(*put.fields, (b"Expect", b"100-continue")))
        if request.body:
            yield Case(f"{name}, waiting for 100", (waiting, Request(b"DELETE", target)), own)


STATUSES = (
    *(
        200,
        201,
        202,
        203,
        204,
        206,
        207,
        226,
        299,
        304,
        400,
        401,
        403,
        404,
        405,
        410,
        418,
        422,
        429,
        451,
        499,
    ),
    *(500, 501, 502, 503, 504, 507, 599),
)
REDIRECTS = {
    "absolute": "http://127.0.0.1:$server_port/elsewhere?a=%2B",
    "path": "/elsewhere?a=%2B",
    "other": "https://other.example/else?a=b",
}
