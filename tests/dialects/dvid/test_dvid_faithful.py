"""Below the mount every answer is the service's, byte by byte: the first time, from what is kept, and in parts."""

import asyncio
import gzip
import http.client
import json
from contextlib import closing

import pytest

KEPT = ("Content-Type", "Content-Encoding", "Content-Range", "Accept-Ranges", "X-Content-Type-Options")


def _asked(address, fields, verb, target, body, chunked):
    with closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        connection.request(verb, target, body, fields, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


class Ways:
    """The same request past the gate and through it."""

    def __init__(self, lab):
        self.lab = lab

    def node(self, which):
        return f"/api/node/{getattr(self.lab.content, which).uuid}"

    async def gate(self, verb, target, body=None, chunked=False, **fields):
        address = "{}:{}".format(*self.lab.gate.address)
        sent = {"Authorization": f"Bearer {self.lab.token}", **fields}
        if chunked:
            sent["Transfer-Encoding"], body = "chunked", iter([body])
        return await asyncio.to_thread(_asked, address, sent, verb, "/dvid" + target, body, chunked)

    async def same(self, verb, target, body=None, chunked=False, **fields):
        """The answer through the gate, which is the direct one; both are asked for twice."""
        direct = await asyncio.to_thread(self.lab.dvid.ask, verb, target, body, fields)
        for _ in range(2):
            status, told, data = await self.gate(verb, target, body, chunked, **fields)
            assert (status, data) == (direct[0], direct[2]), (verb, target)
            if verb != "HEAD":  # of what is kept it tells what a GET does, which DVID does not
                assert [told[name] for name in KEPT] == [direct[1][name] for name in KEPT], (verb, target)
            if verb != "HEAD" and told["Content-Length"] is not None:
                assert int(told["Content-Length"]) == len(data)
        return status, told, data


ODD_KEYS = [
    "a%20b",
    "a+b",
    "%C3%BC%F0%9F%A7%A0",
    "a%25b",
    "a%2525b",
    "a%3Fb",
    "a%23b",
    "a;b=c",
    "a,b:c@d!$&'()*",
    "%22",
    "a%2520b",
]
VALUE = bytes(range(256)) * 20


@pytest.fixture(params=["open", "locked"])
async def ways(request, behind_gate):
    """A lab with odd keys, at a version that is open, or locked."""
    async with behind_gate(more="    encoded_slash: true") as lab:
        made = Ways(lab)
        where = made.node("open")
        for number, key in enumerate(ODD_KEYS):
            status, _, body = await made.gate("POST", f"{where}/keys/key/{key}", b"value %d" % number)
            assert (status, body) == (200, b""), key
        await made.gate("POST", f"{where}/keys/key/a%2Fb", b"slash")
        await made.gate("POST", f"{where}/keys/key/large", VALUE)
        await made.gate("POST", f"{where}/keys/key/empty", b"")
        await made.gate("POST", f"{where}/keys/key/json", b'{"label": 9007199254740993}')
        if request.param == "locked":
            assert (await made.gate("POST", f"{where}/commit", b"{}"))[0] == 200
        yield made


async def test_odd_keys_are_keys_and_no_two_of_them_are_one(ways):
    where = ways.node("open")
    for number, key in enumerate(ODD_KEYS):
        status, _, body = await ways.same("GET", f"{where}/keys/key/{key}")
        assert (status, body) == (200, b"value %d" % (number if key != "a%2520b" else ODD_KEYS.index(key)))
    assert (await ways.same("GET", f"{where}/keys/key/a%2Fb"))[2] == b"slash"
    assert json.loads((await ways.same("GET", f"{where}/keys/keys"))[2])
    for number, key in ((0, "a b"), (ODD_KEYS.index("a%2520b"), "a%20b")):
        said = await ways.lab.call("get_key", node=ways.lab.content.open.uuid, instance="keys", key=key)
        assert said == {"$binary": {"base64": _base64(b"value %d" % number)}}


def _base64(data):
    import base64

    return base64.b64encode(data).decode()


RANGES = [
    "bytes=0-9",
    "bytes=5000-",
    "bytes=-7",
    "bytes=0-0",
    "bytes=5119-9999",
    "bytes=0-99999",
    "bytes=9999-",
    "bytes=9-3",
    "lines=1-2",
]


async def test_parts_of_values_are_the_services_before_and_after_the_whole_is_kept(ways):
    path = ways.node("open") + "/keys/key/large"
    for said in RANGES:
        await parts(ways, path, said)
    for query in ("?byte_start=3&byte_end=9", "?byte_start=5000", "?byte_start=9999"):
        await ways.same("GET", path + query)


async def parts(ways, path, said):
    for _ in range(2):
        direct = await asyncio.to_thread(ways.lab.dvid.ask, "GET", path, None, {"Range": said})
        status, told, body = await ways.gate("GET", path, Range=said)
        if direct[0] == 206:
            assert (status, body, told["Content-Range"]) == (206, direct[2], direct[1]["Content-Range"])
        elif direct[0] == 416:
            assert status == 416 or (status, body) == (200, VALUE), "a range that is none may be left aside"
        else:
            assert (status, body) == (direct[0], direct[2])
        assert (await ways.same("GET", path))[2] == VALUE


async def test_heads_have_no_body_and_tell_what_a_get_tells(ways):
    where = ways.node("open")
    for path, status in (("key/large", 200), ("key/empty", 200), ("key/absent", 404)):
        assert (await ways.same("HEAD", f"{where}/keys/{path}"))[0] == status
        await ways.same("GET", f"{where}/keys/{path}")
        assert (await ways.same("HEAD", f"{where}/keys/{path}"))[0] == status
    for label, status in ((9007199254740993, 200), (77, 204)):
        assert (await ways.same("HEAD", f"{where}/labels/sparsevol/{label}"))[0] == status
    assert (await ways.same("HEAD", f"/api/repo/{ways.lab.content.root.uuid}"))[0] == 200


async def test_values_of_nothing_are_empty_200s(ways):
    status, told, body = await ways.same("GET", ways.node("open") + "/keys/key/empty")
    assert (status, body, told["Content-Length"]) == (200, b"", "0")


BODIES = [
    ("labels/labels", b"[[1, 2, 3], [60, 60, 60]]"),
    ("labels/sizes", b"[9007199254740993, 9007199254740994, 5]"),
    ("labels/sizes", b"[9007199254740994]"),
    ("labels/labels", b"nonsense"),
    ("keys/keyvalues?json=true", b'["json"]'),
    ("keys/keyvalues?json=true", b'["json", "absent"]'),
    ("keys/keyvalues?json=true&check=false", b'["large"]'),
    ("keys/keyvalues?jsontar", b'["large", "empty"]'),
    ("keys/keyvalues", b"\x0a\x05large"),
]


@pytest.mark.parametrize("chunked", [False, True])
async def test_gets_with_a_body_are_answered_by_their_body(ways, chunked):
    for path, body in BODIES:
        await ways.same("GET", f"{ways.node('open')}/{path}", body, chunked)
    labels = await ways.same("GET", f"{ways.node('open')}/labels/labels", BODIES[0][1])
    assert min(json.loads(labels[2])) > 1 << 53


async def test_a_compressed_body_is_a_body_and_no_coding(ways):
    path = ways.node("open") + "/labels/raw/0_1_2/64_64_64/0_0_0?compression=gzip"
    for accepts in ("gzip, deflate", "identity", "*"):
        _, told, body = await ways.same("GET", path, **{"Accept-Encoding": accepts})
        assert told["Content-Encoding"] is None
        assert gzip.decompress(body) == ways.lab.content.labels[:64, :64, :64].tobytes()


ALIKE = [
    "/gray/raw/0_1/50_40/0_0_0",
    "/gray/raw/0_1/50_40/0_0_0/jpg:80",
    "/gray/raw/xz/50_20/0_0_0",
    "/gray/raw/0,1,2/10_11_12/-3_-4_-5",
    "/gray/raw/vol/10_11_12/3_4_5",
    "/gray/raw/0_1_2/64_64_32/0_0_0/jpg",
    "/gray/blocks/0_0_0/2",
    "/gray/subvolblocks/64_64_32/0_0_0?compression=uncompressed",
    "/gray/specificblocks?blocks=0,0,0,1,1,1&compression=uncompressed",
    "/labels/blocks/64_64_64/0_0_0?compression=uncompressed",
    "/labels/sparsevol/9007199254740993",
    "/labels/label/3_3_3",
    "/labels/info",
    "/gray/metadata",
    "/points/all-elements",
    "/area/roi",
    "/area/mask/0_1_2/32_32_32/0_0_0",
    "/keys/keyrange/a/z",
    "/keys/keyrangevalues/json/json?json=true",
    "/keys/keyrangevalues/a/z?tar=true",
    "/keys/keyrangevalues/a/z",
    "/keys/help",
    "/keys/tags",
    "/nothing/info",
    "/keys/nonsense",
    "/status",
    "/commit",
    "/note",
    "/log",
]


async def test_everything_else_is_what_the_service_answers(ways):
    for path in ALIKE:
        for query in ("", "&" if "?" in path else "?"):
            await ways.same("GET", ways.node("open") + path + query + ("u=ada&app=tests" if query else ""))


APART = [
    "/api/help",
    "/api/help/keyvalue",
    "/api/server/info",
    "/api/server/compiled-types",
    "/api/heartbeat",
    "/",
    "/api/nope",
]


async def test_what_belongs_to_no_version_is_what_the_service_answers(ways):
    for path in APART:
        await ways.same("GET", path)


# --- three gibibytes


FULL = "/gray/raw/0_1_2/1024_1024_3072/0_0_0"
"""As much as DVID gives at once."""


async def test_a_cutout_of_three_gibibytes_begins_at_once_and_ends_with_its_caller(lab):
    where = f"/api/node/{lab.content.root.uuid}"
    asked = lab.session.get(f"{lab.address}/dvid{where}{FULL}", headers=lab.fields())
    async with asked as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(3 << 30))
        row = await answer.content.readexactly(100)
        assert row == lab.content.gray[0, 0].tobytes()
        answer.close()
    async with asyncio.timeout(30):
        while lab.gate.estate.upstreams["dvid"].in_flight:
            await asyncio.sleep(0.01)
    assert lab.dvid.sent["raw"] < 1 << 30
    status, fields, _ = await lab.ask("HEAD", where + FULL)
    assert (status, fields["Content-Length"]) == (200, str(3 << 30))


async def test_one_voxel_more_is_refused_in_the_services_words(lab):
    where = f"/api/node/{lab.content.root.uuid}"
    for size in ("1024_1024_3073", "1_1_3221225473", "3221225473_1_1"):
        path = f"{where}/gray/raw/0_1_2/{size}/0_0_0"
        status, _, body = await lab.ask("GET", path)
        assert (status, body) == (400, lab.dvid.ask("GET", path)[2])
        assert b"exceeds" in body
