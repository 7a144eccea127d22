"""Which requests are sent direct and through a mount, and what do they ask the upstream to answer?"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from fidelity import nginx, replies, requests
from fidelity.asking import OCTETS, REASONED, SCRIPTED, Case, Script, Server, one, with_script
from fidelity.raw import Request
from fidelity.replies import REASONS, REPLY_FIELDS, STATUSES
from fidelity.requests import BODIES, REQUEST_FIELDS, TARGETS, VERBS


def of(server: Server, theme: str) -> list[Case]:
    """The cases of a theme for one upstream."""
    return list(THEMES[theme](server))


def connections(server: Server) -> Iterator[Case]:
    """Several requests on one connection, old versions, `Connection: close` and `Expect: 100-continue`."""
    read = Request(target=b"/first?n=1")
    write = Request(b"POST", b"/second", body=OCTETS)
    chunked = Request(b"PUT", b"/third", body=OCTETS, chunks=(100,))
    head = Request(b"HEAD", b"/fourth")
    close = ((b"Connection", b"close"),)
    expect = ((b"Expect", b"100-continue"),)
    empty, missing = Script(204, b"No Content", framing="none"), Script(404, b"Not Found")
    chunks = Script(body=OCTETS, framing="chunked", pieces=3)
    yield Case("read after read", (read, replace(read, target=b"/first?n=2"), replace(read, target=b"/x")))
    yield Case("write, read, write", (write, read, chunked))
    yield Case("HEAD between", (read, head, write, head, chunked))
    yield Case(
        "every framing after every other",
        (
            with_script(read, empty),
            with_script(write, chunks),
            with_script(head, chunks),
            with_script(read, missing),
            chunked,
        ),
    )
    yield Case("twenty", tuple(Request(target=b"/twenty/%d" % number) for number in range(20)))
    yield Case("the last one says so", (read, replace(write, fields=close)))
    for name, request in (("read", read), ("write", write), ("chunks", chunked), ("HEAD", head)):
        yield one(f"{name}, closing", replace(request, fields=close))
        yield one(
            f"{name}, Close with another word", replace(request, fields=((b"connection", b"Close, X-None"),))
        )
        yield one(f"{name}, closing, in chunks", replace(request, fields=close), chunks)
    yield one("HTTP/1.0", replace(read, minor=0))
    yield one("HTTP/1.0 with a body", replace(write, minor=0))
    yield one("HTTP/1.0 with chunks coming back", replace(read, minor=0), chunks)
    yield one("HTTP/1.0, HEAD", replace(head, minor=0))
    yield one("HTTP/1.0, nothing", replace(read, minor=0), empty)
    for name, request in (("write", write), ("chunks", chunked)):
        yield one(f"{name}, waiting for 100", replace(request, fields=expect))
        yield one(f"{name}, waiting for 100, refused at the end", replace(request, fields=expect), missing)
        yield Case(f"{name}, waiting for 100, twice", (replace(request, fields=expect),) * 2)


def mixed(server: Server) -> Iterator[Case]:
    """Some of everything at once, drawn with a seed of its own for each server."""
    draw = random.Random(server.name)
    plain = [target for target in TARGETS if len(target) < 2000]
    # The same Idempotency-Key twice would be the same call twice.
    small = [fields for name, fields in REQUEST_FIELDS if name not in ("key", "long")]
    named = [fields for _, fields in REPLY_FIELDS if not any(n in (b"Trailer", b"Date") for n, _ in fields)]
    for number in range(100):
        _, framed = draw.choice(BODIES[:5] + BODIES[6:10])
        verb = draw.choice(VERBS[:7])
        if verb == b"HEAD":
            framed = Request()
        status, reason, fields = draw.choice(STATUSES)
        script = Script(
            status,
            draw.choice(REASONS) if server.name in REASONED and draw.random() < 0.3 else reason,
            fields + draw.choice(named),
            draw.choice((b"", b"ok", OCTETS)),
            draw.choice((1, 1, 7)),
            draw.choice(("length", "chunked")),
            draw.choice((1, 3)),
        )
        request = replace(framed, verb=verb, target=draw.choice(plain), fields=draw.choice(small))
        yield one(f"{number}", request, script)


SCRIPTED_THEMES: dict[str, Callable[[Server], Iterable[Case]]] = {
    "targets": requests.targets,
    "verbs": requests.verbs,
    "bodies": requests.bodies,
    "request fields": requests.request_fields,
    "statuses": replies.statuses,
    "reasons": replies.reasons,
    "reply fields": replies.reply_fields,
    "reply bodies": replies.reply_bodies,
    "of the origin": replies.of_the_origin,
    "connections": connections,
    "mixed": mixed,
}
NGINX_THEMES: dict[str, Callable[[Server], Iterable[Case]]] = {
    "files": nginx.files,
    "nginx's statuses": nginx.statuses,
    "echo": nginx.echo,
    "store": nginx.store,
}
THEMES = SCRIPTED_THEMES | NGINX_THEMES
GROUPS = [
    *(
        (server, theme)
        for server in SCRIPTED
        for theme in SCRIPTED_THEMES
        if (server, theme) != ("uvicorn", "reasons")
    ),
    *(("nginx", theme) for theme in NGINX_THEMES),
]
"""Every upstream with every theme that it has cases of."""
