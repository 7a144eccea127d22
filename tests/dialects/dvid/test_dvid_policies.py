"""The policies that the documentation shows let people and pages read what they say, and change nothing."""

import re
from pathlib import Path

import pytest
import yaml

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "dvid.md"
SETTINGS = [
    yaml.safe_load(text)
    for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
]


def allowed(word: str) -> list[str]:
    """What the page's one policy for `word` allows."""
    (found,) = [policy["allow"] for one in SETTINGS for policy in one["policies"] if word in policy["to"]]
    return list(found)


def config(word: str, more: str = "") -> str:
    """Settings that allow what the page allows to `word`."""
    globs = ", ".join(f'"{glob}"' for glob in allowed(word)).replace("/public/", "/dvid/")
    return f"""\
identity: {{{{local_tokens: true, anonymous: true}}}}
policies: [{{{{to: ["{word}"], allow: [{globs}]}}}}]
services:
  dvid:
    dialect: dvid
    url: "{{url}}"
    mount: /dvid
    nodes: {{{{prod: "{{root}}", newest: "{{root}}:master"}}}}
    {more}
{{more}}
"""


def node(lab, which="root"):
    return f"/api/node/{getattr(lab.content, which).uuid}"


READ = [
    "/api/repos/info",
    "/api/node/prod/status",
    "/api/node/prod/gray/info",
    "/api/node/prod/gray/metadata",
    "/api/node/prod/gray/raw/0_1_2/4_4_4/0_0_0",
    "/api/node/prod/gray/raw/0_1_2/64_64_64/0_0_0/jpg",
    "/api/node/prod/gray/subvolblocks/64_64_64/0_0_0",
]
CHANGE = [
    ("write", {"node": "newest", "instance": "gray", "start": [0, 0, 0], "data": []}),
    ("put_key", {"node": "newest", "instance": "keys", "key": "a", "value": 1}),
    ("delete_key", {"node": "newest", "instance": "keys", "key": "a"}),
    ("api.post_raw_0_1_2", {"node": "newest", "instance": "labels"}),
    ("commit", {"node": "newest"}),
]


async def test_who_may_read_reads_by_methods_and_below_the_mount_and_changes_nothing(behind_gate):
    async with behind_gate(config=config("group:lab")) as lab:
        for path in READ:
            assert (await lab.ask("GET", path))[0] == 200, path
        assert (await lab.call("volume", node="prod", instance="gray"))["shape"] == [40, 70, 100]
        assert await lab.call("keys", node="newest", instance="keys") == []
        for method, params in CHANGE:
            assert (await lab.error(method, **params))["data"]["fault"] == "Forbidden", method
        assert (await lab.ask("POST", node(lab, "open") + "/keys/key/a", b"1"))[0] == 403
        async with lab.session.get(f"{lab.address}/openrpc.json", headers=lab.fields()) as answer:
            listed = (await answer.json())["methods"]
        own = [one for one in listed if one["name"].startswith("dvid.")]
        assert len(own) > 50
        assert [one["name"] for one in own if not one["x-labgate"]["safe"]] == []


async def test_pages_read_without_a_token_what_anonymous_may_and_only_where_cors_says_so(behind_gate):
    cors = 'cors: {{origins: ["https://viewer.lab.org"], methods: [GET, HEAD]}}'
    async with behind_gate(config=config("anonymous", cors)) as lab:
        page = {"Origin": "https://viewer.lab.org", "Sec-Fetch-Mode": "cors"}
        for path in READ:
            async with lab.session.get(f"{lab.address}/dvid{path}", headers=page) as answer:
                assert answer.status == 200, path
                assert answer.headers["Access-Control-Allow-Origin"] == page["Origin"]
        other = page | {"Origin": "https://elsewhere.org"}
        async with lab.session.get(f"{lab.address}/dvid{READ[0]}", headers=other) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers
        async with lab.session.get(f"{lab.address}/dvid/api/node/prod/keys/keys") as answer:
            assert answer.status == 403


@pytest.mark.parametrize("said", ["true", "false", None])
async def test_the_gate_alone_says_whether_it_is_one_of_the_services_own(behind_gate, said):
    internal = 'headers: {{X-DVID-Internal: "true"}}'
    async with behind_gate(config=config("group:lab", internal)) as lab:
        await lab.ask("GET", "/api/repos/info", **({} if said is None else {"X-DVID-Internal": said}))
        await lab.call("read", node="prod", instance="gray", start=[0, 0, 0], stop=[2, 2, 2])
        told = [
            [value for name, value in one.fields.items() if name == "X-DVID-Internal"]
            for one in lab.dvid.seen
        ]
        assert told
        assert all(one == ["true"] for one in told)


async def test_a_rule_of_read_keeps_nothing_of_an_open_version(behind_gate):
    rule = '    methods: {"read": {cache: {fresh: 1h, share: everyone}}}'
    async with behind_gate(more=rule) as lab:
        asked = {"node": "newest", "instance": "gray", "start": [0, 0, 0], "stop": [2, 2, 2]}
        before = await lab.call("read", **asked)
        path = node(lab, "open") + "/gray/raw/0_1_2/32_32_32/0_0_0?mutate=true"
        assert lab.dvid.ask("POST", path, bytes([9]) * 32**3)[0] == 200, "past the gate"
        assert await lab.call("read", **asked) != before
