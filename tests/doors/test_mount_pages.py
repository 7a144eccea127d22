"""What do browsers and proxies see of a mount: origins, cookies, and where a request came from?"""

import pytest
from mounting import Upstream, told

CONFIG = """\
{more}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:paths"], allow: ["/**"]}}
services:
  shop: {{dialect: listed, url: "{url}", mount: /shop, listen: "127.0.0.1:0"}}
  desk: {{dialect: listed, url: "{url}/desk", mount: /desk}}
  root: {{dialect: listed, url: "{url}/root", mount: /}}
  open: {{dialect: listed, url: "{url}/open", mount: /open, cors: {{origins: ["https://viewer.example"], methods: [GET, PUT], headers: [X-Own, Authorization], expose: [X-Told], max_age: 60s}}}}
  any: {{dialect: listed, url: "{url}/any", mount: /any, cors: {{origins: ["*"]}}}}
"""


@pytest.fixture
async def up(stand) -> Upstream:
    upstream = await stand.upstream()
    await stand.gate(CONFIG.format(url=upstream.url, more=""))
    return upstream


@pytest.fixture
def ada(stand, up):
    return stand.caller("lab")


# --- origins (the Fetch standard)

VIEWER = "Origin: https://viewer.example"
ASKED = "Access-Control-Request-Method: PUT"


async def test_a_preflight_of_an_allowed_origin_is_answered_before_identity(stand, up):
    for origin in (VIEWER, VIEWER.replace("viewer", "VIEWER")):
        answer = await stand.nobody().ask("OPTIONS", "/open/x", origin, ASKED)
        assert answer.status == 204
        assert answer["Access-Control-Allow-Origin"] == origin.partition(" ")[2]
        assert answer["Access-Control-Allow-Methods"] == "GET, PUT"
        assert answer["Access-Control-Allow-Headers"] == "X-Own, Authorization"
        assert answer["Access-Control-Max-Age"] == "60"
        assert answer["Vary"] == "Origin"
        assert answer.values("Access-Control-Allow-Credentials") == []
    assert up.asked == []


async def test_what_is_no_preflight_of_an_allowed_origin_needs_a_token(stand, up, ada):
    others = (
        ("Origin: https://evil.example", ASKED),
        ("Origin: https://viewer.example.evil.example", ASKED),
        ("Origin: http://viewer.example", ASKED),
        ("Origin: null", ASKED),
        (VIEWER,),
        (ASKED,),
        (VIEWER, VIEWER, ASKED),
        (VIEWER, ASKED, ASKED),
    )
    for lines in others:
        assert (await stand.nobody().ask("OPTIONS", "/open/x", *lines)).status == 401, lines
        assert (await ada.ask("OPTIONS", "/open/x", *lines)).status == 200
    assert (await stand.nobody().ask("OPTIONS", "/shop/x", VIEWER, ASKED)).status == 401
    assert len(up.asked) == len(others)


async def test_any_header_that_a_page_wants_is_named_back_and_nothing_else(stand, up):
    wanted = "Access-Control-Request-Headers: x-a, content-type"
    answer = await stand.nobody().ask("OPTIONS", "/any/x", VIEWER, ASKED, wanted)
    assert (answer.status, answer["Access-Control-Allow-Headers"]) == (204, "x-a, content-type")
    answer = await stand.nobody().ask("OPTIONS", "/any/x", VIEWER, ASKED, wanted.replace("x-a", "\xff"))
    assert (answer.status, answer.values("Access-Control-Allow-Headers")) == (204, [])


async def test_pages_of_allowed_origins_can_read_answers_and_faults_and_others_cannot(stand, up, ada):
    outsider = stand.caller("paths", name="eve")
    for caller, target, status in (
        (ada, "/open/x", 200),
        (outsider, "/open/x", 403),
        (stand.nobody(), "/open/x", 401),
        (ada, "/open/%2e", 400),
    ):
        for _ in range(3):  # what is remembered is answered alike
            answer = await caller.get(target, VIEWER)
            assert answer.status == status
            if status != 400:  # which service it would have been, nobody knows
                assert answer["Access-Control-Allow-Origin"] == "https://viewer.example"
                assert answer["Access-Control-Expose-Headers"] == "X-Told"
        for lines in ((), ("Origin: https://evil.example",), ("Origin: null",)):
            answer = await caller.get(target, *lines)
            assert answer.status == status
            assert answer.values("Access-Control-Allow-Origin") == []
            assert status == 400 or answer["Vary"] == "Origin"


async def test_no_upstream_says_for_itself_who_may_read_it(up, ada):
    lines = ("Access-Control-Allow-Origin: *", "access-control-allow-credentials: true", "Vary: Accept")
    for target in ("/open/x", "/x"):
        up.on(target, told(b"x", *lines))
    answer = await ada.get("/shop/x", VIEWER)
    assert (answer.values("Access-Control-Allow-Origin"), answer["Vary"]) == ([], "Accept")
    answer = await ada.get("/open/x", VIEWER)
    assert answer.values("Access-Control-Allow-Origin") == ["https://viewer.example"]
    assert answer.values("Access-Control-Allow-Credentials") == []
    assert answer.values("Vary") == ["Accept", "Origin"]


# --- cookies


async def test_a_cookie_is_moved_below_its_mount_without_domain_and_one_at_the_root_stays(up, ada):
    said = (
        "a=1; Path=/; Domain=upstream.example; HttpOnly",
        "b=2; path=/x/y; Max-Age=5",
        "c=3; SameSite=Lax",
    )
    lines = [f"Set-Cookie: {one}" for one in said]
    for path in ("/x", "/root/x"):
        up.on(path, told(b"", *lines))
    assert (await ada.get("/shop/x")).values("Set-Cookie") == [
        "a=1; Path=/shop; HttpOnly",
        "b=2; path=/shop/x/y; Max-Age=5",
        "c=3; SameSite=Lax",
    ]
    assert (await ada.get("/x")).values("Set-Cookie") == list(said)


async def test_a_service_gets_the_cookies_that_it_has_set_and_none_of_anothers(up, ada):
    up.on("/set", told(b"", "Set-Cookie: shop=1; Path=/"))
    up.on("/root/set", told(b"", "Set-Cookie: root=1; Path=/"))
    await ada.get("/shop/set")
    await ada.get("/set")
    cookie = "Cookie: shop=1; root=2; unknown=3"
    for target, kept in (
        ("/shop/x", [b"shop=1; unknown=3"]),
        ("/x", [b"root=2; unknown=3"]),
        ("/desk/x", [b"unknown=3"]),
    ):
        await ada.get(target, cookie)
        assert up.asked[-1].values("Cookie") == kept
    await ada.get("/desk/x", "Cookie: shop=1")
    assert up.asked[-1].values("Cookie") == []
    await ada.get("/desk/x", "Cookie:  odd ;; unknown=3;")
    assert up.asked[-1].values("Cookie") == [b"odd ;; unknown=3;"], "as it was sent where all of it may pass"


async def test_no_cookie_of_one_caller_is_kept_for_another(stand, up, ada):
    up.on("/set", told(b"", "Set-Cookie: shop=1; Path=/"))
    await ada.get("/shop/set")
    await ada.get("/shop/x")
    assert up.asked[-1].values("Cookie") == []


# --- whence

SAID = (
    "Forwarded: for=9.9.9.9;proto=https",
    "X-Forwarded-For: 9.9.9.9",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: https",
    "X-Real-IP: 9.9.9.9",
)


async def test_what_a_stranger_says_of_its_way_is_not_passed_on(up, ada):
    await ada.get("/shop/x", *SAID, "X-Forwarded-Prefix: /evil")
    seen, host = up.asked[-1], f"127.0.0.1:{ada.port}".encode()
    assert b"9.9.9.9" not in seen.head
    assert b"evil" not in seen.head
    assert seen.values("Forwarded") == [b'for=127.0.0.1;host="%b";proto=http' % host]
    assert seen.values("X-Forwarded-For") == [b"127.0.0.1"]
    assert seen.values("X-Forwarded-Host") == [host]
    assert seen.values("X-Forwarded-Proto") == [b"http"]
    assert seen.values("X-Forwarded-Prefix") == [b"/shop"]
    (via,) = seen.values("Via")
    assert via.startswith(b"1.1 labgate-")


async def test_what_a_trusted_proxy_says_of_the_way_comes_first(stand):
    up = await stand.upstream()
    await stand.gate(CONFIG.format(url=up.url, more="trusted_proxies: [127.0.0.1/32, 10.0.0.0/8]"))
    ada = stand.caller("lab")
    up.on("/x", told(b"", f"Location: {up.url}/y"))
    said = [
        one.replace("evil", "gate").replace("For: 9.9.9.9", "For: 1.1.1.1, 9.9.9.9, 10.0.0.1") for one in SAID
    ]
    answer = await ada.get("/shop/x", *said, "Via: 1.1 front")
    seen, host = up.asked[-1], f"127.0.0.1:{ada.port}".encode()
    assert seen.values("X-Forwarded-For") == [b"1.1.1.1, 9.9.9.9, 10.0.0.1, 127.0.0.1"]
    assert seen.values("X-Forwarded-Host") == [b"gate.example"]
    assert seen.values("X-Forwarded-Proto") == [b"https"]
    (forwarded,) = seen.values("Forwarded")
    assert forwarded.startswith(b"for=9.9.9.9;proto=https, for=127.0.0.1;")
    assert host not in forwarded
    assert seen.values("Via")[0].startswith(b"1.1 front, 1.1 labgate-")
    assert seen.values("X-Real-IP") == []
    assert answer["Location"] == "https://gate.example/shop/y"


async def test_links_lead_back_to_where_the_caller_came_in(stand, up, ada):
    up.on("/x", told(b"", f"Location: {up.url}/y", status="302 Found"))
    assert (await ada.get("/shop/x"))["Location"] == f"http://127.0.0.1:{ada.port}/shop/y"
    own = stand.at(ada, "shop")
    assert (await own.get("/x"))["Location"] == f"http://127.0.0.1:{own.port}/y"
