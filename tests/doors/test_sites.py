"""Several services of one entry of the settings: how are they reached, and does nothing lead past the gate?"""

import gzip
import json

import pytest
from mounting import Upstream, as_json, told, until

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:minnie"], allow: ["info.*", "minnie/*", "/**"]}}
  - {{to: ["group:fly_paths"], allow: ["*", "GET /info/**", "/datastack/fly/**"]}}
services:
  cave: {{dialect: cave, url: "{url}", mount: {mount}, listen: "127.0.0.1:0"{more}}}
"""


def record(name: str, local: str, table: str, **more: object) -> dict[str, object]:
    return {
        "local_server": local,
        "segmentation_source": f"graphene://{local}/segmentation/table/{table}",
        "skeleton_source": f"precomputed://{local}/skeletoncache/api/v1/{name}/precomputed/skeleton",
        "aligned_volume": {"name": f"{name}_volume", "image_source": "precomputed://gs://bucket/em"},
        "viewer_site": "https://viewer.example",
        "big": 2**70,
        **more,
    }


class Lab:
    """A global server and two local ones, with datastacks `minnie` (at the first) and `fly` (at the second)."""

    def __init__(self, stand, up: Upstream, one: Upstream, two: Upstream) -> None:
        self.stand, self.up, self.one, self.two = stand, up, one, two
        self.tell("minnie", record("minnie", one.url, "seg_m"))
        self.tell("fly", record("fly", two.url, "seg_f"))

    def tell(self, name: str, said: dict[str, object], *lines: str) -> None:
        self.up.on(f"/info/api/v2/datastack/full/{name}", as_json(said, *lines))

    async def gate(self, mount: str = "/", more: str = "") -> None:
        await self.stand.gate(CONFIG.format(url=self.up.url, mount=mount, more=more))

    async def learn(self, caller, root: str = "") -> None:
        for name in ("minnie", "fly"):
            assert (await caller.get(f"{root}/info/api/v2/datastack/full/{name}")).status == 200
        services = self.stand.running.discovery.health
        await until(
            lambda: (
                not any(one.down for name, one in services().items() if name.startswith(("fly/", "minnie/")))
            )
        )
        for each in (self.up, self.one, self.two):
            each.asked.clear()


@pytest.fixture
async def lab(stand) -> Lab:
    return Lab(stand, await stand.upstream(), await stand.upstream(), await stand.upstream())


@pytest.mark.parametrize("mount", ["/", "/cave"])
async def test_the_parts_of_the_global_server_are_reached_where_its_clients_look_for_them(lab, mount):
    await lab.gate(mount)
    ada, root = lab.stand.caller("lab"), mount.rstrip("/")
    for path in (
        "/info/version",
        "/auth/api/v1/user",
        "/nglstate/api/v1/7",
        "/schema/versions",
        "/elsewhere",
    ):
        assert (await ada.get(root + path)).status == 200
        assert lab.up.asked[-1].path == path
    assert (await lab.stand.at(ada, "cave").get("/info/version")).status == 200
    assert lab.up.asked[-1].path == "/info/version"


@pytest.mark.parametrize("mount", ["/", "/cave"])
async def test_a_record_leads_to_the_gate_at_the_address_that_its_caller_used(lab, mount):
    await lab.gate(mount)
    ada, root = lab.stand.caller("lab"), mount.rstrip("/")
    for caller, below in ((ada, root), (lab.stand.at(ada, "cave"), "")):
        answer = await caller.get(f"{below}/info/api/v2/datastack/full/minnie")
        origin = f"http://127.0.0.1:{caller.port}"
        assert json.loads(answer.body) == record("minnie", lab.one.url, "seg_m") | {
            "local_server": f"{origin}{below}/datastack/minnie",
            "segmentation_source": f"graphene://{origin}/segmentation/table/seg_m",
            "skeleton_source": f"precomputed://{origin}/skeletoncache/api/v1/minnie/precomputed/skeleton",
        }
        assert answer["Content-Type"] == "application/json"
        assert b"1180591620717411303424" in answer.body


async def test_a_record_is_stored_as_it_came_and_led_here_for_each_caller(lab):
    lab.tell("minnie", record("minnie", lab.one.url, "seg_m"), "Cache-Control: max-age=60", 'ETag: "a"')
    await lab.gate(more=', methods: {"info.get_datastack_info": {cache: {fresh: 1h, share: everyone}}}')
    ada = lab.stand.caller("lab")
    first = await ada.get("/info/api/v2/datastack/full/minnie")
    again = await ada.get("/info/api/v2/datastack/full/minnie", "Accept-Encoding: gzip", "Range: bytes=0-3")
    assert (first.status, first.hit, again.status) == (200, False, 200)
    third = await ada.get("/info/api/v2/datastack/full/minnie", host="gate.lab")
    assert third.hit
    assert json.loads(third.body)["local_server"] == "http://gate.lab/datastack/minnie"
    unchanged = await ada.get("/info/api/v2/datastack/full/minnie", 'If-None-Match: "a"')
    assert (unchanged.status, unchanged.body) == (304, b"")


async def test_a_compressed_record_is_read_and_one_that_cannot_be_is_refused(lab):
    text = json.dumps(record("minnie", lab.one.url, "seg_m")).encode()
    await lab.gate()
    ada = lab.stand.caller("lab")
    target = "/info/api/v2/datastack/full/minnie"
    lab.up.on(target, told(gzip.compress(text), "Content-Type: application/json", "Content-Encoding: gzip"))
    answer = await ada.get(target, "Accept-Encoding: gzip")
    assert json.loads(answer.body)["local_server"].endswith("/datastack/minnie")
    assert answer["Content-Encoding"] == ""
    for said in (
        told(gzip.compress(text)[:-9], "Content-Encoding: gzip"),
        told(text, "Content-Encoding: br"),
        told(b"[1]", "Content-Type: application/json"),
        told(b'{"local_server": ', "Content-Type: application/json"),
    ):
        lab.up.on(target, said)
        answer = await ada.get(target)
        assert (answer.status, answer.fault) == (502, "UpstreamBroken")
        assert lab.one.url.encode() not in answer.body
    lab.up.on(target, told(b"no", status="404 Not Found"))
    assert (await ada.get(target)).body == b"no"


async def test_local_services_are_learned_from_what_callers_are_given(lab):
    await lab.gate()
    ada = lab.stand.caller("lab")
    assert (await ada.get("/datastack/minnie/materialize/version")).status == 200
    assert lab.up.asked[-1].path == "/datastack/minnie/materialize/version"
    await lab.learn(ada)
    for path, server in (
        ("/datastack/minnie/materialize/version", lab.one),
        ("/datastack/fly/l2cache/api/v1/table_mapping", lab.two),
        ("/datastack/fly/annotation/api/versions", lab.two),
    ):
        assert (await ada.get(path)).status == 200
        assert server.asked[-1].path == "/" + path.split("/", 3)[3]
    assert not lab.up.asked


@pytest.mark.parametrize(
    ("path", "which"),
    [
        ("/segmentation/table/seg_f/info", "two"),
        ("/segmentation/api/v1/table/seg_f/node/7/root", "two"),
        ("/segmentation/api/v1/table/seg_m/node/7/root", "one"),
        ("/meshing/api/v1/table/seg_f/remeshing", "two"),
        ("/materialize/api/v3/datastack/fly/versions", "two"),
        ("/materialize/api/v2/materialize/run/lookup_svid/datastack/fly/t", "two"),
        ("/annotation/api/v2/aligned_volume/fly_volume/table", "two"),
        ("/skeletoncache/api/v1/fly/precomputed/skeleton/info", "two"),
        ("/l2cache/api/v1/table/seg_f/attributes", "two"),
        ("//segmentation//table/seg_f/info", "two"),
        ("/segmentation/table/nobodys/info", "two"),
    ],
)
async def test_without_a_datastack_before_it_a_path_tells_whose_it_is(lab, path, which):
    await lab.gate()
    ada = lab.stand.caller("lab")
    await lab.learn(ada)
    assert (await ada.get(path)).status == 200
    server = getattr(lab, which)
    assert [one.path for one in server.asked] == ["/" + path.lstrip("/")]


async def test_wherever_it_is_reached_a_local_service_is_judged_as_its_datastacks(lab):
    await lab.gate()
    await lab.learn(lab.stand.caller("lab"))
    minnie, fly = lab.stand.caller("minnie", name="mia"), lab.stand.caller("fly_paths", name="flo")
    at_the_root = "/segmentation/table/{}/info"
    in_the_stack = "/datastack/{}/segmentation/table/{}/info"
    assert (await minnie.get(at_the_root.format("seg_m"))).status == 200
    assert (await minnie.get(at_the_root.format("seg_f"))).status == 403
    assert (await minnie.get(in_the_stack.format("fly", "seg_f"))).status == 403
    assert (await fly.get(at_the_root.format("seg_f"))).status == 200
    assert (await fly.get(at_the_root.format("seg_m"))).status == 403


async def test_a_learned_datastack_is_named_only_to_those_who_were_shown_it(lab):
    await lab.gate()
    ada, eve = lab.stand.caller("lab"), lab.stand.caller("lab", name="eve")
    await lab.learn(ada)

    async def datastacks(caller) -> list[str]:
        said = json.loads((await caller.get("/openrpc.json")).body)
        return said["x-labgate"].get("datastacks", [])

    assert await datastacks(ada) == ["fly", "minnie"]
    assert await datastacks(eve) == []
    hidden = await eve.call(
        "rpc.discover",
        {},
    )
    assert "minnie" not in json.dumps(hidden)
    refused = await eve.rpc("/rpc?datastack=minnie", {"jsonrpc": "2.0", "method": "x.y", "id": 1})
    unknown = await eve.rpc("/rpc?datastack=nothing", {"jsonrpc": "2.0", "method": "x.y", "id": 1})
    assert (
        refused.body.replace(b"minnie", b"nothing").partition(b"request_id")[0]
        == unknown.body.partition(b"request_id")[0]
    )
    assert (await eve.get("/info/api/v2/datastack/full/minnie")).status == 200
    assert await datastacks(eve) == ["minnie"]


async def test_what_was_learned_is_known_after_a_restart_and_to_other_workers(lab, tmp_path):
    await lab.gate()
    ada = lab.stand.caller("lab")
    await lab.learn(ada)
    said = json.loads((tmp_path / "state" / "datastacks" / "cave.json").read_text())
    assert sorted(said) == ["fly", "minnie"]
    assert (tmp_path / "state" / "datastacks" / "cave.json").stat().st_mode & 0o077 == 0
    first = lab.stand.running
    await lab.gate()
    assert lab.stand.running is not first
    services = lab.stand.running.discovery.health
    await until(lambda: "minnie/materialize" in services())
    (tmp_path / "state" / "datastacks" / "cave.json").write_text(
        json.dumps(said | {"worm": record("worm", lab.one.url, "seg_w")})
    )
    await until(lambda: "worm/materialize" in services())


@pytest.mark.parametrize(
    ("local", "why"),
    [
        ("https://evil.example", "not on this machine"),
        ("https://evil.example:8/x", 'write local_servers: ["https://evil.example:8"]'),
        ('https://evil.example","https://other', "no URL of a server"),
        ("http://user:pw@127.0.0.1:1", "no URL of a server"),
        ("file:///etc/passwd", "no URL of a server"),
        ("http://127.0.0.1:99999", "no URL"),
        ("http://127.0.0.1:1/?x", "no URL of a server"),
        ("http://[::1", "no URL"),
    ],
)
async def test_a_local_server_that_is_not_trusted_is_never_spoken_to_and_nobody_is_sent_there(
    lab, local, why, caplog
):
    lab.tell("minnie", record("minnie", local, "seg_m"))
    await lab.gate()
    ada = lab.stand.caller("lab")
    answer = await ada.get("/info/api/v2/datastack/full/minnie")
    said = json.loads(answer.body)
    assert said["local_server"] == f"http://127.0.0.1:{ada.port}/datastack/minnie"
    assert why in caplog.text
    assert "minnie/materialize" not in lab.stand.running.discovery.health()


async def test_a_redirect_within_the_deployment_leads_back_to_the_gate(lab):
    lab.up.on("/info/login", told(b"", f"Location: {lab.up.url}/sticky_auth/x?a=1", status="302 Found"))
    await lab.gate("/cave")
    ada = lab.stand.caller("lab")
    answer = await ada.get("/cave/info/login")
    assert answer["Location"] == f"http://127.0.0.1:{ada.port}/cave/sticky_auth/x?a=1"
