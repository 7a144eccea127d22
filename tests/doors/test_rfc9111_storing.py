"""RFC 9111 section 3: what is stored, through the running gate."""

import pytest
from rfc9111 import FRESH, LANES, SHARED, Row, ask, hit, miss, row, table


def stored(section, name, says, **how) -> Row:
    """A reply that serves the next request."""
    return row(section, name, miss(says=says, **how), hit(code=int(how.get("status", "200")[:3])))


def unstored(section, name, says, *lines, **how) -> Row:
    """A reply that serves no other."""
    return row(section, name, miss(*lines, says=says, **how), miss(*lines, says=says, **how))


FINAL = (200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 451, 500, 501, 503)
UNKNOWN = (218, 299, 399, 418, 499, 599)
ONE_REQUESTS = (206, 412, 416)

TABLE = [
    *(stored("3", f"a {code} with explicit freshness is stored", FRESH, status=f"{code} It") for code in FINAL),
    *(
        stored("3", f"a {code} that nobody knows is stored with explicit freshness", FRESH, status=f"{code} It")
        for code in UNKNOWN
    ),
    *(
        unstored("3", f"a {code} is for its own request", FRESH, status=f"{code} It") for code in ONE_REQUESTS
    ),
    *(
        unstored("3", f"a {code} without freshness is not stored", "X-Own: 1", status=f"{code} It")
        for code in (*FINAL, *UNKNOWN)
    ),
    *(
        unstored("3", f"a reply to {verb} is not stored", SHARED, verb=verb)
        for verb in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
    ),
    # --- who forbids it
    unstored("5.2.2.5", "no-store", "Cache-Control: max-age=60, no-store"),
    unstored("5.2.2.5", "NO-STORE in capitals", "Cache-Control: max-age=60, NO-STORE"),
    unstored("5.2.2.5", "no-store on a line of its own", "Cache-Control: max-age=60\nCache-Control: no-store"),
    unstored("5.2.2.5", "no-store before", "Cache-Control: no-store\nCache-Control: max-age=60"),
    unstored("5.2.2.5", "no-store with a value", "Cache-Control: max-age=60, no-store=x"),
    unstored("5.2.2.5", "no-store beside public", "Cache-Control: public, max-age=60, no-store"),
    unstored("5.2.2.7", "private", "Cache-Control: max-age=60, private"),
    unstored("5.2.2.7", "private beside public", "Cache-Control: private, public, max-age=60"),
    unstored("5.2.2.7", "private with an empty list", 'Cache-Control: max-age=60, private=""'),
    row(
        "5.2.2.7",
        "private with names keeps only these out",
        miss(says='Cache-Control: max-age=60, private="X-Mine"\nX-Mine: a\nX-Ours: b', has={"X-Mine": "a"}),
        hit(has={"X-Ours": "b"}, lacks=("X-Mine",)),
    ),
    row(
        "5.2.2.4",
        "no-cache with names keeps only these out",
        miss(says='Cache-Control: max-age=60, no-cache="X-Mine, x-more"\nX-Mine: a\nX-More: b\nX-Ours: c'),
        hit(has={"X-Ours": "c"}, lacks=("X-Mine", "X-More")),
    ),
    unstored("7.3", "Set-Cookie", f"{SHARED}\nSet-Cookie: a=1"),
    unstored("5.2.1.5", "a request that says no-store", FRESH, "Cache-Control: no-store"),
    unstored("4.1", "Vary: *", f"{FRESH}\nVary: *"),
    unstored("4.1", "Vary: * among others", f"{FRESH}\nVary: Accept, *"),
    # --- freshness has to be there
    stored("3", "Expires", "Expires: <+60>"),
    unstored("3", "Expires in the past, and nothing to validate by", "Expires: <-60>"),
    unstored("3", "max-age=0, and nothing to validate by", "Cache-Control: max-age=0"),
    unstored("3", "a validator alone", 'ETag: "a"'),
    unstored("3", "Last-Modified alone", "Last-Modified: <-1000>"),
    unstored("3", "public alone", "Cache-Control: public"),
    unstored("3", "no-cache alone, and nothing to validate by", "Cache-Control: no-cache"),
    unstored("3", "must-revalidate alone", "Cache-Control: must-revalidate"),
    unstored("5.2.3", "directives that nobody knows", "Cache-Control: x-fresh=60, community=lab"),
    stored("5.2.3", "beside directives that nobody knows", "Cache-Control: x-fresh, max-age=60, y=z"),
    # --- must-understand
    stored("5.2.2.3", "must-understand overrules no-store", "Cache-Control: no-store, must-understand, max-age=60"),
    stored("5.2.2.3", "must-understand of a known status", "Cache-Control: must-understand, max-age=60", status="404 No"),
    *(
        unstored(
            "5.2.2.3", f"must-understand of {code}", "Cache-Control: must-understand, max-age=60", status=f"{code} It"
        )
        for code in UNKNOWN
    ),
    # --- 3.5: Authorization, and whose it is
    row("3.5", "without a word each principal has their own", miss(says=FRESH), miss(by="bob", says=FRESH), hit()),
    row("3.5", "public is for all who may ask", miss(says=SHARED), hit(by="bob")),
    row("3.5", "s-maxage is for all who may ask", miss(says="Cache-Control: s-maxage=60"), hit(by="bob")),
    row(
        "3.5",
        "must-revalidate lets it be stored for its own principal",
        miss("Authorization: Basic YTpi", by="own", says="Cache-Control: max-age=60, must-revalidate"),
        hit("Authorization: Basic YTpi", by="own"),
        miss("Authorization: Basic YTpj", by="own"),
    ),
    *(
        row(
            "3.5",
            f"a credential for the service, and {says!r}",
            miss(line, by="own", says=f"Cache-Control: {says}"),
            miss(line, by="own", says=f"Cache-Control: {says}"),
        )
        for says in ("max-age=60", "max-age=60, proxy-revalidate", "max-age=60, immutable")
        for line in ("Authorization: Basic YTpi", "Authorization: Bearer of-the-service", "Cookie: s=1")
    ),
    *(
        row(
            "3.5",
            f"a credential for the service, and {says!r}",
            miss(line, by="own", says=f"Cache-Control: {says}"),
            hit(line, by="own"),
            miss(line + "2", by="own", says=f"Cache-Control: {says}"),
            miss(line, by="other", says=f"Cache-Control: {says}"),
            miss(by="own", says=f"Cache-Control: {says}"),
        )
        for says in ("public, max-age=60", "s-maxage=60", "max-age=60, must-revalidate")
        for line in ("Authorization: Basic YTpi", "Authorization: Bearer of-the-service", "Cookie: s=1")
    ),
    # --- 3.1: what is no part of a stored reply
    row(
        "3.1",
        "fields of one connection are not stored",
        miss(says=f"{FRESH}\nConnection: X-Hop\nX-Hop: 1\nX-End: 2"),
        hit(lacks=("X-Hop", "Connection"), has={"X-End": "^2$"}),
    ),
    row("3.1", "fields that nobody knows are stored", miss(says=f"{FRESH}\nX-Odd: a\nX-Odd: b"), hit(has={"X-Odd": r"a\|b"})),
    row("3.3", "chunks are stored as the whole", miss(says=f"{FRESH}\nTransfer-Encoding: chunked", text=b"3\r\nabc\r\n0\r\n\r\n", own=False, gets=b"abc"), hit(gets=b"abc", has={"Content-Length": "^3$"})),
    row("3", "a reply without a Date gets one when it is stored", miss(says=f"Date: none\n{FRESH}"), hit(has={"Date": "GMT$"})),
    row("3", "reason and repeated fields stay", miss(says=f"{FRESH}\nA: 1\nB: 2\nA: 3", status="200 Fine"), hit(has={"A": r"1\|3"})),
    row("3", "an empty body is a body", miss(says=FRESH, text=b""), hit()),
    # --- as the settings say
    row("settings", "enabled: false stores nothing", miss(at="@never", says=SHARED), miss(at="@never", says=SHARED)),
    row("settings", "vary_on tells replies apart", miss("X-Dataset: a", at="@wide", says=SHARED), miss("X-Dataset: b", at="@wide", says=SHARED), hit("X-Dataset: a", at="@wide")),
    row("settings", "accept_encoding: false lets them meet", miss("Accept-Encoding: gzip", at="@wide", says=SHARED), hit("Accept-Encoding: br", at="@wide")),
    row("settings", "accept_encoding: false heeds Vary", miss("Accept-Encoding: gzip", at="@wide", says=f"{SHARED}\nVary: Accept-Encoding"), miss("Accept-Encoding: br", at="@wide", says=SHARED)),
    row("settings", "keep_host tells hosts apart", miss("X: 1", at="@host", says=SHARED), ask("X: 1", at="@host", hit=True)),
]  # fmt: skip


@pytest.mark.parametrize("lanes", LANES)
async def test_what_section_3_lets_be_stored_is_and_nothing_else(stand, lanes):
    found = await table(stand, lanes)
    ada, bob = found.callers["ada"], found.callers["bob"]

    class Own(type(ada)):
        """Somebody whose Authorization is the service's."""

        def head(self, verb, target, *lines, host=None):
            token, self.token = self.token, None
            try:
                return super().head(verb, target, f"Labgate-Token: {token}", *lines, host=host)
            finally:
                self.token = token

    found.callers["own"] = Own(ada.port, ada.token, stand.ends)
    found.callers["other"] = Own(bob.port, bob.token, stand.ends)
    await found.run(TABLE)
