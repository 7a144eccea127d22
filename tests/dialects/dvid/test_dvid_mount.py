"""Below its mount a DVID answers as it does directly; what never changes is asked for once, and everything else each time."""

import json

import pytest


def node(lab, which="root"):
    return f"/api/node/{getattr(lab.content, which).uuid}"


async def twice(lab, path, verb="GET"):
    """The cache's words for the same request twice; the answers must be the direct one."""
    direct = lab.dvid.ask(verb, path)
    said = []
    for _ in range(2):
        status, fields, body = await lab.ask(verb, path)
        assert (status, body) == (direct[0], direct[2])
        said.append(fields["Cache-Status"].split(";")[1].strip())
    return said


@pytest.fixture
async def filled(lab):
    """The lab with a value and an annotation at its open version, which is locked then."""
    where = node(lab, "open")
    for path, body in (
        ("/keys/key/a", b'{"a": 1}'),
        ("/keys/key/b", b"\x00\x01\x02"),
        ("/flat/key/a", b"unversioned"),
        (
            "/points/elements",
            json.dumps([{"Pos": [1, 2, 3], "Kind": "Note", "Tags": [], "Prop": {}}]).encode(),
        ),
    ):
        assert (await lab.ask("POST", where + path, body))[0] == 200, path
    assert (await lab.ask("POST", where + "/commit", b'{"note": "done"}'))[0] == 200
    return lab


FOR_EVER = [
    "/keys/key/a",
    "/keys/key/b",
    "/keys/keys",
    "/keys/keyrange/a/c",
    "/points/all-elements",
    "/points/elements/10_10_10/0_0_0",
    "/labels/label/3_3_3",
    "/labels/size/9007199254740993",
    "/gray/raw/0_1/50_40/0_0_0",
    "/gray/raw/0_1_2/10_10_10/0_0_0?roi=area",
    "/labels/raw/0_1_2/64_64_64/0_0_0?compression=gzip",
    "/labels/raw/0_1_2/16_16_16/3_3_3",
]


@pytest.mark.parametrize("path", FOR_EVER)
async def test_data_of_a_locked_version_are_asked_for_once(filled, path):
    assert await twice(filled, node(filled, "open") + path) == ["fwd=miss", "hit"]


NEVER = [
    "/flat/key/a",
    "/gray/info",
    "/gray/metadata",
    "/labels/maxlabel",
    "/keys/key/absent",
    "/nothing/raw/0_1_2/4_4_4/0_0_0",
    "/gray/raw/0_1_2/4_4/0_0_0",
]


@pytest.mark.parametrize("path", NEVER)
async def test_what_may_change_and_what_fails_is_asked_for_each_time(filled, path):
    assert "hit" not in await twice(filled, node(filled, "open") + path)


async def test_data_of_an_open_version_are_asked_for_each_time(lab):
    assert "hit" not in await twice(lab, node(lab, "branch") + "/gray/raw/0_1_2/4_4_4/0_0_0")
    assert "hit" not in await twice(lab, node(lab, "branch") + "/keys/keys")


async def test_who_asks_and_how_politely_makes_no_difference_and_a_version_is_the_same_by_any_name(filled):
    uuid = filled.content.open.uuid
    await filled.ask("GET", f"/api/node/{uuid}/keys/key/a")
    for name, query in (
        (uuid, "?u=ada&app=tests"),
        (uuid, "?app=other&u=bob&throttle=true&interactive=false"),
        (uuid[:9], ""),
        (f"{uuid[:9]}:master", ""),
        ("newest", "?u=eve"),
    ):
        _, fields, body = await filled.ask("GET", f"/api/node/{name}/keys/key/a{query}")
        assert (body, "; hit" in fields["Cache-Status"]) == (b'{"a": 1}', True), (name, query)
    assert filled.dvid.requests["key"] == 4 + 1 - 1, "three were written, one was read"


async def test_a_stored_answer_has_a_strong_tag_that_says_it_is_unchanged(filled):
    for path in ("/keys/key/a", "/gray/raw/0_1_2/20_20_20/0_0_0"):
        target = node(filled, "open") + path
        _, fields, body = await filled.ask("GET", target)
        tag = fields["ETag"]
        assert tag.startswith('"')
        assert "immutable" in fields["Cache-Control"]
        status, again, rest = await filled.ask("GET", target, **{"If-None-Match": tag})
        assert (status, rest, again["ETag"]) == (304, b"", tag)
        status, _, rest = await filled.ask("GET", target, **{"If-None-Match": '"other"'})
        assert (status, rest) == (200, body)
        status, fields, rest = await filled.ask("HEAD", target)
        assert (status, rest, int(fields["Content-Length"])) == (200, b"", len(body))


async def test_a_key_with_a_slash_in_it_is_not_two_steps(behind_gate):
    async with behind_gate(more="    encoded_slash: true") as lab:
        where = node(lab, "open")
        await lab.ask("POST", where + "/keys/key/a%20b", b"one")
        await lab.ask("POST", where + "/commit", b"{}")
        assert (await lab.ask("GET", where + "/keys/key/a%20b"))[2] == b"one"
        assert (await lab.ask("GET", where + "/keys/key/a"))[0] == 404


async def test_a_late_error_in_a_200_of_known_length_is_not_stored(filled, dvid_lab):
    path = node(filled, "open") + "/labels/raw/0_1_2/64_64_64/0_0_0?compression=gzip"
    with filled.dvid.fault(dvid_lab.torn(10), "raw"):
        with pytest.raises(Exception, match=r".*"):
            await filled.ask("GET", path)
    status, fields, _ = await filled.ask("GET", path)
    assert (status, "hit" in fields["Cache-Status"]) == (200, False)


# --- secrets


async def test_a_caller_is_never_one_of_the_services_own(lab):
    await lab.ask("GET", "/api/repos/info", **{"X-DVID-Internal": "true"})
    await lab.ask("GET", node(lab) + "/keys/keys", **{"x-dvid-internal": "true"})
    assert not [one for one in lab.dvid.seen if "x-dvid-internal" in {name.lower() for name in one.fields}]


async def test_what_is_asked_with_the_admins_token_is_not_stored(lab, capsys):
    path = node(lab) + "/keys/keys?admintoken=sesame"
    assert "hit" not in await twice(lab, path)
    assert "sesame" not in capsys.readouterr().err


# --- names of the gate's, and addresses of then


async def test_a_name_of_ours_stands_for_its_version_in_reads_and_writes(lab):
    assert (await lab.ask("GET", "/api/node/prod/status"))[2] == lab.dvid.ask("GET", node(lab) + "/status")[2]
    status, _, body = await lab.ask("POST", "/api/node/newest/keys/key/x", b"1")
    assert (status, body) == (200, b"")
    assert (await lab.ask("GET", node(lab, "open") + "/keys/key/x"))[2] == b"1"
    status, _, body = await lab.ask("GET", "/api/node/nobodys/status")
    assert status == 400
    assert body == lab.dvid.ask("GET", "/api/node/nobodys/status")[2]
    assert (await lab.ask("GET", "/api/repo/prod/info"))[0] == 200


async def test_the_addresses_of_dvids_first_year_lead_to_todays(lab):
    status, _, body = await lab.ask("GET", "/api/datasets/info")
    (one,) = json.loads(body)["Datasets"]
    assert status == 200
    assert one["Root"] == lab.content.root.uuid
    assert one["Nodes"][lab.content.middle.uuid]["Parents"] == [lab.content.root.uuid]
    assert one["DataMap"]["gray"]["TypeService"]["Name"] == "grayscale8"
    status, _, body = await lab.ask("GET", node(lab) + "/gray/schema")
    said = json.loads(body)
    assert [axis["Label"] for axis in said["Axes"]] == ["X", "Y", "Z"]
    assert said["Values"][0]["DataType"] == "uint8"
    status, _, body = await lab.ask("GET", node(lab) + "/gray/0_1_2/100_70_40/0_0_0")
    assert (status, body) == (200, lab.content.gray.tobytes())
    schema = {
        "Axes": [{"Label": one, "Resolution": 4.0, "Units": "nanometers", "Size": 32} for one in "XYZ"],
        "Values": [{"DataType": "uint8", "Label": "g"}],
    }
    made = json.dumps(schema).encode()
    status, _, body = await lab.ask("POST", f"/api/dataset/{lab.content.open.uuid}/new/grayscale8/old", made)
    assert (status, body) == (204, b"")
    block = bytes(range(256)) * 128
    status, _, body = await lab.ask("POST", node(lab, "open") + "/old/0_1_2/32_32_32/0_0_0", block)
    assert (status, body) == (204, b"")
    assert (await lab.ask("GET", node(lab, "open") + "/old/0_1_2/32_32_32/0_0_0"))[2] == block
    about = await lab.call("volume", node=lab.content.open.uuid, instance="old")
    assert (about["resolution"], about["shape"]) == ([4.0, 4.0, 4.0], [32, 32, 32])
    status, _, body = await lab.ask(
        "POST", f"/api/dataset/{lab.content.open.uuid}/new/grayscale8/bad", b"[1]"
    )
    assert status == 400
    assert b"Axes" in body


# --- who may


async def test_a_hit_passes_the_same_checks_as_a_miss(behind_gate, token_for):
    async with behind_gate() as lab:
        path = node(lab) + "/gray/raw/0_1_2/10_10_10/0_0_0"
        assert (await lab.ask("GET", path))[0] == 200
        lab.token = token_for("eve", "readers")
        assert (await lab.ask("GET", path))[0] == 403, "readers may not call what this path is"
        assert (await lab.said("read", node="prod", instance="gray", start=[0, 0, 0], stop=[4, 4, 4]))[
            "result"
        ]
        lab.token = token_for("nobody", "others")
        assert (await lab.ask("GET", path))[0] == 403
        assert (await lab.error("read", node="prod", instance="gray", start=[0, 0, 0], stop=[4, 4, 4]))[
            "data"
        ]["fault"] == "Forbidden"
