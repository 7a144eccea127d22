"""Is an HDF5 file in the layout of dvidclient's mock server served as it was written?"""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import h5py
import numpy as np
import pytest

from gateway.demo.dvid.h5file import H5Error, H5MockServerDataFile, read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two datasets; the first with three nodes, the third from the first, and two volumes."""
    path = tmp_path / "data.h5"
    volume = np.arange(10 * 20 * 30, dtype=np.uint16).reshape(10, 20, 30)
    with H5MockServerDataFile(path) as data:
        data.add_node("first", "aaa1")
        data.add_volume("first", "em", volume, "zyx", resolution={"z": 40, "y": 4, "x": 4})
        data.add_node("first", "bbb2")
        data.add_node("first", "ccc3", parent="aaa1")
        colours = np.random.default_rng(0).integers(0, 256, (4, 30, 20, 10), np.uint8)
        data.add_volume("first", "colours", np.asfortranarray(colours), "cxyz")
        data.add_node("second", "ddd4")
    return path


def test_the_file_has_the_layout_of_the_mock_server(file) -> None:
    with h5py.File(file) as data:
        nodes = data["datasets/first/nodes"]
        assert list(nodes) == ["aaa1", "bbb2", "ccc3"]
        assert set(data["all_nodes"]) == {"aaa1", "bbb2", "ccc3", "ddd4"}
        assert data["all_nodes/bbb2/em"] == nodes["aaa1/em"] == data["datasets/first/volumes/em"]
        assert data["datasets/first/volumes/colours"].shape == (10, 20, 30, 4)
        tags = json.loads(nodes["aaa1/em"].attrs["axistags"])["axes"]
        assert [(tag["key"], tag["resolution"]) for tag in tags] == [("z", 40), ("y", 4), ("x", 4)]


def test_every_node_of_a_dataset_sees_its_volumes(file, dvid_lab) -> None:
    store = read(file)
    with h5py.File(file) as data:
        em, colours = (data[f"datasets/first/volumes/{name}"][()] for name in ("em", "colours"))
    assert {repo.alias: root for root, repo in store.repos.items()} == {"first": "aaa1", "second": "ddd4"}
    with dvid_lab.running(store) as server:
        for node in ("aaa1", "bbb2", "ccc3"):
            body = server.ask("GET", f"/api/node/{node}/em/raw/0_1_2/30_20_10/0_0_0")[2]
            assert body == em.tobytes()
            body = server.ask("GET", f"/api/node/{node}/colours/raw/0_1_2/5_6_7/1_2_3")[2]
            assert body == colours[3:10, 2:8, 1:6].tobytes()
        info = server.json("/api/node/aaa1/em/info")
        assert (info["Base"]["TypeName"], info["Extended"]["VoxelSize"]) == ("uint16blk", [4, 4, 40])
        assert info["Extended"]["MaxPoint"] == [29, 19, 9]
        nodes = server.json("/api/repos/info")["aaa1"]["DAG"]["Nodes"]
    assert {uuid: (node["Locked"], node["Branch"]) for uuid, node in nodes.items()} == {
        "aaa1": (True, ""),
        "bbb2": (False, ""),
        "ccc3": (False, "ccc3"),
    }
    assert nodes["aaa1"]["Children"] == [nodes["bbb2"]["VersionID"], nodes["ccc3"]["VersionID"]]


def test_a_file_of_another_hand_may_have_one_node_a_colour_axis_and_other_volumes_at_nodes(tmp_path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as data:
        volumes = data.create_group("datasets/d/volumes")
        for name, value in (("old", 1), ("new", 2)):
            volumes[name] = np.full((3, 4, 5, 1), value, np.uint64)
            volumes[name].attrs["axistags"] = json.dumps({"axes": [{"key": key} for key in "zyxc"]})
        for uuid, name in (("a", "old"), ("b", "new")):
            data[f"datasets/d/nodes/{uuid}/labels"] = h5py.SoftLink(f"/datasets/d/volumes/{name}")
    store = read(path)
    for uuid, value in (("a", 1), ("b", 2)):
        repo, node = store.find(uuid)
        labels = repo.instances["labels"]
        found = labels.read(labels.lineage(repo, node), (0, 0, 0), (3, 4, 5))
        assert (labels.kind.name, found.dtype, found.min(), found.max()) == (
            "labelmap",
            "uint64",
            value,
            value,
        )


def test_what_no_server_could_show_is_refused(tmp_path) -> None:
    with H5MockServerDataFile(tmp_path / "data.h5") as data:
        data.add_node("d", "a")
        with pytest.raises(H5Error, match="already"):
            data.add_node("other", "a")
        with pytest.raises(H5Error, match="no node 'zz'"):
            data.add_node("d", "b", parent="zz")
        cube = np.zeros((2, 2, 2), np.uint8)
        for array, axes, text in (
            (cube, "tyx", "must name the 3 axes"),
            (cube, "zy", "must name the 3 axes"),
            (cube, "zzx", "must name the 3 axes"),
            (cube.astype(np.int16), "zyx", "no server has voxels of 1 channels of int16"),
            (cube, "cyx", "no server has voxels of 2 channels of uint8"),
        ):
            with pytest.raises(H5Error, match=text):
                data.add_volume("d", "v", array, axes)
        data.add_volume("d", "v", cube, "zyx")
        with pytest.raises(H5Error, match="already"):
            data.add_volume("d", "v", cube, "zyx")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with pytest.raises(H5Error, match="no nodes below /datasets"):
        read(tmp_path / "empty.h5")


def test_the_command_serves_a_file_and_says_what_is_wrong_with_one(file) -> None:
    command = [sys.executable, "-m", "gateway.demo.dvid", str(file), "--port", "0", "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word, _, url = process.stdout.readline().strip().partition(" ")
        assert word == "ready"
        with urllib.request.urlopen(f"{url}/api/node/bbb/em/raw/0_1_2/2_1_1/0_0_0", timeout=60) as answer:
            assert answer.read() == b"\0\0\1\0"
        process.communicate()
        assert process.returncode == 0
    done = subprocess.run(
        [*command[:3], str(file) + "x"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot serve" in done.stderr


def test_without_h5py_the_command_says_what_to_install(file) -> None:
    code = "import sys; sys.modules['h5py'] = None; from gateway.demo.dvid.__main__ import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "pip install 'labgate-gateway[hdf5]'" in done.stderr
