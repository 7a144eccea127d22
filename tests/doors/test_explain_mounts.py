"""What is explained about a request through a mount is what would happen to it, and nothing happens by it."""

import json

import pytest
from mounted_labs import NAMES, REST, RPC, document
from mounting import DATE, Upstream, as_json, told


@pytest.fixture
async def up(stand) -> Upstream:
    upstream = await stand.upstream()
    upstream.on("/openapi.json", as_json(document()))
    await stand.gate(REST.format(url=upstream.url))
    upstream.asked.clear()
    return upstream


@pytest.fixture
def ada(stand, up):
    return stand.caller("lab")


async def explained(stand, caller, **said):
    answer = await stand.at(caller).rpc("/-/explain", said)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


async def test_a_path_is_told_as_its_service_method_rule_and_verdict(stand, up, ada):
    up.on("/thing/7", told(b"seven"))
    said = await explained(stand, ada, path="/lab/thing/7?x=1")
    assert (said["method"], said["service"], said["outcome"]) == ("lab.get_thing", "lab", "miss")
    assert said["path_policy"]["allow"] == "/**"
    assert said["policy"]["allow"] == "*"
    assert (said["rule"]["glob"], said["rule"]["share"]) == ("get_thing", "everyone")
    assert (said["key"]["verb"], said["key"]["path"], said["key"]["for"]) == (
        "GET",
        "/thing/7?x=1",
        "everyone",
    )
    assert said["upstream"]["path"] == "/thing/{id}"
    assert up.asked == []


@pytest.mark.parametrize(
    "line", ["X-Own: 1", "Accept: text/csv", "Cache-Control: no-cache", "Range: bytes=0-1"]
)
async def test_what_would_happen_is_what_happens(stand, up, ada, line):
    up.on("/thing/7", told(b"seven"))
    await ada.get("/lab/thing/7")
    name, _, value = line.partition(": ")
    said = await explained(stand, ada, path="/lab/thing/7", fields={name: value})
    answer = await ada.get("/lab/thing/7", line)
    assert (said["outcome"] == "hit") == answer.hit
    assert (said["outcome"] == "pass") == ("fwd=bypass" in answer["Cache-Status"])


async def test_entries_of_one_principal_are_told_for_that_one(stand, up, ada):
    up.on("/mine/7", told(b"mine"))
    bob = stand.caller("lab", name="bob")
    await bob.get("/lab/mine/7")
    assert (await explained(stand, ada, path="/lab/mine/7"))["outcome"] == "miss"
    as_bob = {"subject": "bob", "groups": ["lab"]}
    assert (await explained(stand, ada, path="/lab/mine/7", **{"as": as_bob}))["outcome"] == "hit"


async def test_what_no_document_describes_is_told_as_that(stand, up, ada):
    said = await explained(stand, ada, path="/lab/undescribed")
    assert (said["method"], said["outcome"]) == ("lab.http", "pass")
    assert "RFC 9111" in said["rule"]["by"]
    said = await explained(stand, ada, verb="PUT", path="/lab/thing/7")
    assert (said["method"], said["safe"], said["outcome"]) == ("lab.put_thing", False, "pass")


async def test_a_path_and_a_method_that_are_refused_are_told_apart(stand, up, ada):
    nobody = await explained(stand, ada, path="/lab/thing/7", **{"as": {"groups": ["x"]}})
    assert (nobody["outcome"], nobody["path_policy"]) == ("refused", None)
    assert "no policy allows this path" in nobody["why"]
    paths = await explained(stand, ada, path="/lab/thing/7", **{"as": {"groups": ["paths"]}})
    assert (paths["outcome"], paths["path_policy"]["number"], paths["policy"]) == ("refused", 2, None)
    assert "may not call 'lab.get_thing'" in paths["why"]


async def test_where_json_rpc_goes_the_methods_are_to_be_asked_about(stand, calc):
    said = await explained(stand, stand.caller("lab"), verb="POST", path="/calc/api")
    assert (said["method"], said["outcome"]) == (None, "unknown")
    assert "the method that it names" in said["why"]
    assert said["path_policy"]["number"] == 1


@pytest.fixture
async def calc(stand):
    async def answer(asked):
        call = json.loads(asked.body)
        if call["method"] == "system.describe":
            procs = [{"name": name} for name in NAMES]
            return as_json({"id": call["id"], "result": {"sdversion": "1.0", "name": "calc", "procs": procs}})
        return as_json({"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32601, "message": "no"}})

    upstream = await stand.upstream()
    upstream.on("/api", answer)
    await stand.gate(RPC.format(url=upstream.url))
    return upstream


async def test_before_a_service_has_described_itself_its_paths_are_unavailable(stand):
    await stand.gate(REST.format(url="http://127.0.0.1:1"))
    said = await explained(stand, stand.caller("lab"), path="/lab/thing/7")
    assert (said["method"], said["fault"]) == (None, "Unavailable")


def undated(*lines):
    """An answer that was made when it comes."""
    return told(b"x", *lines).replace(f"{DATE}\r\n".encode(), b"")


async def test_a_reply_that_says_itself_how_long_it_serves_is_told_as_that(stand, up, ada):
    up.on("/other/7", undated("Cache-Control: public, max-age=600", "Vary: X-Own"))
    await ada.get("/lab/other/7", "X-Own: a")
    said = await explained(stand, ada, path="/lab/other/7", fields={"X-Own": "a"})
    assert (said["outcome"], said["tier"]) == ("hit", "memory")
    assert said["key"]["vary"] == {"x-own": "a"}
    assert said["void_by"][-1] == "uri:lab:/other/7"
    said = await explained(stand, ada, path="/lab/other/7", fields={"X-Own": "b"})
    assert (said["outcome"], "none for what its fields say" in said["why"]) == ("miss", True)
    assert "no reply for these fields" in (await ada.get("/lab/other/7", "X-Own: b"))["Cache-Status"]


async def test_what_has_to_be_validated_is_told_as_that(stand, up, ada):
    up.on("/other/7", undated("Cache-Control: public, no-cache", 'ETag: "a"'))
    await ada.get("/lab/other/7")
    said = await explained(stand, ada, path="/lab/other/7")
    assert (said["outcome"], "has said that it still holds" in said["why"]) == ("miss", True)


async def entries(stand, ada, query=""):
    return json.loads((await stand.at(ada).get(f"/-/cache/entries{query}")).body)["entries"]


async def test_entries_of_mounts_are_told_by_their_method_and_path(stand, up, ada):
    up.on("/thing/7", told(b"seven"))
    up.on("/other/7", undated("Cache-Control: public, max-age=600", "Vary: X-Own"))
    await ada.get("/lab/thing/7?a=1")
    (one,) = await entries(stand, ada)
    assert (one["method"], one["path"], one["verb"], one["state"]) == (
        "lab.get_thing",
        "/thing/7?a=1",
        "GET",
        "fresh",
    )
    await ada.get("/lab/other/7", "X-Own: a")
    reply, signpost = await entries(stand, ada, "?method=lab.get_other")
    assert (reply["kind"], reply["vary"], reply["state"]) == ("http", {"x-own": "a"}, "fresh")
    assert signpost["kind"] == "signpost"


async def test_a_purged_key_of_a_mount_ends_its_address_and_no_other(stand, up, ada):
    for target in ("/lab/thing/7", "/lab/thing/8"):
        await ada.get(target)
    said = next(one for one in await entries(stand, ada) if one["path"] == "/thing/7")
    purged = json.loads((await stand.at(ada).rpc("/-/cache/purge", {"key": said["key"]})).body)
    assert (purged["ended"], purged["dropped"]) == (["uri:lab:/thing/7"], True)
    assert not (await ada.get("/lab/thing/7")).hit
    assert (await ada.get("/lab/thing/8")).hit


@pytest.mark.parametrize(
    "said", [{"method": "lab.get_thing"}, {"service": "lab"}, {"tag": "things"}, {"all": True}]
)
async def test_what_is_purged_serves_no_request_through_a_mount_either(stand, up, ada, said):
    await ada.get("/lab/thing/7")
    assert (await ada.get("/lab/thing/7")).hit
    assert (await stand.at(ada).rpc("/-/cache/purge", said)).status == 200
    assert not (await ada.get("/lab/thing/7")).hit
