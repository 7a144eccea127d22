"""Does the demo's DVID give and take voxels bit by bit, wherever they are asked for?"""

import gzip
import struct
import zlib
from typing import Any

import numpy as np
import pytest


def cut(array: Any, offset: tuple[int, int, int], size: tuple[int, int, int]) -> Any:
    """What a cutout must be: `offset` and `size` are (x, y, z), the array and the result (z, y, x)."""
    padded = np.zeros([side + 400 for side in array.shape], array.dtype)
    padded[tuple(slice(200, 200 + side) for side in array.shape)] = array
    return padded[
        tuple(slice(200 + low, 200 + low + side) for low, side in zip(offset[::-1], size[::-1], strict=True))
    ]


def read(dvid: Any, node: str, name: str, offset: Any, size: Any, dtype: str, query: str = "") -> Any:
    path = f"{name}/raw/0_1_2/{'_'.join(map(str, size))}/{'_'.join(map(str, offset))}{query}"
    return np.frombuffer(dvid.get(node, path), dtype).reshape(size[::-1])


def unpng(data: bytes) -> tuple[int, int, int, int, bytes]:
    """Columns, rows, depth, colour type and the rows of a PNG file whose filters are all 0."""
    columns, rows, depth, colour = struct.unpack(">IIBB", data[16:26])
    length = struct.unpack(">I", data[33:37])[0]
    lines = np.frombuffer(zlib.decompress(data[41 : 41 + length]), np.uint8).reshape(rows, -1)
    return columns, rows, depth, colour, lines[:, 1:].tobytes()


@pytest.mark.parametrize("offset", [(0, 0, 0), (31, 33, 7), (-20, 5, -3), (90, 60, 30), (-150, -150, -150)])
@pytest.mark.parametrize("size", [(1, 1, 1), (64, 32, 32), (130, 90, 50)])
def test_a_cutout_is_the_array_and_background_outside_of_it(dvid, offset, size) -> None:
    for name, array, dtype in (("gray", dvid.content.gray, "u1"), ("labels", dvid.content.labels, "<u8")):
        assert np.array_equal(read(dvid, "root", name, offset, size, dtype), cut(array, offset, size))


def test_all_spellings_of_a_volume_are_one(dvid) -> None:
    bodies = {
        dvid.get("root", f"gray/{call}/{shape}/40_30_20/{offset}")
        for call in ("raw", "isotropic")
        for shape in ("0_1_2", "0,1,2", "vol", "xyz")
        for offset in ("-3_5_1", "-3,5,1")
    }
    assert len(bodies) == 1


def test_volumes_beyond_256_cubed_voxels_come_whole(dvid) -> None:
    size = (512, 256, 136)
    assert np.array_equal(
        read(dvid, "root", "gray", (-40, 0, 0), size, "u1")[:40, :70, 40:140], dvid.content.gray
    )


def test_every_type_of_voxels_comes_back_as_it_was_written(dvid) -> None:
    chance = np.random.default_rng(0)
    root = f"/api/repo/{dvid.content.open.uuid}/instance"
    for kind, dtype in (
        ("uint8blk", "u1"),
        ("uint16blk", "<u2"),
        ("uint32blk", "<u4"),
        ("uint64blk", "<u8"),
        ("float32blk", "<f4"),
        ("labelblk", "<u8"),
        ("labelarray", "<u8"),
        ("labelmap", "<u8"),
    ):
        dvid.json(root, "POST", {"typename": kind, "dataname": kind})
        data = chance.bytes(64**3 * np.dtype(dtype).itemsize)
        path = dvid.node("open", f"{kind}/raw/0_1_2/64_64_64/-64_64_0")
        status, fields, body = dvid.ask("POST", path, data)
        assert (status, body, fields["Content-Length"]) == (200, b"", "0")
        assert dvid.ask("GET", path)[2] == data


def test_channels_of_a_pixel_lie_side_by_side(dvid) -> None:
    where = f"/api/repo/{dvid.content.open.uuid}/instance"
    dvid.json(where, "POST", {"typename": "rgba8blk", "dataname": "colour", "BlockSize": "8,8,8"})
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 16, 4), np.uint8)
    dvid.ask("POST", dvid.node("open", "colour/raw/0_1_2/16_8_8/0_0_0"), pixels.tobytes())
    assert dvid.get("open", "colour/raw/0_1_2/3_2_1/5_1_2") == pixels[2, 1:3, 5:8].tobytes()
    image = unpng(dvid.get("open", "colour/raw/xy/3_2/5_1_2"))
    assert image == (3, 2, 8, 6, pixels[2, 1:3, 5:8].tobytes())


def test_a_write_must_be_aligned_and_of_the_exact_length(dvid) -> None:
    block = bytes(32**3)
    for size, offset in (("32_32_32", "1_0_0"), ("32_32_32", "0_0_-31"), ("16_32_64", "0_0_0")):
        text = dvid.refused("POST", dvid.node("open", f"gray/raw/0_1_2/{size}/{offset}"), block)
        assert "not aligned to blocks of [32, 32, 32]" in text
    for wrong in (b"", block[1:], block + b"x"):
        text = dvid.refused("POST", dvid.node("open", "gray/raw/0_1_2/32_32_32/0_0_0"), wrong)
        assert text.startswith("expected 32768 bytes")
    assert "only POST 3d" in dvid.refused("POST", dvid.node("open", "gray/raw/xy/32_32/0_0_0"), block)


def test_extents_grow_with_what_is_written_at_a_node_and_below_it(dvid) -> None:
    def extents(node: str) -> tuple[Any, Any]:
        told = dvid.json(dvid.node(node, "gray/info"))
        assert told["Extents"] == {name: told["Extended"][name] for name in ("MinPoint", "MaxPoint")}
        return told["Extents"]["MinPoint"], told["Extents"]["MaxPoint"]

    assert extents("root") == extents("open") == ([0, 0, 0], [99, 69, 39])
    path = dvid.node("open", "gray/raw/0_1_2/32_32_32/-64_0_96?mutate=true")
    assert dvid.ask("POST", path, bytes(32**3))[0] == 200
    assert extents("open") == ([-64, 0, 0], [99, 69, 127])
    assert extents("root") == extents("branch") == ([0, 0, 0], [99, 69, 39])
    axes = dvid.json(dvid.node("open", "gray/metadata"))["Axes"]
    assert [(one["Label"], one["Size"], one["Offset"]) for one in axes] == [
        ("X", 164, -64),
        ("Y", 70, 0),
        ("Z", 128, 0),
    ]


def test_data_without_voxels_has_no_extents(dvid) -> None:
    dvid.json(
        f"/api/repo/{dvid.content.root.uuid}/instance", "POST", {"typename": "uint8blk", "dataname": "new"}
    )
    told = dvid.json(dvid.node("open", "new/info"))["Extended"]
    assert told["MinPoint"] is told["MaxPoint"] is told["MinIndex"] is None
    assert dvid.get("open", "new/raw/vol/2_2_2/0_0_0") == bytes(8)


def test_background_is_what_the_settings_say(dvid) -> None:
    settings = {"typename": "uint8blk", "dataname": "new", "background": "7", "VoxelSize": "4,4,40"}
    dvid.json(f"/api/repo/{dvid.content.root.uuid}/instance", "POST", settings)
    assert dvid.get("open", "new/raw/vol/2_2_2/-9_0_0") == bytes([7]) * 8
    assert dvid.json(dvid.node("open", "new/info"))["Extended"]["VoxelSize"] == [4, 4, 40]


def test_resolution_is_for_all_nodes_and_extents_are_for_one(dvid) -> None:
    assert dvid.ask("POST", dvid.node("open", "gray/resolution"), b"[4,4,40]")[0] == 200
    assert dvid.json(dvid.node("root", "gray/metadata"))["Axes"][2]["Resolution"] == 40
    said = b'{"MinPoint":[0,0,0],"MaxPoint":[9,9,9]}'
    assert dvid.ask("POST", dvid.node("open", "gray/extents"), said)[0] == 200
    assert dvid.json(dvid.node("open", "gray/info"))["Extents"]["MaxPoint"] == [9, 9, 9]
    assert dvid.json(dvid.node("root", "gray/info"))["Extents"]["MaxPoint"] == [99, 69, 39]


@pytest.mark.parametrize(
    ("plane", "index"),
    [("xy", np.s_[3, 2:9, 1:6]), ("0_2", np.s_[3:10, 2, 1:6]), ("yz", np.s_[3:10, 2:7, 1])],
)
def test_an_image_is_the_png_of_a_slice(dvid, plane, index) -> None:
    columns, rows, depth, colour, pixels = unpng(dvid.get("root", f"gray/raw/{plane}/5_7/1_2_3/png"))
    assert (columns, rows, depth, colour) == (5, 7, 8, 0)
    assert pixels == dvid.content.gray[index].tobytes()


def test_an_image_of_labels_has_their_bits_in_four_samples(dvid) -> None:
    columns, rows, depth, colour, pixels = unpng(dvid.get("root", "labels/raw/xy/5_7/1_2_3"))
    assert (columns, rows, depth, colour) == (5, 7, 16, 6)
    found = np.frombuffer(pixels, ">u2").astype("<u2").view("<u8").reshape(7, 5)
    assert np.array_equal(found, dvid.content.labels[3, 2:9, 1:6])


def test_a_jpeg_is_for_grey_voxels_and_a_volume_becomes_a_tall_one(dvid) -> None:
    for call, size in (("xy/5_7/1_2_3/jpg:60", (7, 5)), ("0_1_2/8_9_10/0_0_0/jpg", (90, 8))):
        _, fields, body = dvid.ask("GET", dvid.node("root", f"gray/raw/{call}"))
        frame = body.index(b"\xff\xc0")
        assert (fields["Content-Type"], struct.unpack(">HH", body[frame + 5 : frame + 9])) == (
            "image/jpeg",
            size,
        )
    assert "8 bits alone" in dvid.refused("GET", dvid.node("root", "labels/raw/xy/4_4/0_0_0/jpg"))


def test_isotropic_images_have_square_pixels(dvid) -> None:
    dvid.ask("POST", dvid.node("open", "gray/resolution"), b"[4,4,20]")
    columns, rows, _, _, pixels = unpng(dvid.get("open", "gray/isotropic/xz/10_6/0_0_0"))
    assert (columns, rows) == (10, 30)
    found = np.frombuffer(pixels, np.uint8).reshape(30, 10)
    assert np.array_equal(found, dvid.content.gray[:6, 0, :10].repeat(5, 0))


def test_labels_have_coarser_scales_and_images_do_not(dvid) -> None:
    coarse = read(dvid, "root", "labels", (1, 2, 3), (20, 6, 5), "<u8", "?scale=2")
    assert np.array_equal(coarse, dvid.content.labels[12:32:4, 8:32:4, 4:84:4])
    far = read(dvid, "root", "labels", (-1, -1, 0), (30, 20, 10), "<u8", "?scale=3")
    expected = np.zeros((10, 20, 30), np.uint64)
    expected[:8, 1:9, 1:17] = dvid.content.labels[::8, ::8, ::8]
    assert np.array_equal(far, expected)
    assert "illegal scale" in dvid.refused("GET", dvid.node("root", "labels/raw/vol/1_1_1/0_0_0?scale=9"))


def test_labels_travel_compressed_without_a_content_encoding(dvid) -> None:
    path = dvid.node("open", "labels/raw/vol/128_64_64/0_0_0?compression=gzip")
    _, fields, body = dvid.ask("GET", path)
    assert "Content-Encoding" not in fields
    assert gzip.decompress(body) == dvid.content.labels.tobytes()
    assert dvid.ask("POST", path, gzip.compress((dvid.content.labels + np.uint64(1)).tobytes()))[0] == 200
    assert (
        dvid.get("open", "labels/raw/vol/128_64_64/0_0_0") == (dvid.content.labels + np.uint64(1)).tobytes()
    )


def test_blocks_come_with_their_places_and_absent_ones_not_at_all(dvid) -> None:
    def blocks(body: bytes) -> dict[tuple[int, int, int], bytes]:
        found = {}
        while body:
            x, y, z, length = struct.unpack("<4i", body[:16])
            found[x, y, z] = body[16 : 16 + length]
            body = body[16 + length :]
        return found

    query = "compression=uncompressed"
    found = blocks(dvid.get("root", f"gray/subvolblocks/128_64_32/0_0_-32?{query}"))
    assert found == {}
    found = blocks(dvid.get("root", f"gray/subvolblocks/160_64_64/-32_0_0?{query}"))
    assert sorted(found) == [(x, y, z) for x in range(4) for y in range(2) for z in range(2)]
    assert found[2, 1, 0] == cut(dvid.content.gray, (64, 32, 0), (32, 32, 32)).tobytes()
    chosen = blocks(dvid.get("root", f"gray/specificblocks?blocks=3,2,1,99,0,0,0,0,0&{query}"))
    assert chosen == {
        place: cut(dvid.content.gray, tuple(32 * one for one in place), (32, 32, 32)).tobytes()
        for place in ((3, 2, 1), (0, 0, 0))
    }
    pictures = blocks(dvid.get("root", "gray/specificblocks?blocks=0,0,0"))
    assert pictures[0, 0, 0].startswith(b"\xff\xd8\xff")  # what DVID answers to whom did not say otherwise
    text = dvid.refused("GET", dvid.node("root", "labels/specificblocks?blocks=0,0,0"))
    assert "ask for 'uncompressed'" in text
    assert "not aligned" in dvid.refused(
        "GET", dvid.node("root", f"gray/subvolblocks/32_32_32/1_0_0?{query}")
    )


def test_data_in_a_grid_store_gives_blocks_alone(dvid) -> None:
    said = {"typename": "uint8blk", "dataname": "far", "GridStore": "bucket"}
    dvid.json(f"/api/repo/{dvid.content.root.uuid}/instance", "POST", said)
    assert "GridStore" in dvid.refused("GET", dvid.node("open", "far/raw/vol/1_1_1/0_0_0"))
    assert dvid.get("open", "far/subvolblocks/32_32_32/0_0_0?compression=uncompressed") == b""


def test_blocks_along_x_are_read_and_written(dvid) -> None:
    body = dvid.get("open", "gray/blocks/1_0_0/3")
    assert body == b"".join(cut(dvid.content.gray, (x, 0, 0), (32, 32, 32)).tobytes() for x in (32, 64, 96))
    assert dvid.ask("POST", dvid.node("open", "gray/blocks/-1_0_0/3"), body)[0] == 200
    assert dvid.get("open", "gray/blocks/-1_0_0/3") == body


def test_a_region_of_interest_masks_what_is_read(dvid) -> None:
    assert dvid.ask("POST", dvid.node("open", "area/roi"), b"[[0,0,1,2],[0,1,1,1]]")[0] == 200
    inside = np.zeros((40, 70, 100), bool)
    inside[:32, :32, 32:96] = inside[:32, 32:64, 32:64] = True
    gray = dvid.content.gray
    found = read(dvid, "open", "gray", (0, 0, 0), (100, 70, 40), "u1", "?roi=area")
    assert np.array_equal(found, np.where(inside, gray, 0))
    found = read(dvid, "open", "gray", (0, 0, 0), (100, 70, 40), "u1", "?roi=area&attenuation=2")
    assert np.array_equal(found, np.where(inside, gray, gray >> 2))
    mask = np.frombuffer(dvid.get("open", "area/mask/0_1_2/100_70_40/0_0_0"), bool).reshape(40, 70, 100)
    assert np.array_equal(mask, inside)
    assert dvid.json(dvid.node("root", "area/roi")) == []
    points = [[32, 0, 0], [31, 0, 0], [40, 40, 31], [40, 40, 32]]
    assert dvid.json(dvid.node("open", "area/ptquery"), "POST", points) == [True, False, True, False]
    assert dvid.json(dvid.node("root", "area/ptquery"), "POST", points) == [False] * 4  # asks, though by POST
