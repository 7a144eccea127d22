"""RFC 9111 sections 4.2, 5.1 to 5.3 and RFC 9213: for how long a stored reply serves, through the running gate."""

import pytest
from rfc9111 import FRESH, LANES, Row, ask, hit, miss, row, table

TAG = 'ETag: "a"'


def fresh(section, name, says, *lines, **how) -> Row:
    """A reply that serves the next request."""
    return row(section, name, miss(says=says, **how), hit(*lines))


def stale(section, name, says, *lines, **how) -> Row:
    """A reply that is stored, and about which the service is asked before it serves."""
    return row(section, name, miss(says=f"{says}\n{TAG}", **how), miss(*lines, sent={"If-None-Match": '"a"'}))


LIFETIMES = [
    # --- 4.2.1
    fresh("4.2.1", "max-age", "Cache-Control: max-age=60"),
    fresh("4.2.1", "s-maxage before max-age", "Cache-Control: max-age=0, s-maxage=60"),
    stale("4.2.1", "s-maxage=0 before max-age", "Cache-Control: max-age=60, s-maxage=0"),
    fresh("4.2.1", "max-age before Expires", "Cache-Control: max-age=60\nExpires: <-60>"),
    stale("4.2.1", "max-age=0 before Expires", "Cache-Control: max-age=0\nExpires: <+60>"),
    stale("4.2.1", "s-maxage=0 before Expires", "Cache-Control: s-maxage=0\nExpires: <+60>"),
    fresh("4.2.1", "Expires", "Expires: <+60>"),
    fresh("4.2.1", "Expires counts from Date", "Date: <-30>\nExpires: <+60>"),
    stale("4.2.1", "Expires that is Date", "Date: <now>\nExpires: <now>"),
    stale("4.2.1", "Expires before Date", "Expires: <-1>"),
    fresh("4.2.1", "Expires without a Date", "Date: none\nExpires: <+60>"),
    stale("4.2.1", "two different values of Expires", "Expires: <+60>\nExpires: <+90>"),
    fresh("4.2.1", "the same Expires twice", "Expires: <+60>\nExpires: <+60>"),
    stale("4.2.1", "two max-age, one of them 0", "Cache-Control: max-age=60, max-age=0"),
    stale("4.2.1", "two max-age, the first of them 0", "Cache-Control: max-age=0, max-age=60"),
    stale("4.2.1", "two lines, one of them 0", "Cache-Control: max-age=60\nCache-Control: max-age=0"),
    fresh("4.2.1", "two lines that agree", "Cache-Control: max-age=60\nCache-Control: max-age=60"),
    # --- 1.2.2 and 5.2: how a value may look
    fresh("5.2", "a quoted number", 'Cache-Control: max-age="60"'),
    fresh("5.2", "capitals", "Cache-Control: MAX-AGE=60"),
    fresh("5.2", "spaces and empty parts", "Cache-Control:  , ,max-age=60 ,,"),
    fresh("5.2", "tabs", "Cache-Control: x,\tmax-age=60\t"),
    fresh("5.2", "leading zeros", "Cache-Control: max-age=00000000000060"),
    fresh("1.2.2", "2147483647", "Cache-Control: max-age=2147483647"),
    fresh("1.2.2", "2147483648", "Cache-Control: max-age=2147483648"),
    fresh("1.2.2", "beyond 64 bit", "Cache-Control: max-age=99999999999999999999999"),
    fresh("5.2", "a comma within quotes belongs to the value", 'Cache-Control: x="a, no-store", max-age=60'),
    fresh("5.2", "a quote within quotes", r'Cache-Control: x="a\", no-store", max-age=60'),
    *(
        stale("4.2.1", f"a max-age of {value!r} is none", f"Cache-Control: max-age={value}")
        for value in ("", "-1", "1.5", "1e3", "60s", "abc", "+60", '"-1"', "60 60", "60;q=1", "0x60", "'60'", '"60')
    ),
    stale("4.2.1", "max-age without a value", "Cache-Control: max-age"),
    stale("4.2.1", "max-age with spaces around its sign", "Cache-Control: max-age = 60"),
    # --- 5.3: Expires
    *(
        stale("5.3", f"Expires: {value} is in the past", f"Expires: {value}")
        for value in (
            *("0", "-1", "now", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 32 Jan 2099 00:00:00 GMT"),
            *("Thu, 01 Jan 2099 25:00:00 GMT", "Thu, 01 Jan 2099 00:00:00 UTC", "Thu, 1 Jan 2099 00:00:00 GMT"),
            *("2099-01-01T00:00:00Z", "4102444800", "Thu, 01 Foo 2099 00:00:00 GMT", "Thu, 01 Jan 2099 00:00 GMT"),
            *("thu, 01 jan 2099 00:00:00 gmt", "", "Thursday, 01 Jan 2099 00:00:00 GMT"),
        )
    ),
    *(
        fresh("5.3", f"Expires: {value}", f"Expires: {value}")
        for value in (
            *("Thu, 01 Jan 2099 00:00:00 GMT", "Thu Jan  1 00:00:00 2099", "Thursday, 01-Jan-60 00:00:00 GMT"),
            "Fri, 31 Dec 9999 23:59:59 GMT",
        )
    ),
    # --- 4.2.3: age
    stale("4.2.3", "an Age beyond max-age", "Cache-Control: max-age=60\nAge: 61"),
    stale("4.2.3", "an Age of max-age", "Cache-Control: max-age=60\nAge: 60"),
    fresh("4.2.3", "an Age below max-age", "Cache-Control: max-age=60\nAge: 20"),
    stale("4.2.3", "a Date beyond max-age", "Date: <-61>\nCache-Control: max-age=60"),
    fresh("4.2.3", "a Date below max-age", "Date: <-20>\nCache-Control: max-age=60"),
    stale("4.2.3", "the larger of Age and Date: Date", "Date: <-61>\nAge: 1\nCache-Control: max-age=60"),
    stale("4.2.3", "the larger of Age and Date: Age", "Date: <-1>\nAge: 61\nCache-Control: max-age=60"),
    fresh("4.2.3", "a Date in the future is no age", "Date: <+1000>\nCache-Control: max-age=60"),
    fresh("4.2.3", "a Date that is none is no age", "Date: yesterday\nCache-Control: max-age=60"),
    stale("4.2.3", "a Date of 1970", "Date: Thu, 01 Jan 1970 00:00:00 GMT\nCache-Control: max-age=60"),
    stale("5.1", "an absurd Age", "Cache-Control: max-age=60\nAge: 99999999999999999999"),
    stale("5.1", "an Age of 2^31", "Cache-Control: max-age=60\nAge: 2147483648"),
    *(
        fresh("5.1", f"an Age of {value!r} is not looked at", f"Cache-Control: max-age=60\nAge: {value}")
        for value in ("-1", "abc", "", "1.5", "1e9", "0x99", "'99'")
    ),
    stale("5.1", "the first Age of a list counts", "Cache-Control: max-age=60\nAge: 61, 0"),
    fresh("5.1", "and not the second", "Cache-Control: max-age=60\nAge: 0, 61"),
    stale("5.1", "the first of two lines counts", "Cache-Control: max-age=60\nAge: 61\nAge: 0"),
    row("5.1", "a stored reply says its Age", miss(says=f"{FRESH}\nAge: 100", has={"Age": "^100$"}), hit(has={"Age": r"^10[0-2]$"})),
    row("5.1", "and one that came without says 0", miss(says=FRESH, lacks=("Age",)), hit(has={"Age": "^[0-2]$"})),
    row("5.1", "a Date of before is age", miss(says=f"Date: <-50>\n{FRESH}"), hit(has={"Age": r"^5[0-3]$"})),
    row("5.1", "Date stays that of the service", miss(says=f"Date: <-50>\n{FRESH}"), hit(has={"Date": "^(<-50>|<-51>)$"})),
    # --- 5.2.2: directives of replies
    stale("5.2.2.4", "no-cache asks each time", "Cache-Control: no-cache"),
    stale("5.2.2.4", "no-cache goes before max-age", "Cache-Control: max-age=60, no-cache"),
    stale("5.2.2.4", "no-cache with an empty list", 'Cache-Control: max-age=60, no-cache=""'),
    stale("5.2.2.4", "no-cache with and without names", 'Cache-Control: max-age=60, no-cache="x", no-cache'),
    stale("5.2.2.4", "no-cache goes before s-maxage", "Cache-Control: s-maxage=60, no-cache"),
    fresh("5.2.2.2", "must-revalidate while it is fresh", "Cache-Control: max-age=60, must-revalidate"),
    fresh("5.2.2.8", "proxy-revalidate while it is fresh", "Cache-Control: max-age=60, proxy-revalidate"),
    fresh("5.2.2.6", "no-transform", "Cache-Control: max-age=60, no-transform"),
    fresh("8246", "immutable", "Cache-Control: max-age=60, immutable"),
    stale("8246", "immutable that is stale", "Cache-Control: max-age=0, immutable"),
    fresh("5.4", "Pragma of a reply says nothing", f"{FRESH}\nPragma: no-cache"),
    # --- 4.2.2: heuristics
    row("4.2.2", "a tenth of the time since it was changed", miss(at="@guess", says="Last-Modified: <-1000>"), hit(at="@guess")),
    row("4.2.2", "which the Age is counted against", miss(at="@guess", says="Last-Modified: <-1000>\nAge: 110"), miss(at="@guess")),
    row("4.2.2", "at most what is set", miss(at="@guess", says="Last-Modified: <-100000>\nAge: 1010"), miss(at="@guess")),
    row("4.2.2", "not for what says no-cache", miss(at="@guess", says="Cache-Control: no-cache\nLast-Modified: <-1000>"), miss(at="@guess")),
    row("4.2.2", "not where max-age is said", miss(at="@guess", says="Cache-Control: max-age=0\nLast-Modified: <-1000>"), miss(at="@guess")),
    row("4.2.2", "not without Last-Modified", miss(at="@guess", says=TAG), miss(at="@guess")),
    *(row("4.2.2", f"not for a {code}", miss(at="@guess", status=f"{code} It", says="Last-Modified: <-1000>"), miss(at="@guess")) for code in (201, 302, 303, 307, 400, 403, 500, 503, 299)),
    *(row("4.2.2", f"for a {code}", miss(at="@guess", status=f"{code} It", says="Last-Modified: <-1000>"), hit(at="@guess")) for code in (200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501)),
    row("4.2.2", "for any status that is public", miss(at="@guess", status="299 It", says="Cache-Control: public\nLast-Modified: <-1000>"), hit(at="@guess")),
    row("4.2.2", "not where nothing is set", miss(says="Last-Modified: <-1000>"), miss()),
]  # fmt: skip

TARGETED = [
    fresh("9213 2.1", "CDN-Cache-Control goes before Cache-Control", "CDN-Cache-Control: max-age=60\nCache-Control: no-store"),
    stale("9213 2.1", "also where it is stricter", "CDN-Cache-Control: max-age=0\nCache-Control: max-age=60"),
    row("9213 2.1", "no-store of it", miss(says=f"CDN-Cache-Control: no-store\n{FRESH}"), miss()),
    row("9213 2.1", "private of it", miss(says=f"CDN-Cache-Control: private, max-age=60\n{FRESH}"), miss()),
    stale("9213 2.1", "no-cache of it", f"CDN-Cache-Control: no-cache\n{FRESH}"),
    row("9213 2.1", "Expires is not looked at beside it", miss(says="CDN-Cache-Control: must-revalidate\nExpires: <+60>"), miss()),
    fresh("9213 2.1", "one that is empty is none", f"CDN-Cache-Control:\n{FRESH}"),
    *(
        fresh("9213 2.1", f"{value!r} is no dictionary and not looked at", f"CDN-Cache-Control: {value}\n{FRESH}")
        for value in ("max-age=0,", "MAX-AGE=0", "max-age=0 no-store", "=0", 'max-age="', "no-store, ;", "no_store, é")
    ),
    stale("9213 2.1", "a max-age of another type is none", f"CDN-Cache-Control: max-age=60.5\n{FRESH}"),
    stale("9213 2.1", "a negative max-age is none", f"CDN-Cache-Control: max-age=-1\n{FRESH}"),
    fresh("9213 2.1", "parameters are not looked at", "CDN-Cache-Control: max-age=60;x=1\nCache-Control: no-store"),
    fresh("9213 2.1", "a member that is false is not said", "CDN-Cache-Control: max-age=60, no-store=?0\nCache-Control: no-store"),
    fresh("9213 2.1", "two lines are one dictionary", "CDN-Cache-Control: public\nCDN-Cache-Control: max-age=60"),
    fresh("9213 2.1", "of a member said twice the last counts", "CDN-Cache-Control: max-age=0, max-age=60"),
    row("9213 2.1", "public of it is for all", miss(says="CDN-Cache-Control: public, max-age=60"), hit(by="bob")),
    row("9213 2.2", "it passes to callers as it came", miss(says=f"CDN-Cache-Control: max-age=60\n{FRESH}", has={"CDN-Cache-Control": "max-age=60"}), hit(has={"CDN-Cache-Control": "max-age=60"})),
]  # fmt: skip


def asks(section, name, line, says, *, serves, **how) -> Row:
    """A stored reply, and a request that says what it will take."""
    second = hit(line, **how) if serves else miss(line, **how)
    return row(section, name, miss(says=f"{says}\n{TAG}"), second)


HALF = "Cache-Control: max-age=60\nAge: 30"
OLD = "Cache-Control: max-age=60\nAge: 100"
STALE_MARKED = {"Cache-Status": 'hit; ttl=-4[0-2]; detail="asked for"'}

REQUESTS = [
    asks("5.2.1.1", "max-age that is met", "Cache-Control: max-age=40", HALF, serves=True),
    asks("5.2.1.1", "max-age that is not", "Cache-Control: max-age=20", HALF, serves=False, has={"Cache-Status": "fwd=request"}),
    asks("5.2.1.1", "max-age=0", "Cache-Control: max-age=0", HALF, serves=False),
    asks("5.2.1.1", "the lower of two", "Cache-Control: max-age=40, max-age=20", HALF, serves=False),
    asks("5.2.1.1", "a max-age that is none asks for the newest", "Cache-Control: max-age=x", HALF, serves=False),
    asks("5.2.1.1", "a quoted one", 'Cache-Control: max-age="20"', HALF, serves=False),
    asks("5.2.1.2", "max-stale that is met", "Cache-Control: max-stale=50", OLD, serves=True, has=STALE_MARKED),
    asks("5.2.1.2", "max-stale that is not", "Cache-Control: max-stale=30", OLD, serves=False),
    asks("5.2.1.2", "max-stale of any age", "Cache-Control: max-stale", OLD, serves=True, has=STALE_MARKED),
    asks("5.2.1.2", "the lower of two", "Cache-Control: max-stale, max-stale=3", OLD, serves=False),
    asks("5.2.1.2", "a max-stale that is none takes nothing stale", "Cache-Control: max-stale=x", OLD, serves=False),
    asks("5.2.1.2", "max-stale beside a max-age that is not met", "Cache-Control: max-stale, max-age=50", OLD, serves=False),
    *(
        asks("4.2.4", f"max-stale is not heeded past {word}", "Cache-Control: max-stale", f"{OLD}\nCache-Control: {word}", serves=False)
        for word in ("must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache")
    ),
    asks("5.2.1.3", "min-fresh that is met", "Cache-Control: min-fresh=20", HALF, serves=True),
    asks("5.2.1.3", "min-fresh that is not", "Cache-Control: min-fresh=40", HALF, serves=False),
    asks("5.2.1.3", "a min-fresh that is none", "Cache-Control: min-fresh=x", HALF, serves=False),
    asks("5.2.1.4", "no-cache", "Cache-Control: no-cache", HALF, serves=False, sent={"If-None-Match": '"a"'}),
    asks("5.2.1.4", "no-cache in capitals among others", "Cache-Control: x, No-Cache", HALF, serves=False),
    asks("5.2.1.4", "a word that only holds no-cache", "Cache-Control: x-no-cache=1", HALF, serves=True),
    asks("5.2.1.5", "no-store", "Cache-Control: no-store", HALF, serves=False),
    asks("5.2.1.6", "no-transform", "Cache-Control: no-transform", HALF, serves=True),
    asks("5.4", "Pragma: no-cache", "Pragma: no-cache", HALF, serves=False),
    asks("5.4", "Pragma is not looked at beside Cache-Control", "Pragma: no-cache\r\nCache-Control: max-age=40", HALF, serves=True),
    asks("5.4", "another Pragma", "Pragma: x-no-cache", HALF, serves=True),
    asks("5.2.1.7", "only-if-cached that is met", "Cache-Control: only-if-cached", HALF, serves=True),
    row("5.2.1.7", "only-if-cached that is not is a 504", ask("Cache-Control: only-if-cached", asked=False, code=504, hit=False)),
    row("5.2.1.7", "nor by what is stale", miss(says=f"{OLD}\n{TAG}"), ask("Cache-Control: only-if-cached", asked=False, code=504)),
    row("5.2.1.7", "but with max-stale", miss(says=f"{OLD}\n{TAG}"), hit("Cache-Control: only-if-cached, max-stale")),
    row("5.2.1.7", "not for what is unsafe", ask("Cache-Control: only-if-cached", verb="POST", asked=True, code=200)),
    row("5.2.1.7", "nor where the cache has no part", ask("Cache-Control: only-if-cached", at="@never", asked=False, code=504)),
    asks("5.2.1", "words that nobody knows", "Cache-Control: x=1, y", HALF, serves=True),
    row("5.2.1.5", "what came for no-store serves nobody, and what was stored stays", miss(says=FRESH), miss("Cache-Control: no-store", says=FRESH), hit()),
    row("5.2.1.4", "what came for no-cache serves the next", miss(says=FRESH), miss("Cache-Control: no-cache", says=FRESH), hit(of=1)),
]  # fmt: skip

MORE = [
    # --- RFC 5861
    row("5861 3", "stale-while-revalidate serves at once", miss(says="Cache-Control: max-age=60, stale-while-revalidate=60\nAge: 70"), ask(of=0, hit=True, has={"Cache-Status": 'hit; ttl=-1[0-2]; detail="expired, refreshing"', "Age": "^7"})),
    row("5861 3", "and not past its end", miss(says=f"Cache-Control: max-age=60, stale-while-revalidate=60\nAge: 130\n{TAG}"), miss()),
    *(
        row("5861 3", f"nor past {word}", miss(says=f"Cache-Control: max-age=60, stale-while-revalidate=60, {word}\nAge: 70\n{TAG}"), miss())
        for word in ("must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache")
    ),
    row("5861 3", "nor for a caller who wants it newer", miss(says="Cache-Control: max-age=60, stale-while-revalidate=60\nAge: 70"), miss("Cache-Control: max-age=65")),
    *(
        row("5861 4", f"stale-if-error serves instead of a {code}", miss(says="Cache-Control: max-age=60, stale-if-error=60\nAge: 70"), ask(status=f"{code} Oh", asked=True, code=200, of=0, has={"Cache-Status": "hit; ttl=-1.*the service fails"}))
        for code in (500, 502, 503, 504)
    ),
    *(
        row("5861 4", f"and not instead of a {code}", miss(says="Cache-Control: max-age=60, stale-if-error=60\nAge: 70"), miss(status=f"{code} Oh"))
        for code in (400, 403, 404, 410, 429, 501, 505)
    ),
    row("5861 4", "and where the service does not answer", miss(says="Cache-Control: max-age=60, stale-if-error=60\nAge: 70"), ask(says="gone: 1", asked=True, code=200, of=0, times=2)),
    row("4.2.4", "without a word nothing stale serves then", miss(says=f"Cache-Control: max-age=60\nAge: 70\n{TAG}"), ask(says="gone: 1", code=502, times=2)),
    row("5861 4", "and not past its end", miss(says=f"Cache-Control: max-age=60, stale-if-error=60\nAge: 130\n{TAG}"), miss(status="503 Oh")),
    *(
        row("5861 4", f"nor past {word}", miss(says=f"Cache-Control: max-age=60, stale-if-error=60, {word}\nAge: 70\n{TAG}"), miss(status="503 Oh"))
        for word in ("must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache")
    ),
    row("5861 4", "what is stale stays for the next failure", miss(says="Cache-Control: max-age=60, stale-if-error=60\nAge: 70"), ask(status="503 Oh", code=200, of=0), ask(status="503 Oh", code=200, of=0), miss(says=FRESH), hit(of=3)),
    # --- RFC 9211
    row("9211 2.2", "a miss", miss(says=FRESH, has={"Cache-Status": "^labgate; fwd=miss; stored; detail="})),
    row("9211 2.5", "that is not stored", miss(says="Cache-Control: no-store", has={"Cache-Status": '^labgate; fwd=miss; detail="no-store"$'})),
    row("9211 2.4", "a hit and its ttl", miss(says=FRESH), hit(has={"Cache-Status": "^labgate; hit; ttl=3(600|59.)$"})),
    row("9211 2.3", "a method that nothing is stored of", miss(verb="POST", has={"Cache-Status": "fwd=method"})),
    row("9211 2.3", "a confirmed reply", miss(says=f"{OLD}\n{TAG}"), ask(status="304 Not Modified", says=f"{FRESH}\n{TAG}", of=0, code=200, has={"Cache-Status": "^labgate; fwd=stale; fwd-status=304; ttl=3(600|59.); stored; detail="})),
    row("9211 2.3", "a reply that is no longer so", miss(says=f"{OLD}\n{TAG}"), miss(says=FRESH, has={"Cache-Status": "^labgate; fwd=stale; fwd-status=200; stored; detail="})),
    row("9211 2.2", "another variant", miss("X-A: 1", says=f"{FRESH}\nVary: X-A"), miss("X-A: 2", says=f"{FRESH}\nVary: X-A", has={"Cache-Status": "fwd=vary-miss"})),
    row("9211 2", "that of the service stays before ours", ask(says=f"{FRESH}\nCache-Status: inner; hit", asked=True, of=0, has={"Cache-Status": r"^inner; hit\|labgate; fwd"}), ask(asked=False, of=0, has={"Cache-Status": r"^inner; hit\|labgate; hit"})),
]  # fmt: skip


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize(
    "rows", [LIFETIMES, TARGETED, REQUESTS, MORE], ids=["replies", "targeted", "requests", "more"]
)
async def test_a_stored_reply_serves_as_long_as_it_is_fresh_and_no_longer(stand, rows, lanes):
    await (await table(stand, lanes)).run(rows)
