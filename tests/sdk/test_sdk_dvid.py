"""The SDK's volumes before a gate before a DVID, line by line as a notebook has them."""

import asyncio
import inspect

import numpy as np
import pytest

import labgate
from labgate.errors import InvalidParams, Locked, SetupError

CONFIG = """\
policies: [{{to: ["group:lab"], allow: ["*", "/**"]}}]
services:
  dvid: {{dialect: dvid, url: "{url}", mount: /dvid, nodes: {{prod: "{root}"}}}}
"""


@pytest.fixture
def over() -> str:
    """What the gate is reached over: a test has itself parametrised with `https` too."""
    return "http"


@pytest.fixture
def used(over, request, monkeypatch, dvid_lab, gate_of, token_for):
    """Runs a function with a client in a thread, while the gate runs here."""
    secured = ""
    if over == "https":
        authority = request.getfixturevalue("authority")
        issued = authority.issue()
        secured = f"tls: {{certificate: {issued.certificate}, key: {issued.key}}}\n"
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))

    async def made(function, content=None, also=""):
        content = content or dvid_lab.small()
        with dvid_lab.running(content.store) as server:
            async with gate_of(
                secured + (CONFIG + also).format(url=server.url, root=content.root.uuid)
            ) as gate:
                async with asyncio.timeout(20):
                    while any(one.down for one in gate.discovery.health().values()):
                        await asyncio.sleep(0.005)
                server.forget()
                url = "{}://{}:{}".format(over, *gate.address)
                token = token_for("ada", "lab")
                wanted = len(inspect.signature(function).parameters)

                def run():
                    given = (labgate.connect(url, token=token), content, server, url, token)
                    return function(*given[:wanted])

                return await asyncio.to_thread(run)

    return made


@pytest.mark.parametrize("over", ["http", "https"])
async def test_a_volume_is_read_like_an_array_and_its_second_reading_asks_nobody(used):
    def notebook(lab, content, server):
        vol = lab.dvid.volume("prod", "gray")
        assert (vol.shape, vol.dtype, vol.axes) == ((40, 70, 100), np.uint8, ("z", "y", "x"))
        assert vol.locked
        for _ in range(2):
            assert (vol[0:40, 0:70, 0:100] == content.gray).all()
        assert server.requests["raw"] == 1
        assert (vol[3, 5:20, ::2] == content.gray[3, 5:20, ::2]).all()
        padded = vol[-4:4, 0:8, 0:8]
        assert not padded[:4].any()
        assert (padded[4:] == content.gray[:4, :8, :8]).all()
        out = np.zeros((40, 70, 100), np.uint8)
        assert vol.read((0, 0, 0), (40, 70, 100), out=out, workers=8) is out
        assert (out == content.gray).all()
        assert "data:image/png" in vol._repr_html_()
        labels = lab.dvid.volume(content.root.uuid[:8], "labels")
        assert (labels[0:64, 0:64, 0:128] == content.labels).all()

    await used(notebook)


@pytest.mark.parametrize("over", ["http", "https"])
async def test_an_open_version_is_written_to_and_a_locked_one_is_not(used):
    def notebook(lab, content, server):
        vol = lab.dvid.volume(content.open.uuid, "gray")
        new = np.full((32, 64, 64), 7, np.uint8)
        vol.write((0, 0, 0), new)
        assert (vol[0:32, 0:64, 0:64] == 7).all()
        with pytest.raises(InvalidParams, match="borders of blocks"):
            lab.dvid.write(content.open.uuid, "gray", [0, 0, 1], new)
        vol.write((1, 1, 1), np.full((3, 3, 3), 9, np.uint8), unaligned=True)
        assert (vol[1:4, 1:4, 1:4] == 9).all()
        assert vol[0, 0, 0] == 7
        writes = server.writes
        locked = lab.dvid.volume("prod", "gray")
        with pytest.raises(Locked, match=content.root.uuid):
            locked[0:32, 0:32, 0:32] = 1
        assert server.writes == writes
        assert lab.dvid.commit(content.open.uuid, note="done")
        child = lab.dvid.newversion(content.open.uuid)["child"]
        assert (lab.dvid.volume(child, "gray")[1:4, 1:4, 1:4] == 9).all()

    await used(notebook)


async def test_the_path_of_a_volume_clients_host_is_that_of_one_of_several_services(used):
    def program(lab, content, server, url, token):
        host = url.removeprefix("http://")
        with pytest.raises(SetupError, match="several services with volumes: archive, dvid"):
            labgate.VolumeClient(host, "prod", "gray", token=token)
        for space in ("archive", "dvid"):
            client = labgate.VolumeClient(f"{host}/{space}", content.root.uuid, "gray", token=token)
            whole = client.retrieve_subvolume((0, 0, 0, 0), (1, 100, 70, 40))
            assert (content.gray == whole[0].T).all()
            assert labgate.cite(client.volume[0:2]).service == space
            assert labgate.VolumeClient.query_datasets_info(f"{host}/{space}/", token=token)
        with pytest.raises(SetupError, match="at /lost; it has archive at /archive, dvid at /dvid"):
            labgate.VolumeClient(f"{host}/lost", "prod", "gray", token=token)

    await used(program, also='  archive: {{dialect: dvid, url: "{url}", mount: /archive}}\n')


async def test_new_volumes_grow_with_what_is_written(used):
    def notebook(lab, content):
        made = lab.dvid.create_volume(
            content.open.uuid, "new", "uint16", resolution=[40, 4, 4], units=["nanometers"] * 3
        )
        vol = made if isinstance(made, labgate.Volume) else lab.dvid.volume(content.open.uuid, "new")
        assert vol.resolution == (40.0, 4.0, 4.0)
        data = np.arange(32**3, dtype=np.uint16).reshape(32, 32, 32)
        vol.write((-32, 0, 64), data)
        vol.refresh()
        assert (vol.shape, vol.offset) == ((32, 32, 32), (-32, 0, 64))
        assert (vol[-32:0, 0:32, 64:96] == data).all()

    await used(notebook)


@pytest.mark.parametrize("over", ["http", "https"])
async def test_the_classic_client_of_dvid_works_through_the_gate(used):
    def notebook(lab, content, server, url, token):
        client = labgate.VolumeClient(url, content.root.uuid, "gray", token=token)
        assert client.metainfo.shape == (1, 100, 70, 40)
        part = np.asarray(client.retrieve_subvolume((0, 10, 20, 30), (1, 40, 50, 40)))
        assert (part[0] == content.gray.T[10:40, 20:50, 30:40]).all()
        with pytest.raises(labgate.ErrorResponse) as caught:
            client.modify_subvolume((0, 0, 0, 0), (1, 32, 32, 32), np.ones((1, 32, 32, 32), np.uint8))
        assert caught.value.status == 409
        assert content.root.uuid in caught.value.body
        info = labgate.MetaInfo((1, 64, 64, 64), np.uint8, "cxyz")
        new = labgate.VolumeClient.create_volume(url, content.open.uuid, "classic", info, token=token)
        cube = np.arange(64**3, dtype=np.uint8).reshape(1, 64, 64, 64)
        new.modify_subvolume((0, 0, 0, 0), (1, 64, 64, 64), cube)
        assert (
            np.asarray(new.retrieve_subvolume((0, 1, 2, 3), (1, 60, 61, 62))) == cube[:, 1:60, 2:61, 3:62]
        ).all()

    await used(notebook)


@pytest.mark.parametrize("over", ["http", "https"])
async def test_a_run_at_a_gate_is_recorded_and_found_again_without_it(used, tmp_path):
    def script(lab, content, server):
        file = tmp_path / "run.labgate"

        def run(lab):
            vol = lab.dvid.volume("prod", "gray")
            part = vol.read((0, 0, 0), (40, 70, 100), workers=4)
            return part, repr(vol), labgate.whoami(lab).subject

        with labgate.testing.record(file, lab) as recorded:
            first = run(recorded)
        server.forget()
        with labgate.testing.replay(file) as replayed:
            second = run(replayed)
        assert (first[0] == content.gray).all()
        assert (second[0] == content.gray).all()
        assert second[1:] == first[1:]
        assert not sum(server.requests.values())
        assert lab._session.link.token().encode() not in file.read_bytes()

    await used(script)
