"""Blocks cover a box exactly, boxfuls of missing blocks are what is missing, and keys tell apart what the service can tell apart."""

import math
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.dvid import geometry
from gateway.dialects.dvid.endpoints import asked, cutout, length_of, never_changes, tag_of, target_of
from gateway.dialects.dvid.geometry import Box, Voxels
from gateway.dialects.dvid.repos import Instance, Node, Repo

BLOCK = (4, 8, 16)
corners = st.tuples(*[st.integers(-40, 40)] * 3)
sides = st.tuples(*[st.integers(1, 50)] * 3)
boxes = st.builds(
    lambda start, shape: Box(start, tuple(a + b for a, b in zip(start, shape, strict=True))), corners, sides
)
indices = st.sets(st.tuples(st.integers(-2, 2), st.integers(-4, 4), st.integers(-6, 6)), max_size=80)


def node(*, locked=True, updated="2020-01-01T00:00:00Z", uuid="a" * 32):
    return Node(uuid, 1, locked, "", "", (), (), (), "", updated)


def instance(kind="uint8blk", name="gray", data="d" * 32, *, versioned=True, tags=None):
    return Instance(name, kind, data, versioned, tags or {}, {}, {})


def repo(*instances):
    made = Repo("a" * 32, {"DAG": {"Nodes": {}}})
    made.instances = {one.name: one for one in instances}
    return made


def told(path, query=""):
    """What is asked for by a path behind the data's name."""
    inner = (b"api", b"node", b"a", b"gray", *path.encode().split(b"/"))
    return asked(inner, query.encode())


# --- boxes and blocks


@given(boxes)
def test_the_blocks_of_a_box_hold_each_of_its_voxels_once_and_none_is_needless(box):
    seen = np.zeros(box.shape, np.uint8)
    found = geometry.blocks(box, BLOCK)
    for index in found:
        part = geometry.box_of_block(index, BLOCK).meets(box)
        assert part.voxels > 0
        seen[part.within(box)] += 1
    assert (seen == 1).all()
    assert len(set(found)) == len(found)
    assert found == sorted(found)


@given(boxes)
def test_slabs_are_a_box_cut_along_its_slowest_axis_at_the_borders_of_blocks(box):
    found = list(geometry.slabs(box, BLOCK))
    assert sum(slab.voxels for slab in found) == box.voxels
    assert [slab.stop[0] for slab in found[:-1]] == [slab.start[0] for slab in found[1:]]
    assert (found[0].start, found[-1].stop) == (box.start, box.stop)
    assert all(slab.stop[0] % BLOCK[0] == 0 for slab in found[:-1])


@given(indices, st.sampled_from([(4, 8, 16), (64, 128, 256), (256, 256, 256), (512, 512, 512)]))
def test_boxfuls_of_missing_blocks_are_all_that_is_missing_once_and_none_is_too_large(missing, block):
    found = geometry.regions(missing, block)
    assert sorted(index for group in found for index in group) == sorted(missing)
    for group in found:
        around = geometry.around(group, block)
        assert around.voxels == len(group) * math.prod(block), "a group fills its box"
        assert around.voxels <= max(geometry.MOST_VOXELS, math.prod(block))
        assert sorted(geometry.blocks(around, block)) == sorted(group)


@settings(max_examples=50)
@given(boxes, indices.filter(bool), st.randoms(use_true_random=False))
def test_a_cutout_pasted_from_blocks_is_what_numpy_cuts_out(box, stored, chance):
    block = (4, 4, 8)
    everything = Box((-64,) * 3, (128,) * 3)
    volume = np.random.default_rng(chance.randrange(1 << 30)).integers(
        0, 256, everything.shape, dtype=np.uint8
    )
    out = np.zeros(box.shape, np.uint8)
    wanted = geometry.blocks(box, block)
    at_hand = [index for index in wanted if index in stored]
    for slab in geometry.slabs(box, block):
        here = Box(slab.start, slab.stop)
        view = out[here.within(box)]
        inside = geometry.blocks(slab, block)
        for group in geometry.regions([one for one in inside if one not in stored], block):
            around = geometry.around(group, block)
            data = volume[around.within(everything)]
            for index in group:
                whole = geometry.box_of_block(index, block)
                part = whole.meets(slab)
                view[part.within(slab)] = data[whole.within(around)][part.within(whole)]
        for index in at_hand:
            if index in inside:
                whole = geometry.box_of_block(index, block)
                part = whole.meets(slab)
                view[part.within(slab)] = volume[part.within(everything)]
    assert (out == volume[box.within(everything)]).all()


@pytest.mark.parametrize("voxels", [Voxels("uint8", 1), Voxels("uint64", 1), Voxels("uint8", 4)])
def test_stored_blocks_are_whole_blocks_of_the_service_of_about_a_mebibyte(voxels):
    shape = geometry.block_shape(voxels)
    assert all(side % 64 == 0 for side in shape)
    assert (1 << 19) <= math.prod(shape) * voxels.size <= (1 << 21)


def test_a_thin_line_through_very_many_blocks_is_not_made_of_them():
    block = geometry.block_shape(Voxels("uint8", 1))
    assert geometry.in_blocks(Box((0, 0, 0), (1, 1, 1)), block)
    assert geometry.in_blocks(Box((0, 0, 0), (4096, 512, 512)), block)
    assert geometry.in_blocks(Box((3, 5, 7), (68, 2000, 2000)), block)
    assert not geometry.in_blocks(Box((0, 0, 0), (10_000, 1, 1)), block)
    assert not geometry.in_blocks(Box((0, 0, 0), (1 << 31, 1, 1)), block)


# --- requests


numbers = st.integers(-(1 << 33), 1 << 33).map(str)
odd_numbers = st.sampled_from(["", "+1", " 1", "1 ", "٣", "1.0", "9" * 5000, "0x1", "-", "1_1", "²"])
triples = st.lists(st.one_of(numbers, odd_numbers), min_size=1, max_size=4).map("_".join)
scales = st.one_of(st.none(), numbers, odd_numbers)


@given(st.sampled_from(["0_1_2", "0,1,2", "vol", "xyz", "0_1", ""]), triples, triples, scales)
def test_no_request_makes_the_reading_of_it_fail_and_what_is_read_fits_dvids_limit(dims, size, offset, scale):
    query = "" if scale is None else f"?scale={quote(scale)}"
    what = told(f"raw/{dims}/{size}/{offset}", query)
    for one in (instance(), instance("labelmap"), instance("keyvalue")):
        if what is None:
            continue
        found = cutout(what, one)
        if found is not None:
            box, voxels, level = found
            assert 0 < box.voxels * voxels.size <= geometry.MOST_BYTES
            assert 0 <= level <= 32
            assert length_of(what, one) == box.voxels * voxels.size


@given(sides, corners)
def test_sizes_and_offsets_are_fastest_axis_first(size, offset):
    what = told("raw/0_1_2/{}/{}".format("_".join(map(str, size)), "_".join(map(str, offset))))
    box, _, _ = cutout(what, instance())
    assert box.shape == tuple(reversed(size))
    assert box.start == tuple(reversed(offset))


names = st.sampled_from(["scale", "roi", "compression", "supervoxels", "u", "app", "throttle", "interactive"])
queries = st.lists(st.tuples(names, st.sampled_from(["", "1", "true", "area", "a%20b"])), max_size=4)
paths = st.sampled_from(["key/a", "key/b", "key/a/b", "keys", "keyrange/a/b", "label/1_2_3", "blobstore/x"])


@given(paths, queries, paths, queries)
def test_two_requests_are_one_only_if_the_service_cannot_tell_them_apart(path, pairs, other, others):
    area = instance("roi", "area", "e" * 32)
    known = repo(instance(), area)

    def target(path, pairs):
        what = told(path, "?" + "&".join(f"{name}={value}" for name, value in pairs))
        return None if what.odd else target_of(known, node(), known.instances["gray"], what)

    def meaning(path, pairs):
        return path, sorted(pair for pair in pairs if pair[0] not in ("u", "app", "throttle", "interactive"))

    one, two = target(path, pairs), target(other, others)
    if one is not None and two is not None:
        assert (one == two) == (meaning(path, pairs) == meaning(other, others))
        assert (tag_of(one) == tag_of(two)) == (one == two)


def test_another_version_other_data_and_another_mask_of_the_same_name_are_other_requests():
    known = repo(instance(), instance("roi", "area", "e" * 32))
    gray = known.instances["gray"]
    plain, masked = told("raw/0_1_2/4_4_4/0_0_0"), told("raw/0_1_2/4_4_4/0_0_0", "?roi=area")
    first = target_of(known, node(), gray, plain)
    assert first != target_of(known, node(uuid="b" * 32), gray, plain)
    assert first != target_of(known, node(), instance(data="f" * 32), plain)
    anew = repo(instance(), instance("roi", "area", "0" * 32))
    assert target_of(known, node(), gray, masked) != target_of(anew, node(), gray, masked)


# --- what never changes


NOW = 1.8e9
JUST_NOW = "2027-01-15T07:59:00Z"


@pytest.mark.parametrize(
    ("kind", "path", "query", "fresh", "settled"),
    [
        ("uint8blk", "raw/0_1_2/4_4_4/0_0_0", "", True, True),
        ("uint8blk", "raw/0_1_2/4_4_4/0_0_0", "?roi=area", True, True),
        ("uint8blk", "raw/0_1_2/4_4_4/0_0_0", "?roi=flat", False, False),
        ("uint8blk", "raw/0_1_2/4_4_4/0_0_0", "?roi=area,other", False, False),
        ("uint8blk", "raw/0_1_2/4_4_4/0_0_0", "?roi=none", False, False),
        ("uint8blk", "raw/0_1_2/4_4_4/0_0_0", "?scale=0&scale=1", False, False),
        ("uint8blk", "raw/0_1_2/4_4_4/0_0_0", "?admintoken=x", False, False),
        ("uint8blk", "raw/0_1_2/4_4_4/0_0_0", "?%61dmintoken=x", False, False),
        ("uint8blk", "isotropic/0_1/4_4/0_0_0", "", False, False),
        ("uint8blk", "info", "", False, False),
        ("uint8blk", "metadata", "", False, False),
        ("labelmap", "raw/0_1_2/4_4_4/0_0_0", "?scale=1", False, True),
        ("labelmap", "maxlabel", "", False, False),
        ("labelmap", "sparsevol/5", "?scale=2", False, True),
        ("annotation", "label/5", "", False, True),
        ("annotation", "tag/a", "", False, True),
        ("annotation", "elements/4_4_4/0_0_0", "", True, True),
        ("annotation", "roi/area,b", "", False, False),
        ("roi", "roi", "", True, True),
        ("keyvalue", "key/a", "", True, True),
        ("keyvalue", "tags", "", False, False),
        ("keyvalue", "blobstore/abc", "", True, True),
    ],
)
def test_what_never_changes_is_told_by_endpoint_type_and_age(kind, path, query, fresh, settled):
    data = instance(kind)
    known = repo(data, instance("roi", "area", "e" * 32), instance("roi", "flat", "f" * 32, versioned=False))
    what = told(path, query)
    young, old = node(updated=JUST_NOW), node()
    assert never_changes(known, young, data, what, NOW) is fresh
    assert never_changes(known, old, data, what, NOW) is settled
    stays = what.endpoint == "blobstore"
    assert never_changes(known, node(locked=False), data, what, NOW) is stays
    assert never_changes(known, old, instance(kind, versioned=False), what, NOW) is stays
    assert never_changes(known, old, instance(kind, data=""), what, NOW) is stays


@pytest.mark.parametrize("updated", ["", "soon", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999999", "1"])
def test_a_date_that_cannot_be_read_makes_nothing_settled_that_may_not_be(updated):
    assert isinstance(node(updated=updated).changed, float)
    if updated in ("", "soon", "1"):
        assert node(updated=updated).changed == math.inf
