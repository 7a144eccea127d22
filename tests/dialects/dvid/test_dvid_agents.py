"""What agents see of volumes: a cutout is a picture, put together from the same blocks as everybody's."""

import base64
import io
import json
import zlib
from urllib.parse import quote

import numpy as np


async def asked(lab, method, params):
    """The result of one message of an agent."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    fields = lab.fields() | {"Content-Type": "application/json"}
    async with lab.session.post(f"{lab.address}/mcp", data=json.dumps(message), headers=fields) as answer:
        said = await answer.json()
    return said.get("result", said)


def pixels(data):
    """The pixels of a grey PNG file without filters."""
    columns, rows = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    start = data.index(b"IDAT") + 4
    length = int.from_bytes(data[start - 8 : start - 4], "big")
    return np.frombuffer(zlib.decompress(data[start : start + length]), np.uint8).reshape(rows, -1)[:, 1:].reshape(rows, columns)  # fmt: skip


async def test_an_agent_sees_the_plane_that_the_array_has(lab):
    node, start, stop = lab.content.root.uuid, [3, 0, 0], [4, 50, 40]
    whole, _ = await lab.npy(node, "gray", start, stop)
    arguments = {"node": node, "instance": "gray", "start": start, "stop": stop}
    result = await asked(lab, "tools/call", {"name": "dvid_read", "arguments": arguments})
    text, image, more, link = result["content"]
    told = json.loads(text["text"])
    assert told == {"dtype": "|u1", "shape": [1, 50, 40], "min": int(whole.min()), "max": int(whole.max())}
    assert (pixels(base64.b64decode(image["data"])) == whole[0]).all()
    assert "2000 bytes" in more["text"]
    # The link is the array itself, for whoever has a token.
    async with lab.session.get(link["uri"], headers=lab.fields()) as answer:
        assert answer.status == 200
        assert (np.load(io.BytesIO(await answer.read())) == whole).all()
    uri = (
        f"labgate:/rpc/dvid.read?node={node}&instance=gray&start={quote('[3,0,0]')}&stop={quote('[4,50,40]')}"
    )
    contents = (await asked(lab, "resources/read", {"uri": uri}))["contents"]
    assert contents[1]["mimeType"] == "image/png"
    assert contents[1]["blob"] == image["data"]


async def test_volumes_are_listed_and_nothing_that_writes_is_a_tool(lab):
    templates = (await asked(lab, "resources/templates/list", {}))["resourceTemplates"]
    kinds = {one["name"]: one["mimeType"] for one in templates}
    assert kinds["dvid.read"] == "image/png"
    assert "labgate:/rpc/dvid.read{?node,instance,start,stop,scale}" in {
        one["uriTemplate"] for one in templates
    }
    tools = {one["name"] for one in (await asked(lab, "tools/list", {}))["tools"]}
    assert {"dvid_read", "dvid_volume", "dvid_repos"} <= tools
    assert not tools & {"dvid_write", "dvid_commit", "dvid_branch"}
