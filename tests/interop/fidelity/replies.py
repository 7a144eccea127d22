"""Which statuses, reasons, fields and bodies are answered?"""

import base64
from collections.abc import Iterator

from fidelity.asking import OCTETS, Case, Script, Server, one, short
from fidelity.raw import Fields, Request

STATUSES: tuple[tuple[int, bytes, Fields], ...] = (
    (200, b"OK", ()),
    (201, b"Created", ((b"Location", b"made/7"),)),
    (202, b"Accepted", ()),
    (203, b"Non-Authoritative Information", ()),
    (206, b"Partial Content", ((b"Content-Range", b"bytes 0-1/10"),)),
    (207, b"Multi-Status", ((b"Content-Type", b"application/xml"),)),
    (226, b"IM Used", ((b"IM", b"feed"),)),
    (299, b"", ()),
    (300, b"Multiple Choices", ()),
    (302, b"Found", ()),
    (400, b"Bad Request", ()),
    (
        401,
        b"Unauthorized",
        ((b"WWW-Authenticate", b'Basic realm="up"'), (b"WWW-Authenticate", b"Digest a=1")),
    ),
    (402, b"Payment Required", ()),
    (403, b"Forbidden", ()),
    (404, b"Not Found", ()),
    (409, b"Conflict", ()),
    (410, b"Gone", ()),
    (418, b"I'm a teapot", ()),
    (422, b"Unprocessable Content", ()),
    (429, b"Too Many Requests", ((b"Retry-After", b"7"),)),
    (451, b"Unavailable For Legal Reasons", ()),
    (499, b"", ()),
    (500, b"Internal Server Error", ()),
    (501, b"Not Implemented", ()),
    (502, b"Bad Gateway", ()),
    (503, b"Service Unavailable", ((b"Retry-After", b"120"),)),
    (504, b"Gateway Timeout", ()),
    (507, b"Insufficient Storage", ()),
    (599, b"", ()),
)
BODILESS = ((204, b"No Content"), (304, b"Not Modified"))

REASONS = (
    b"",
    b"ok",
    b"Fine, thanks",
    b"  spaces  inside  ".strip(),
    b"Tr\xe8s bien",
    "Zürich →".encode(),
    b"<b>\"quoted\" & 'odd'</b> % # ?",
    b"200 OK",
    b"HTTP/1.1 404 Not Found",
    b"x" * 500,
)

REPLY_FIELDS: tuple[tuple[str, Fields], ...] = (
    ("none", ()),
    ("case", ((b"x-low", b"1"), (b"X-UP", b"2"), (b"x-MiXeD", b"3"), (b"eTAG", b'"e"'))),
    ("order", ((b"X-B", b"1"), (b"X-A", b"2"), (b"Content-Type", b"text/plain"), (b"X-C", b"3"))),
    ("twice", ((b"X-Twice", b"1"), (b"X-Other", b"o"), (b"x-twice", b"2"), (b"X-Twice", b"1"))),
    ("lists", ((b"Link", b"<a>; rel=next"), (b"Link", b"<b>; rel=prev"), (b"Vary", b"A"), (b"Vary", b"B"))),
    (
        "utf-8",
        ((b"X-Name", "Zürich".encode()), (b"Content-Disposition", 'attachment; filename="ü"'.encode())),
    ),
    ("latin-1", ((b"X-Name", b"Z\xfcrich \xff\x80"),)),
    ("empty", ((b"X-Empty", b""), (b"X-After", b"1"))),
    ("tab", ((b"X-Tab", b"a\tb"), (b"X-Spaces", b"a  b   c"))),
    ("underscores", ((b"column_names", b'["a", "b"]'), (b"X_Y", b"1"), (b"X-Y", b"2"))),
    ("punctuation", ((b"X-!#$%&'*+.^`|~9", b"odd"), (b"X-Value", b'a"b\\c,;=:@[]{}<>?/'))),
    ("long", ((b"X-Long", b"v" * 3000), (b"X-Long", b"w" * 1500))),
    ("many", tuple((b"X-F%d" % number, b"%d" % number) for number in range(120))),
    ("no store", ((b"Cache-Control", b"private, no-store"), (b"Pragma", b"no-cache"), (b"Expires", b"-1"))),
    ("fresh", ((b"Cache-Control", b"max-age=60"), (b"ETag", b'W/"7"'))),
    (
        "dated",
        ((b"Date", b"Sat, 29 Oct 1994 19:43:31 GMT"), (b"Last-Modified", b"Sat, 29 Oct 1994 19:43:31 GMT")),
    ),
    ("used bounds", ((b"Used-Bounds", b"true"), (b"Warning", b'299 - "Limited to 10"'))),
    ("type of no kind", ((b"Content-Type", b"data.arrow"),)),
    ("type with parameters", ((b"Content-Type", b'text/html ; charset="utf-8";a=b'),)),
    ("empty type", ((b"Content-Type", b""),)),
    ("type twice", ((b"Content-Type", b"text/plain"), (b"Content-Type", b"text/html"))),
    ("server", ((b"Server", b"its-own/1.0"), (b"X-Powered-By", b"steam"))),
    ("via", ((b"Via", b"1.0 fred, 1.1 p.example.net"),)),
    ("cache status", ((b"Cache-Status", b"upstream; hit"), (b"Age", b"7"))),
    ("timing", ((b"Server-Timing", b"db;dur=53"), (b"Timing-Allow-Origin", b"*"))),
    ("policy", ((b"Content-Security-Policy", b"default-src 'self'"), (b"X-Frame-Options", b"DENY"))),
    ("ranges", ((b"Accept-Ranges", b"bytes"), (b"Allow", b"GET, HEAD, BREW"))),
    ("refresh", ((b"Refresh", b"5; url=/elsewhere"),)),
    ("trailer announced", ((b"Trailer", b"X-End"), (b"TE", b"trailers"))),
    ("hop by hop", ((b"Keep-Alive", b"timeout=1"), (b"Proxy-Authenticate", b"Basic"), (b"Upgrade", b"h2c"))),
)

SPEAKS_FOR_THE_ORIGIN: tuple[Fields, ...] = (
    ((b"Alt-Svc", b'h3=":443"'), (b"X-Stays", b"1")),
    ((b"Service-Worker-Allowed", b"/"), (b"X-Stays", b"1")),
    ((b"Clear-Site-Data", b'"*"'), (b"X-Stays", b"1")),
    ((b"strict-transport-security", b"max-age=31536000"), (b"X-Stays", b"1")),
    ((b"Access-Control-Allow-Origin", b"*"), (b"access-control-expose-headers", b"*"), (b"X-Stays", b"1")),
    ((b"Access-Control-Allow-Credentials", b"true"), (b"Vary", b"Origin")),
)
COOKIES = (
    b"a=b",
    b"a=b; Path=/",
    b"a=b; path=/app; HttpOnly",
    b"a=b; Path=/app/; Secure; SameSite=Lax",
    b"a=b; Domain=lab.example; Path=/",
    b"a=b; Domain=.lab.example",
    b"a=; Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    b'a="b c"; Path=/x; Priority=High',
    b"a=b=c==; Path=/",
    b"middle_auth_token=hush; Path=/; HttpOnly; Domain=127.0.0.1",
)
LOCATIONS = (  # HERE stands for the upstream's own authority, which is known only when it runs.
    b"next",
    b"./next?page=2",
    b"?page=2",
    b"#part",
    b"/top",
    b"/top?a=%2B&b=%C3%BC#part",
    b"/",
    b"http://HERE/absolute",
    b"http://HERE/absolute?next=http%3A%2F%2FHERE%2F",
    b"http://HERE/",
    b"http://HERE",
    b"http://other.example/else",
    b"https://other.example:8443/else?back=http://HERE/",
    b"//other.example/else",
    b"http://HERE.other.example/",
    b"mailto:someone@lab.example",
)


def statuses(server: Server) -> Iterator[Case]:
    """Every status that is odd somewhere, answered to reads and to writes."""
    for status, reason, fields in STATUSES:
        for verb in (b"GET", b"HEAD", b"POST", b"DELETE"):
            script = Script(status, reason, fields, b"told: %d" % status)
            yield one(f"{status} to {short(verb)}", Request(verb, b"/status/%d" % status), script)
        empty = Script(status, reason, fields, b"")
        yield one(f"{status} with nothing", Request(target=b"/status/%d?empty" % status), empty)
    for status, reason in BODILESS:
        for verb in (b"GET", b"HEAD", b"POST"):
            script = Script(status, reason, ((b"ETag", b'"e"'),), b"", framing="none")
            yield one(f"{status} to {short(verb)}", Request(verb, b"/status/%d" % status), script)
    yield one("205", Request(b"POST", b"/status/205"), Script(205, b"Reset Content", (), b""))
    length = Script(304, b"Not Modified", ((b"ETag", b'"e"'), (b"Content-Length", b"4711")), framing="none")
    yield one("304 with the length of what is not sent", Request(target=b"/status/304?length"), length)


def reasons(server: Server) -> Iterator[Case]:
    """Reason phrases."""
    for number, reason in enumerate(REASONS):
        for status in (200, 299, 404):
            request = Request(target=b"/reason/%d/%d" % (status, number))
            yield one(f"{status} {short(reason)}", request, Script(status, reason))


def reply_fields(server: Server) -> Iterator[Case]:
    """Fields of replies."""
    for number, (name, fields) in enumerate(REPLY_FIELDS):
        if server.name == "node" and name == "trailer announced":
            continue  # It insists on chunks then: see `reply_bodies`.
        if server.name != "node" and name == "dated":
            continue  # They add a Date of their own to it.
        for verb in (b"GET", b"POST", b"HEAD"):
            request = Request(verb, b"/reply-fields/%d" % number)
            yield one(f"{name}, to {short(verb)}", request, Script(fields=fields))


def reply_bodies(server: Server) -> Iterator[Case]:
    """Bodies of replies, and their framing."""
    gzip = base64.b64decode("H4sIAAAAAAACA8tIzcnJBwCGphA2BQAAAA==")
    scripts = [
        ("empty", Script(body=b"")),
        ("small", Script(body=b"x")),
        ("every byte", Script(body=OCTETS)),
        ("one MiB", Script(body=OCTETS, times=4096)),
        ("gzip", Script(fields=((b"Content-Encoding", b"gzip"), (b"Vary", b"Accept-Encoding")), body=gzip)),
        ("no gzip at all", Script(fields=((b"Content-Encoding", b"gzip"),), body=b"not compressed")),
        ("an unknown coding", Script(fields=((b"Content-Encoding", b"x-own"),), body=OCTETS)),
        ("chunks", Script(body=OCTETS, framing="chunked", pieces=7)),
        ("no chunks", Script(body=b"", framing="chunked")),
        ("one MiB in chunks", Script(body=OCTETS, times=4096, framing="chunked", pieces=16)),
        ("json", Script(body=b'{"b": NaN, "a": 1e400, "b": 12345678901234567890123}')),
        (
            "events",
            Script(fields=((b"Content-Type", b"text/event-stream"),), body=b"data: 1\n\n", framing="chunked"),
        ),
    ]
    if server.name == "node":
        scripts += [
            ("until it closes", Script(body=OCTETS, framing="close")),
            ("one MiB until it closes", Script(body=OCTETS, times=4096, framing="close")),
            ("nothing until it closes", Script(body=b"", framing="close")),
            (
                "trailers",
                Script(fields=((b"Trailer", b"X-End"),), framing="chunked", trailers=((b"X-End", b"1"),)),
            ),
            ("early hints", Script(interim=(103,))),
            ("many interim answers", Script(interim=(100, 102, 103, 103))),
        ]
    for number, (name, script) in enumerate(scripts):
        for verb in (b"GET", b"POST", b"HEAD"):
            if script.trailers and verb == b"HEAD":
                continue  # Node refuses to announce what follows no body.
            request = Request(verb, b"/reply-bodies/%d" % number, ((b"Accept-Encoding", b"gzip"),))
            yield one(f"{name}, to {short(verb)}", request, script)
        if script.trailers:
            continue
        old = Request(target=b"/reply-bodies/%d?old" % number, minor=0)
        yield one(f"{name}, to HTTP/1.0", old, script)


def of_the_origin(server: Server) -> Iterator[Case]:
    """Cookies, addresses and what speaks for an origin: the exceptions of replies."""
    for number, fields in enumerate(SPEAKS_FOR_THE_ORIGIN):
        request = Request(target=b"/origin/%d" % number)
        yield one(short(fields[0][0]), request, Script(fields=fields))
    for number, cookie in enumerate(COOKIES):
        script = Script(fields=((b"X-Before", b"1"), (b"Set-Cookie", cookie), (b"X-After", b"1")))
        yield one(f"Set-Cookie: {short(cookie)}", Request(target=b"/app/cookie/%d" % number), script)
    several = tuple((b"Set-Cookie", cookie) for cookie in COOKIES)
    yield one("several cookies", Request(b"POST", b"/app/log-in"), Script(fields=several))
    for number, location in enumerate(named.replace(b"HERE", server.authority) for named in LOCATIONS):
        for status in (201, 301, 302, 303, 307, 308):
            script = Script(status, b"Somewhere", ((b"Location", location),))
            request = Request(target=b"/a/b/location/%d/%d" % (status, number))
            yield one(f"{status} to {short(location)}", request, script)
        script = Script(fields=((b"content-location", location),))
        request = Request(b"POST", b"/a/b/content-location/%d" % number)
        yield one(f"Content-Location: {short(location)}", request, script)
