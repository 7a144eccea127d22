"""Does the demo's DVID answer for labels, keys and values, and annotations?"""

import io
import json
import struct
import tarfile
from typing import Any

import numpy as np

from gateway.demo.dvid.protobuf import from_key_values, key_values


def first_label(dvid: Any) -> int:
    return int(dvid.content.labels[0, 0, 0])


def test_labels_of_points_are_exact_beyond_what_a_float_holds(dvid) -> None:
    labels = dvid.content.labels
    assert labels.min() > 1 << 53
    assert dvid.json(dvid.node("open", "labels/label/100_50_20")) == {"Label": int(labels[20, 50, 100])}
    points = [[0, 0, 0], [127, 63, 63], [-1, 0, 0], [64, 1, 2]]
    expected = [int(labels[0, 0, 0]), int(labels[63, 63, 127]), 0, int(labels[2, 1, 64])]
    _, _, body = dvid.ask("GET", dvid.node("open", "labels/labels"), json.dumps(points).encode())
    assert json.loads(body) == expected


def test_sizes_come_for_a_get_with_a_body(dvid) -> None:
    labels = dvid.content.labels
    names, counts = np.unique(labels, return_counts=True)
    asked = [*map(int, names[::-1]), 5]
    _, _, body = dvid.ask("GET", dvid.node("root", "labels/sizes"), json.dumps(asked).encode())
    assert json.loads(body) == [*map(int, counts[::-1]), 0]
    one = first_label(dvid)
    assert dvid.json(dvid.node("root", f"labels/size/{one}")) == {"voxels": int((labels == one).sum())}
    listed = np.frombuffer(dvid.get("root", "labels/listlabels?sizes=true&number=3"), "<u8").reshape(-1, 2)
    assert np.array_equal(listed, np.stack([names, counts.astype(np.uint64)], 1)[:3])


def test_an_absent_label_is_not_found(dvid) -> None:
    for call in ("size", "sparsevol", "supervoxels", "sparsevol-size"):
        status, fields, body = dvid.ask("GET", dvid.node("root", f"labels/{call}/5"))
        assert (status, body) == (404, b"label 5 was not found in data 'labels'\n")
        assert fields["X-Content-Type-Options"] == "nosniff"
    assert dvid.ask("HEAD", dvid.node("root", "labels/sparsevol/5"))[0] == 204
    assert dvid.ask("HEAD", dvid.node("root", f"labels/sparsevol/{first_label(dvid)}"))[0] == 200


def test_a_sparse_volume_is_every_voxel_of_a_label_in_runs(dvid) -> None:
    label = first_label(dvid)
    body = dvid.get("root", f"labels/sparsevol/{label}")
    kind, dimensions, run_axis, _, voxels, count = struct.unpack("<BBBBII", body[:12])
    runs = np.frombuffer(body[12:], "<i4").reshape(-1, 4)
    assert (kind, dimensions, run_axis, voxels, count) == (0, 3, 0, 0, len(runs))
    found = np.zeros(dvid.content.labels.shape, bool)
    for x, y, z, length in runs:
        assert not found[z, y, x : x + length].any()
        found[z, y, x : x + length] = True
    assert np.array_equal(found, dvid.content.labels == label)
    told = dvid.json(dvid.node("root", f"labels/sparsevol-size/{label}"))
    places = np.argwhere(found)[:, ::-1]
    assert told["voxels"] == found.sum()
    assert (told["minvoxel"], told["maxvoxel"]) == (places.min(0).tolist(), places.max(0).tolist())


def test_a_sparse_volume_can_be_bounded_coarser_or_of_blocks(dvid) -> None:
    label = first_label(dvid)
    mine = dvid.content.labels == label

    def voxels(call: str, shape: tuple[int, ...]) -> Any:
        found = np.zeros(shape, bool)
        for x, y, z, length in np.frombuffer(dvid.get("root", f"labels/{call}")[12:], "<i4").reshape(-1, 4):
            found[z, y, x : x + length] = True
        return found

    bounded = np.zeros_like(mine)
    bounded[:21, 4:, 3:100] = mine[:21, 4:, 3:100]
    bounds = "minx=3&maxx=99&miny=4&maxz=20"
    assert np.array_equal(voxels(f"sparsevol/{label}?{bounds}", mine.shape), bounded)
    assert dvid.ask("HEAD", dvid.node("root", f"labels/sparsevol/{label}?{bounds}"))[0] == 200
    assert dvid.ask("HEAD", dvid.node("root", f"labels/sparsevol/{label}?minx=999"))[0] == 204
    assert np.array_equal(voxels(f"sparsevol/{label}?scale=2", (16, 16, 32)), mine[::4, ::4, ::4])
    blocks = mine.reshape(1, 64, 1, 64, 2, 64).any(axis=(1, 3, 5))
    assert np.array_equal(voxels(f"sparsevol-coarse/{label}", (1, 1, 2)), blocks)
    assert set(dvid.json(dvid.node("root", f"labels/lastmod/{label}"))) == {
        "mutation id",
        "last mod user",
        "last mod app",
        "last mod time",
    }


def test_what_is_written_to_labels_is_counted_at_that_node_alone(dvid) -> None:
    label = first_label(dvid)
    before = dvid.json(dvid.node("root", f"labels/size/{label}"))
    new = int(dvid.json(dvid.node("open", "labels/nextlabel/3"), "POST")["start"])
    assert new == int(dvid.content.labels.max()) + 1
    assert dvid.json(dvid.node("open", "labels/nextlabel")) == {"nextlabel": new + 3}
    block = np.full((64, 64, 64), new, "<u8").tobytes()
    assert dvid.ask("POST", dvid.node("open", "labels/raw/0_1_2/64_64_64/0_0_0"), block)[0] == 200
    assert dvid.json(dvid.node("open", f"labels/size/{new}")) == {"voxels": 64**3}
    assert dvid.json(dvid.node("root", f"labels/size/{label}")) == before
    assert dvid.ask("GET", dvid.node("root", f"labels/size/{new}"))[0] == 404
    assert dvid.json(dvid.node("root", "labels/maxlabel")) == {"maxlabel": new + 2}


def test_a_key_lives_from_post_to_delete_and_its_bytes_are_kept(dvid) -> None:
    path = dvid.node("open", "keys/key/a%20b.c")
    value = bytes(range(256)) * 20
    assert dvid.ask("HEAD", path)[0] == 404
    status, _, body = dvid.ask("POST", path, value)
    assert (status, body) == (200, b"")
    status, fields, body = dvid.ask("GET", path)
    assert (status, fields["Content-Type"], body) == (200, "application/octet-stream", value)
    assert dvid.ask("HEAD", path)[0] == 200
    assert dvid.ask("DELETE", path)[0] == 200
    status, fields, body = dvid.ask("GET", path)
    assert (status, body) == (404, b'Key "a b.c" not found\n')


def test_part_of_a_value_can_be_asked_for(dvid) -> None:
    path = dvid.node("open", "keys/key/k")
    dvid.ask("POST", path, b"0123456789")
    for wanted, expected in (
        ("bytes=2-4", (206, b"234", "bytes 2-4/10")),
        ("bytes=7-", (206, b"789", "bytes 7-9/10")),
        ("bytes=-2", (206, b"89", "bytes 8-9/10")),
        ("bytes=0-99", (206, b"0123456789", "bytes 0-9/10")),
        ("lines=1-2", (200, b"0123456789", None)),
    ):
        status, fields, body = dvid.ask("GET", path, fields={"Range": wanted})
        assert (status, body, fields["Content-Range"]) == expected
    assert dvid.ask("GET", path, fields={"Range": "bytes=10-"})[0] == 416
    assert dvid.ask("GET", path + "?byte_start=2&byte_end=3")[2] == b"23"


def test_a_blob_is_found_by_its_reference_at_every_node(dvid) -> None:
    reference = dvid.json(dvid.node("open", "flat/blobstore"), "POST", {"any": "thing"})["reference"]
    assert json.loads(dvid.get("root", f"flat/blobstore/{reference}")) == {"any": "thing"}
    assert dvid.ask("GET", dvid.node("root", "flat/blobstore/nope"))[0] == 404


def test_a_key_that_a_child_deletes_stays_with_the_parent(dvid) -> None:
    for value in (b"", b"old"):
        dvid.ask("POST", dvid.node("open", "keys/key/k"), value)
        assert dvid.get("open", "keys/key/k") == value
    dvid.json(dvid.node("open", "commit"), "POST", {})
    child = dvid.json(dvid.node("open", "newversion"), "POST", {})["child"]
    assert dvid.ask("DELETE", f"/api/node/{child}/keys/key/k")[0] == 200
    assert dvid.ask("GET", f"/api/node/{child}/keys/key/k")[0] == 404
    assert dvid.get("open", "keys/key/k") == b"old"
    assert dvid.json(f"/api/node/{child}/keys/keys") == []


def test_keys_come_in_order_and_by_range_with_both_ends(dvid) -> None:
    for key in ("b", "a", "c", "B", "ab"):
        dvid.ask("POST", dvid.node("open", f"keys/key/{key}"), json.dumps({"is": key}).encode())
    assert dvid.json(dvid.node("open", "keys/keys")) == ["B", "a", "ab", "b", "c"]
    assert dvid.json(dvid.node("open", "keys/keyrange/a/b")) == ["a", "ab", "b"]
    values = dvid.json(dvid.node("open", "keys/keyrangevalues/ab/b?json=true"))
    assert values == {"ab": {"is": "ab"}, "b": {"is": "b"}}
    body = dvid.get("open", "keys/keyrangevalues/ab/b?tar=true")
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert archive.getnames() == ["ab", "b"]
    assert key_values(dvid.get("open", "keys/keyrangevalues/ab/b")) == {
        "ab": b'{"is": "ab"}',
        "b": b'{"is": "b"}',
    }


def test_many_values_are_asked_for_and_written_at_once(dvid) -> None:
    many = {f"k{number}": str(number).encode() * number for number in range(1, 200)}
    assert dvid.ask("POST", dvid.node("open", "keys/keyvalues"), from_key_values(many))[0] == 200
    path = dvid.node("open", "keys/keyvalues")
    _, _, body = dvid.ask("GET", path + "?json=true", b'["k3", "none", "k1"]')
    assert json.loads(body) == {"k3": 333, "k1": 1}
    asked = b"".join(b"\x0a" + bytes([len(key)]) + key.encode() for key in ("k199", "k2"))
    assert key_values(dvid.ask("GET", path, asked)[2]) == {"k199": many["k199"], "k2": b"22"}
    dvid.ask("POST", dvid.node("open", "keys/key/text"), b"no json")
    assert "bad JSON" in dvid.refused("GET", path + "?json=true", b'["text"]')
    assert dvid.ask("GET", path + "?json=true&check=false", b'["text"]')[2] == b'{"text":no json}'
    assert "no protobuf" in dvid.refused("GET", path, b"\xff\xff")
    assert "must be JSON" in dvid.refused("GET", path + "?json=true", b"[")


def element(x: int, y: int, z: int, *tags: str) -> dict[str, Any]:
    return {
        "Pos": [x, y, z],
        "Kind": "Note",
        "Tags": list(tags),
        "Prop": {},
        "Rels": [{"Rel": "GroupedWith"}],
    }


def test_annotations_are_found_by_place_tag_and_label(dvid) -> None:
    one, two, three = element(1, 2, 3, "good"), element(100, 50, 20), element(-5, 0, 0, "good", "far")
    assert dvid.json(dvid.node("open", "points/elements"), "POST", [one, two, three]) is None
    assert dvid.json(dvid.node("open", "points/elements/10_10_10/0_0_0")) == [one]
    assert dvid.json(dvid.node("open", "points/elements/400_400_400/-200_-200_-200")) == [three, one, two]
    assert dvid.json(dvid.node("open", "points/all-elements")) == {
        "-1,0,0": [three],
        "0,0,0": [one],
        "1,0,0": [two],
    }
    assert dvid.json(dvid.node("open", "points/blocks/10_10_10/0_0_0")) == {"0,0,0": [one]}
    plain = [{key: value for key, value in each.items() if key != "Rels"} for each in (three, one)]
    assert dvid.json(dvid.node("open", "points/tag/good")) == plain
    assert dvid.json(dvid.node("open", "points/tag/far?relationships=true")) == [three]
    label = int(dvid.content.labels[20, 50, 100])
    assert two in dvid.json(dvid.node("open", f"points/label/{label}?relationships=true"))
    assert dvid.json(dvid.node("root", "points/all-elements")) == {}


def test_annotations_move_and_go(dvid) -> None:
    dvid.json(dvid.node("open", "points/elements"), "POST", [element(1, 2, 3), element(4, 5, 6)])
    dvid.json(dvid.node("open", "points/move/1_2_3/70_0_0"), "POST")
    assert dvid.ask("DELETE", dvid.node("open", "points/element/4_5_6"))[0] == 200
    assert dvid.json(dvid.node("open", "points/all-elements")) == {"1,0,0": [element(70, 0, 0)]}
    assert "did not find" in dvid.refused("POST", dvid.node("open", "points/move/1_2_3/7_0_0"))
    assert "position" in dvid.refused("POST", dvid.node("open", "points/elements"), b'[{"Pos": [1]}]')
