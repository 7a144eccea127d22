"""Is what the demo's DVID holds worth looking at, and the same at every start?"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

import numpy as np
import pytest

from gateway.demo.dvid.lab import demo_store, node_uuid
from gateway.demo.dvid.synthetic import halved, tissue


@pytest.fixture(scope="module")
def store() -> Any:
    return demo_store((32, 128, 128))


def read(store: Any, node: str, name: str) -> Any:
    repo, found = store.find(node_uuid(node))
    voxels = repo.instances[name]
    lineage = voxels.lineage(repo, found)
    extents = voxels.extents(lineage)
    return voxels.read(lineage, (0, 0, 0), tuple(one + 1 for one in extents.last))


def test_tissue_is_made_in_seconds_and_the_same_every_time() -> None:
    start = time.process_time()
    made = tissue()
    assert time.process_time() - start < 10  # two seconds where nothing else runs
    assert (made.grey.shape, made.grey.dtype, made.labels.dtype) == ((64, 512, 512), np.uint8, np.uint64)
    small, again, other = tissue((8, 64, 64)), tissue((8, 64, 64)), tissue((8, 64, 64), seed=1)
    assert np.array_equal(small.grey, again.grey)
    assert np.array_equal(small.labels, again.labels)
    assert not np.array_equal(small.grey, other.grey)
    assert len(np.unique(made.labels)) > 100


def test_membranes_are_dark_and_belong_to_no_cell_and_sections_follow_each_other() -> None:
    made = tissue((16, 256, 256))
    inside, membrane = made.grey[made.labels > 0], made.grey[made.labels == 0]
    assert 0.02 < (made.labels == 0).mean() < 0.3
    assert membrane.mean() < inside.mean() - 40
    assert (made.labels[1:] == made.labels[:-1]).mean() > 0.9
    assert int(made.labels.max()) > 1 << 53


def test_the_next_scale_is_the_mean_of_eight_voxels(store) -> None:
    gray, half = read(store, "medulla", "grayscale"), read(store, "medulla", "grayscale_1")
    assert np.array_equal(half, halved(gray))
    assert half[3, 4, 5] == gray[6:8, 8:10, 10:12].sum(dtype=int) // 8
    repo, _ = store.find(node_uuid("medulla"))
    assert repo.instances["grayscale_1"].voxel_size == [16, 16, 16]


def test_there_are_two_repos_with_locked_roots_open_leaves_and_a_branch(store) -> None:
    told = {repo.alias: repo.document() for repo in store.repos.values()}
    assert set(told) == {"medulla", "optic"}
    nodes = {uuid: (one["Locked"], one["Branch"]) for uuid, one in told["medulla"]["DAG"]["Nodes"].items()}
    assert nodes == {
        node_uuid("medulla"): (True, ""),
        node_uuid("medulla traced"): (True, ""),
        node_uuid("medulla open"): (False, ""),
        node_uuid("medulla proofreading"): (False, "proofreading"),
    }
    assert sorted(one["Locked"] for one in told["optic"]["DAG"]["Nodes"].values()) == [False, True]
    kinds = {
        name: one["Base"]["TypeName"] for repo in told.values() for name, one in repo["DataInstances"].items()
    }
    assert kinds == {
        "grayscale": "uint8blk",
        "grayscale_1": "uint8blk",
        "segmentation": "labelmap",
        "synapses": "annotation",
        "segmentation_annotations": "keyvalue",
        "segmentation_skeletons": "keyvalue",
        "settings": "keyvalue",
        "centre": "roi",
        "rois": "keyvalue",
        "segmentation_todo": "annotation",
        "bookmark_annotations": "annotation",
        "em": "uint16blk",
        "cytoplasm": "float32blk",
    }
    assert not told["medulla"]["DataInstances"]["settings"]["Base"]["Versioned"]


def test_each_version_has_fewer_bodies_than_the_one_before(store) -> None:
    counts = [
        len(np.unique(read(store, node, "segmentation")))
        for node in ("medulla", "medulla traced", "medulla open", "medulla proofreading")
    ]
    assert counts == [counts[0], counts[0] - 1, counts[0] - 1, counts[0] - 2]


def test_synapses_join_two_bodies_and_bodies_are_named(store) -> None:
    repo, node = store.find(node_uuid("medulla"))
    gray, points = repo.instances["grayscale"], repo.instances["synapses"]
    last = gray.extents(repo.lineage(node)).last[::-1]
    found = points.where(repo.lineage(node), lambda _: True)
    assert len(found) > 100
    labels = repo.instances["segmentation"]
    pairs = [
        [labels.at(repo.lineage(node), tuple(place[::-1])) for place in (one["Pos"], one["Rels"][0]["To"])]
        for one in found
    ]
    assert all(one and other and one != other for one, other in pairs)
    assert all(0 <= at <= end for one in found for at, end in zip(one["Pos"], last, strict=True))
    bodies = repo.instances["segmentation_annotations"]
    value = json.loads(bodies.values.get(repo.lineage(node), bodies.keys(repo.lineage(node))[0]))
    assert value["status"] == "Traced"


def test_the_command_serves_the_lab_to_whom_it_should() -> None:
    command = [sys.executable, "-m", "gateway.demo.dvid", "--port", "0", "--auth", "dsg"]
    environ = os.environ | {
        "LABGATE_DEMO_DVID_TOKENS": '{"ada": "secret"}',
        "LABGATE_DEMO_DVID_ADMIN": "sesame",
    }
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        word, _, url = process.stdout.readline().strip().partition(" ")
        assert word == "ready"
        address = f"{url}/api/node/{node_uuid('medulla')[:8]}/grayscale/raw/0_1_2/512_512_64/0_0_0"
        request = urllib.request.Request(address, headers={"Authorization": "Bearer secret"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.read() == tissue().grey.tobytes()
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(address, timeout=60)
        caught.value.close()
        assert caught.value.code == 401
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
