"""What is derived is kept when it has settled, what has no versions never, and nothing where locked versions may be written to."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gateway.demo.dvid.lab import add_volume
from gateway.dialects.dvid.endpoints import GRACE_SECONDS


def node(lab):
    return f"/api/node/{lab.content.root.uuid}"


@pytest.fixture
def content(dvid_lab):
    """The small lab, with a coarser scale of `gray`, and voxels without versions."""
    made = dvid_lab.small()
    add_volume(
        made.store, made.repo, made.root, "uint8blk", "gray_1", made.gray[::2, ::2, ::2], VoxelSize="16,16,16"
    )
    add_volume(made.store, made.repo, made.root, "uint8blk", "loose", made.gray, versioned="false")
    return made


def ago(seconds):
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def told(lab, path):
    status, fields, body = await lab.ask("GET", node(lab) + path)
    assert (status, body) == (200, lab.dvid.ask("GET", node(lab) + path)[2])
    return fields["Cache-Status"].split(";")[1].strip()


COARSE = "/labels/raw/0_1_2/20_20_20/1_2_3?scale=1"


@pytest.mark.parametrize(
    "path", [COARSE, COARSE + "&compression=gzip", "/labels/sparsevol/9007199254740993?scale=1"]
)
async def test_coarser_labels_are_kept_when_their_version_has_rested(behind_gate, content, path):
    async with behind_gate(content=content) as lab:
        content.root.updated = ago(GRACE_SECONDS - 60)
        assert "hit" not in {await told(lab, path) for _ in range(3)}
    content.root.updated = ago(GRACE_SECONDS + 60)
    async with behind_gate(content=content) as lab:
        assert [await told(lab, path) for _ in range(2)] == ["fwd=miss", "hit"]


async def test_coarser_labels_are_the_right_ones_by_every_way_before_and_after_they_have_settled(
    behind_gate, content
):
    expected = np.zeros((40, 40, 70), np.uint64)
    coarse = content.labels[::2, ::2, ::2]
    expected[:32, :32, :64] = coarse
    for age, said in ((0, "fwd=bypass"), (GRACE_SECONDS + 60, "labgate; hit")):
        content.root.updated = ago(age)
        async with behind_gate(content=content) as lab:
            for _ in range(2):
                array, fields = await lab.npy("prod", "labels", [0, 0, 0], [40, 40, 70], scale=1)
                assert (array == expected).all()
            assert said in fields["Cache-Status"]
            fine, fields = await lab.npy("prod", "labels", [0, 0, 0], [8, 8, 8])
            assert "fwd=miss" in fields["Cache-Status"], "the finest is other data"
            assert (fine == content.labels[:8, :8, :8]).all()


async def test_data_of_the_same_name_with_a_number_are_the_scales_of_a_volume(behind_gate, content):
    async with behind_gate(content=content) as lab:
        about = await lab.call("volume", node="prod", instance="gray")
        assert [(one["scale"], one["instance"], one["shape"]) for one in about["scales"]] == [
            (0, "gray", [40, 70, 100]),
            (1, "gray_1", [20, 35, 50]),
        ]
        assert about["scales"][1]["resolution"] == [16.0] * 3
        for said in ("fwd=miss", "labgate; hit"):
            array, fields = await lab.npy("prod", "gray", [0, 0, 0], [20, 35, 50], scale=1)
            assert (array == content.gray[::2, ::2, ::2]).all()
            assert said in fields["Cache-Status"]
        _, fields = await lab.npy("prod", "gray_1", [0, 0, 0], [20, 35, 50])
        assert "labgate; hit" in fields["Cache-Status"], "it is the same data"
        error = await lab.error(
            "read", node="prod", instance="gray", start=[0, 0, 0], stop=[1, 1, 1], scale=2
        )
        assert "there is no gray_2" in error["message"]


async def test_voxels_without_versions_are_asked_for_each_time_at_whatever_version(behind_gate, content):
    async with behind_gate(content=content) as lab:
        box = ([0, 0, 0], [40, 70, 100])
        for version in ("prod", content.middle.uuid, content.open.uuid):
            array, fields = await lab.npy(version, "loose", *box)
            assert (array == content.gray).all()
            assert "fwd=bypass" in fields["Cache-Status"]
        assert "hit" not in {await told(lab, "/loose/raw/0_1_2/100_70_40/0_0_0") for _ in range(2)}
        made = content.repo.instances["loose"]
        made.load([content.root.version], (0, 0, 0), content.gray + np.uint8(1))
        array, _ = await lab.npy("prod", "loose", *box)
        assert (array == content.gray + np.uint8(1)).all()


@pytest.mark.parametrize("path", ["/gray/raw/0_1_2/100_70_40/0_0_0", "/keys/keys", "/labels/label/3_3_3"])
async def test_where_locked_versions_may_be_written_to_nothing_is_kept(behind_gate, content, path):
    content.store.mode = "allow writes on committed nodes"
    async with behind_gate(content=content) as lab:
        assert "hit" not in {await told(lab, path) for _ in range(3)}
        _, fields, _ = await lab.ask("GET", node(lab) + path)
        assert "ETag" not in fields
        await lab.npy("prod", "gray", [0, 0, 0], [40, 70, 100])
        lab.dvid.forget()
        array, _ = await lab.npy("prod", "gray", [0, 0, 0], [40, 70, 100])
        assert (array == content.gray).all()
        assert lab.dvid.requests["raw"] == 1


async def test_a_picture_that_depends_on_the_size_of_voxels_is_asked_for_each_time(behind_gate, content):
    async with behind_gate(content=content) as lab:
        path = "/gray/isotropic/0_2/20_20/0_0_0"
        await told(lab, path)
        size = f"/api/node/{content.open.uuid}/gray/resolution"
        assert (await lab.ask("POST", size, b"[8.0, 8.0, 40.0]"))[0] == 200
        await told(lab, path)


async def test_a_server_that_takes_no_writes_is_kept_like_any_other(behind_gate, content):
    content.store.mode = "read only"
    async with behind_gate(content=content) as lab:
        assert [await told(lab, "/keys/keys") for _ in range(2)] == ["fwd=miss", "hit"]
