"""Which targets, verbs, bodies and fields do requests have?"""

from collections.abc import Iterator
from dataclasses import replace

from fidelity.asking import OCTETS, Case, Server, one, short
from fidelity.raw import Fields, Request

TARGETS = (
    b"/",
    b"/a",
    b"/a/",
    b"/a/b.c/d-e_f~g",
    b"/%C3%BC/%7e/%2B/%2b/%20",
    b"/%41%42%43",
    b"/100%25/%255C",
    b"/a%3Fb%23c",
    b"/a%26b%3Dc%3Bd",
    b"//double",
    b"/a//b///c",
    b"/a/b//",
    b"/runs;v=1/tiles;w=2;x",
    b"/@:!$'()*,;=&+",
    b"/a+b%20c",
    b"/...",
    b"/.hidden/a..b/..c/d..",
    b"/" + b"long/" * 1200,
    b"/" + b"x" * 4000,
    b"/a?b=c",
    b"/a?b=1&b=2&b&b=",
    b"/a?q=1+2%202&r=%2B&s=;t;u",
    b"/a?x[]=1&y%5B%5D=2&z={}|^`%22%3C%3E",
    b"/a?operation_ids=%5B41%2C+42%5D",
    b"/a?/b/../c?d=e",
    b"/a?%C3%BC=%c3%bc&%7E=~",
    b"/a?" + b"k=v&" * 1000,
    b"/a?&&==&",
    b"/a?=",
    b"/a?http://other.example/x?y%23z",
    b"/http://other.example/a",
    b"/rpc",
    b"/-/healthy",
    b"/up/up",
    b"/openapi.json?up=/up",
)
EMPTY_QUERY = b"/a?"

VERBS_WITH_BODY = (b"POST", b"PUT", b"PATCH", b"DELETE", b"PROPFIND", b"REPORT", b"MKCOL", b"LOCK", b"SEARCH")
VERBS = (b"GET", b"HEAD", b"OPTIONS", *VERBS_WITH_BODY, b"PROPPATCH", b"COPY", b"MOVE", b"UNLOCK", b"PURGE")

REQUEST_FIELDS: tuple[tuple[str, Fields], ...] = (
    ("none", ()),
    ("case", ((b"x-low", b"1"), (b"X-UP", b"2"), (b"x-MiXeD", b"3"), (b"ACCEPT", b"*/*"))),
    ("order", ((b"X-B", b"1"), (b"X-A", b"2"), (b"X-C", b"3"), (b"X-A2", b"4"))),
    ("twice", ((b"X-Twice", b"1"), (b"X-Other", b"o"), (b"X-Twice", b"2"), (b"x-twice", b"1"))),
    ("list twice", ((b"Accept", b"text/html"), (b"Accept", b"text/plain;q=0.5, */*;q=0.1"))),
    ("utf-8", ((b"X-Name", "Zürich → 東京".encode()),)),
    ("latin-1", ((b"X-Name", b"Z\xfcrich \xff\x80\xa0"),)),
    ("empty", ((b"X-Empty", b""), (b"X-Blank", b"  "), (b"X-After", b"1"))),
    ("tab", ((b"X-Tab", b"a\tb"), (b"X-Spaces", b"a  b   c"))),
    ("punctuation", ((b"X-!#$%&'*+.^`|~9", b"odd"), (b"X-Value", b'a"b\\c,;=:@[]{}<>?/'))),
    ("underscores", ((b"X_User", b"root"), (b"X-User", b"ada"), (b"Content_Length", b"7"))),
    ("long", ((b"X-Long", b"v" * 6000),)),
    ("many", tuple((b"X-Field-%d" % number, b"%d" % number) for number in range(80))),
    ("encodings", ((b"Accept-Encoding", b"br;q=1.0, gzip;q=0.5, *;q=0"), (b"Accept-Language", b"de-CH"))),
    ("agent", ((b"User-Agent", b"Wget/1.21.3 (linux-gnu)"),)),
    ("no cache", ((b"Cache-Control", b"no-cache"), (b"Pragma", b"no-cache"))),
    ("if none match", ((b"If-None-Match", b'"a", W/"b", *'), (b"If-Match", b'"c"'))),
    ("if modified", ((b"If-Modified-Since", b"Sat, 29 Oct 1994 19:43:31 GMT"),)),
    ("range", ((b"Range", b"bytes=0-99,200-299,-5"), (b"If-Range", b'"e"'))),
    ("odd range", ((b"Range", b"lines=1-2"),)),
    ("referer", ((b"Referer", b"http://127.0.0.1/elsewhere?a=b"), (b"DNT", b"1"))),
    ("basic for the upstream", ((b"Authorization", b"Basic dXNlcjpodXNo"),)),
    ("bearer for the upstream", ((b"Authorization", b"Bearer the-upstreams-own"),)),
    ("hop by hop", ((b"Connection", b"keep-alive, X-Hop"), (b"X-Hop", b"1"), (b"Keep-Alive", b"timeout=9"))),
    ("te", ((b"TE", b"trailers"), (b"Connection", b"TE"), (b"Trailer", b"X-End"))),
    ("proxy", ((b"Proxy-Authorization", b"Basic eA=="), (b"Proxy-Connection", b"keep-alive"))),
    ("type", ((b"Content-Type", b'multipart/form-data; boundary="a b"'), (b"Content-Language", b"rm"))),
    ("tracing", ((b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)),
    ("key", ((b"Idempotency-Key", b"8e03978e-40d5-43dd-bc93-6894a57f9324"),)),
    ("digest", ((b"Content-Digest", b"sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),)),
)

BODIES: tuple[tuple[str, Request], ...] = (
    ("nothing", Request()),
    ("length 0", Request(length=True)),
    ("one byte", Request(body=b"x")),
    ("json", Request(body=b'{"a": [1e400, NaN, -0.0, 123456789012345678901234567890], "a": "\\ud800"}')),
    ("every byte", Request(body=OCTETS)),
    ("one MiB", Request(body=OCTETS * 4096)),
    ("one chunk", Request(body=b"one chunk", chunks=(9,))),
    ("no chunk", Request(body=b"", chunks=(1,))),
    ("chunks of one byte", Request(body=OCTETS, chunks=(1,))),
    ("odd chunks", Request(body=OCTETS * 99, chunks=(1, 17, 4096, 3, 333))),
    ("one MiB in chunks", Request(body=OCTETS * 4096, chunks=(65521,))),
    ("line ends", Request(body=b"\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n")),
    ("line ends in chunks", Request(body=b"\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n", chunks=(3,))),
)


def targets(server: Server) -> Iterator[Case]:
    """Targets as written."""
    # uvicorn hands on an empty query as none, so that it cannot tell what it saw.
    for target in TARGETS + ((EMPTY_QUERY,) if server.name != "uvicorn" else ()):
        yield one(short(target), Request(target=target))
        yield one(f"POST {short(target)}", Request(b"POST", target, body=b"x"))


def verbs(server: Server) -> Iterator[Case]:
    """Every verb, with a body where it may have one."""
    for verb in VERBS:
        yield one(short(verb), Request(verb, b"/verb"))
    for verb in (*VERBS_WITH_BODY, b"GET", b"OPTIONS"):
        yield one(f"{short(verb)} with a body", Request(verb, b"/verb?with=body", body=b"body of any verb"))
        yield one(
            f"{short(verb)} with chunks", Request(verb, b"/verb?with=chunks", body=OCTETS, chunks=(100,))
        )


def bodies(server: Server) -> Iterator[Case]:
    """Bodies of requests."""
    for name, request in BODIES:
        for verb in (b"POST", b"PUT", b"DELETE", b"GET"):
            number = name.replace(" ", "-").encode()
            yield one(f"{short(verb)} {name}", replace(request, verb=verb, target=b"/body?" + number))


def request_fields(server: Server) -> Iterator[Case]:
    """Fields of requests."""
    for name, fields in REQUEST_FIELDS:
        yield one(name, Request(target=b"/fields?get", fields=fields))
        yield one(f"{name}, of a POST", Request(b"POST", b"/fields?post", fields, b"x"))
