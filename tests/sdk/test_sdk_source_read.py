"""Do the partitions of a source come together: in parallel, in order, whole or not at all?"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pyarrow
import pytest

import labgate
from labgate.errors import BadReply, DeadlineExceeded, GateUnreachable, InvalidParams
from tests.sdk.conftest import Gate, Handler
from tests.sdk.shelf import FRAMES, RUNS, Shelf, where
from tests.sdk.voxels import answers, npy, once, refuse


@pytest.fixture
def shelf(gate: Gate) -> Shelf:
    return Shelf(gate)


@pytest.fixture
def lab(shelf: Shelf) -> Any:
    return labgate.connect(shelf.url)


def test_all_of_a_table_is_its_partitions_in_their_order(lab: Any, shelf: Shelf) -> None:
    assert lab.data["runs"].read().equals(pyarrow.concat_tables(RUNS))
    assert sorted(one["partition"] for one in shelf.reads) == [*range(20)]
    assert lab.data["runs"].read(partition=3).equals(RUNS[3])
    assert lab.data["runs"].read(np.int64(4)).equals(RUNS[4])


def test_an_array_is_received_block_by_block_in_its_place(lab: Any, shelf: Shelf) -> None:
    whole = lab.data["frames"].read()
    np.testing.assert_array_equal(whole, FRAMES)
    assert (whole.dtype, whole.flags.c_contiguous) == (np.uint16, True)
    assert sorted(one["partition"] for one in shelf.reads) == [[a, b] for a in range(3) for b in range(2)]
    assert all(verb == "GET" for verb, target, *_ in shelf.gate.requests if "data.read" in target)
    np.testing.assert_array_equal(lab.data["frames"].read(partition=(2, 1)), FRAMES[6:, 8:])


def test_partitions_are_fetched_at_the_same_time(lab: Any, shelf: Shelf) -> None:
    shelf.together = threading.Barrier(4)
    assert lab.data["runs"].read(workers=4).num_rows == 40
    shelf.together = threading.Barrier(6)
    np.testing.assert_array_equal(lab.data["frames"].read(workers=6), FRAMES)


def test_iterating_gives_the_partitions_in_their_order_and_fetches_only_some_ahead(
    lab: Any, shelf: Shelf
) -> None:
    found = iter(lab.data["runs"])
    assert next(found).equals(RUNS[0])
    assert len(shelf.reads) == 8
    assert [one.column("run")[0].as_py() for one in found] == [at * 10 for at in range(1, 20)]
    blocks = [*lab.data["frames"].partitions(workers=4)]
    for block, at in zip(blocks, [[a, b] for a in range(3) for b in range(2)], strict=True):
        np.testing.assert_array_equal(block, FRAMES[where(at)])


def test_lists_are_joined_and_one_partition_is_asked_for_as_the_whole(lab: Any, shelf: Shelf) -> None:
    assert lab.data["notes"].read() == ["notes 0", "end", "notes 1", "end"]
    assert lab.data["text"].read() == ["whole"]
    assert shelf.reads[-1] == {"name": "text"}
    shelf.gate.answers["data.read"] = lambda params: params["partition"]
    with pytest.raises(BadReply, match="nothing that can be joined"):
        lab.data["notes"].read()
    assert [*lab.data["notes"]] == [0, 1]


def test_what_a_source_without_partitions_is_the_gate_says(lab: Any, shelf: Shelf) -> None:
    shelf.entries["notes"]["npartitions"] = 0
    assert lab.data["notes"].read() == ["whole"]
    assert [*lab.data["notes"]] == []


@pytest.mark.parametrize(
    "said",
    [{"chunks": None}, {"dtype": None}, {"dtype": "[('a', '<i4')]"}, {"shape": [None, 12]}, {"shape": None}],
)
def test_an_array_of_which_too_little_is_known_is_the_gates_to_join(
    said: dict[str, Any], lab: Any, shelf: Shelf
) -> None:
    shelf.entries["frames"].update(said)
    np.testing.assert_array_equal(lab.data["frames"].read(), FRAMES)
    assert shelf.reads == [{"name": "frames"}]
    np.testing.assert_array_equal(lab.data["frames"].read(partition=[1, 0]), FRAMES[3:6, :8])


def test_an_array_in_one_block_is_received_whole(lab: Any, shelf: Shelf) -> None:
    shelf.entries["frames"].update(chunks=None, npartitions=1)
    np.testing.assert_array_equal(lab.data["frames"].read(), FRAMES)
    assert shelf.reads == [{"name": "frames"}]


def test_what_is_no_partition_is_refused_here_and_what_is_out_of_range_by_the_gate(
    lab: Any, shelf: Shelf
) -> None:
    for wrong in ("0", 1.5, (0, None), {}):
        with pytest.raises(TypeError):
            lab.data["frames"].read(partition=wrong)
    assert shelf.reads == []
    shelf.broken = [[9, 0], 99]
    for name, partition in (("frames", (9, 0)), ("runs", 99)):
        with pytest.raises(InvalidParams, match="no such partition"):
            lab.data[name].read(partition=partition)


def test_a_partition_that_is_refused_ends_the_reading_and_is_named(lab: Any, shelf: Shelf) -> None:
    shelf.broken = [17, [2, 0]]
    for name, named in (("runs", "partition 17"), ("frames", "partition [2, 0]")):
        with pytest.raises(InvalidParams) as caught:
            lab.data[name].read(workers=3)
        assert caught.value.__notes__ == [f"It was {named} that failed."]
        assert caught.value.method == "data.read"


def test_partitions_that_break_or_are_put_off_are_asked_for_again(lab: Any, shelf: Shelf) -> None:
    def later(asked: Handler) -> bool:
        refuse(asked, 503, -32007, "later", "Unavailable", ("Retry-After", "0"))
        return True

    shelf.before = once(later, answers(b"\x93NUMPY", length=500))
    np.testing.assert_array_equal(lab.data["frames"].read(), FRAMES)
    assert len(shelf.reads) == 8


def test_a_block_of_another_shape_is_no_answer(lab: Any, shelf: Shelf) -> None:
    shelf.before = answers(*map(bytes, npy(FRAMES)))
    with pytest.raises(BadReply, match=r"shape \(7, 12\) instead of"):
        lab(retries=0).data["frames"].read()


def test_all_partitions_have_one_deadline(lab: Any, shelf: Shelf) -> None:
    shelf.together = threading.Barrier(2)
    for name in ("runs", "frames"):
        source = lab(timeout=0.2, retries=0).data[name]
        with pytest.raises(DeadlineExceeded, match=r"did not come within 0\.2 s"):
            source.read(workers=1)
        shelf.together.abort()
        shelf.together = threading.Barrier(2)


def test_a_gate_that_goes_away_in_the_middle_is_told(lab: Any, shelf: Shelf) -> None:
    def gone(asked: Handler) -> bool:
        asked.close_connection = True
        return True

    shelf.before = gone
    with pytest.raises(GateUnreachable):
        lab(retries=0).data["frames"].read()
    with pytest.raises(ValueError, match="workers is a whole number"):
        lab.data["runs"].read(workers=0)
